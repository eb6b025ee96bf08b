"""Listeners learned from a log: a model of who skips what, and an environment made of it, to train in without anybody.

    P(skip | heard lately, song) = sigmoid(b + u . x + v . z + x' W z)

x: what the session shows so far (`ListeningView`, "averages"), z: the song's place on the map of sound and its appeal;
the products W let the same song please one listener and bore another. A second such model says whether a song that
was heard is liked; how much of a song is heard is the mean of skips and of listens, how long a session lasts is drawn
from the log. `LearnedListening` has observations and actions of ``Listening-v0``: agents train in it unchanged.

What such a model cannot know: songs in company that the logging policy never put them in (there it extends straight
lines, confidently), whatever moves a listener beyond the averages it looks at, and how tastes differ from the log's
by the time it is used. An agent looks for what pays in the *model*, and so finds its errors: what it earns here is a
promise, and the promise is kept or not by listeners alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from rlrec.datasets import Sessions
from rlrec.envs.catalogue import Catalogue
from rlrec.envs.listeners import LONGEST, Dials, Feedback, Listeners
from rlrec.envs.listening import ListeningBatch
from rlrec.envs.view import ListeningView
from rlrec.errors import ConfigError, DataError, require_ranges
from rlrec.types import Floats, Ids, Observations


class Plays(NamedTuple):
    """A log, play by play: what was seen before each of n plays, what played and how it was received."""

    seen: Observations  # "history" [n, 20], "feedback" [n, 20, 3], "position" [n, 1], as Listening-v0 shows them
    songs: Ids  # [n] catalogue ids
    feedback: Floats  # [n, 3] fraction, liked, skipped
    session: Ids  # [n] 0, 1, ..: which session

    def rows(self, keep: NDArray[Any]) -> Plays:
        """Some of the plays."""
        seen = {name: values[keep] for name, values in self.seen.items()}
        return Plays(seen, self.songs[keep], self.feedback[keep], self.session[keep])


def plays_of(log: Sessions, track_ids: ArrayLike) -> Plays:
    """The plays of ``log``, with songs numbered as in ``track_ids`` [songs], the catalogue's. Raises ``DataError``.

    Songs that the catalogue lacks are refused: a session with holes is another session.
    """
    place = {name: number for number, name in enumerate(np.asarray(track_ids).tolist())}
    unknown = [
        name
        for name in log.track_ids[np.unique(log.tracks)].tolist()
        if name not in place
    ]
    if unknown:
        raise DataError(
            f"{len(unknown)} tracks of the log are not in the catalogue, such as {unknown[0]!r}"
        )
    if not len(log):
        raise DataError("the log holds no plays; a model of listeners needs some")
    code = np.array([place.get(name, -1) for name in log.track_ids.tolist()], np.int64)
    songs = code[log.tracks]
    new = np.diff(np.column_stack([log.users, log.sessions]), axis=0, prepend=-1).any(
        axis=1
    )
    session, first = new.cumsum() - 1, np.flatnonzero(new)
    feedback = np.column_stack([log.fraction, log.liked, log.skipped]).astype(
        np.float64
    )
    before = np.arange(len(log)) - first[session]  # plays earlier in the session
    source = np.arange(len(log))[:, None] + np.arange(
        -LONGEST, 0
    )  # [n, 20], the newest last
    known = source >= first[session][:, None]
    source = np.where(known, source, 0)
    history = np.where(known, songs[source], -1)
    shown = np.where(known[:, :, None], feedback[source], 0.0).astype(np.float32)
    seen = {"history": history, "feedback": shown, "position": before[:, None]}
    return Plays(seen, songs, feedback, session.astype(np.int64))


def split_plays(
    plays: Plays, held_out: float, rng: np.random.Generator
) -> tuple[Plays, Plays]:
    """Whole sessions to one side or the other: (to learn from, held out); ``held_out``: the share, above 0, below 1."""
    sessions = int(plays.session.max()) + 1
    count = round(held_out * sessions)
    if not 0 < count < sessions:
        raise ConfigError(
            f"held_out is {held_out}: {count} of {sessions} sessions; both sides need one or more"
        )
    apart = np.zeros(sessions, np.bool_)
    apart[rng.permutation(sessions)[:count]] = True
    out = apart[plays.session]
    return plays.rows(~out), plays.rows(out)


@dataclass(frozen=True)
class ListenerConfig:
    """How the model is fitted."""

    strength: float = 0.03  # C of scikit-learn's LogisticRegression, > 0: the smaller, the shorter the weights
    products: bool = (
        True  # state times song; without them every listener likes the same songs best
    )

    def __post_init__(self) -> None:
        require_ranges(self, [("strength", 1e-9, 1e9)])


class Logistic(NamedTuple):
    """Log odds: ``bias`` + features . ``weights``; features [n, f] in units of ``scale`` [f] from ``middle`` [f]."""

    weights: Floats
    bias: float
    middle: Floats
    scale: Floats

    def __call__(self, features: Floats) -> Floats:
        return np.asarray(
            self.bias + ((features - self.middle) / self.scale) @ self.weights
        )


class ListenerModel:
    """What the plays of a log say about listeners. Raises ``DataError`` where a log shows one kind of reaction only."""

    def __init__(
        self, plays: Plays, catalogue: Catalogue, config: ListenerConfig | None = None
    ) -> None:
        self.catalogue, self.config = (
            catalogue,
            config if config is not None else ListenerConfig(),
        )
        self.vectors = np.column_stack(
            [catalogue.sound, catalogue.appeal]
        )  # [songs, 6]
        self.view = ListeningView(self.vectors, "averages", LONGEST)
        features, skipped = (
            self.features(plays.seen, plays.songs),
            plays.feedback[:, 2] > 0,
        )
        heard = ~skipped
        self.skip = fit_logistic(features, skipped, self.config.strength, "skipped")
        self.like = fit_logistic(
            features[heard], plays.feedback[heard, 1] > 0, self.config.strength, "liked"
        )
        self.fraction = np.array(
            [plays.feedback[rows, 0].mean() for rows in (heard, skipped)]
        )  # of a listen, a skip
        self.lengths = np.sort(
            np.bincount(plays.session)[np.unique(plays.session)]
        )  # songs, shortest session first

    def features(self, seen: Observations, songs: Ids) -> Floats:
        """What the model looks at, [batch, f] for ``songs`` [batch]: x, z, and all their products."""
        x, z = self.view(seen).astype(np.float64), self.vectors[songs]
        parts = [x, z, (x[:, :, None] * z[:, None, :]).reshape(len(x), -1)]
        return np.concatenate(parts if self.config.products else parts[:2], axis=1)

    def skip_chance(self, seen: Observations, songs: Ids) -> Floats:
        """P(skip) of ``songs`` [batch] after what was ``seen``."""
        return np.asarray(expit(self.skip(self.features(seen, songs))))

    def judge(self, plays: Plays) -> Judgement:
        """How well it foretells the skips of ``plays``, which it should not have been fitted on."""
        return judge(
            self.skip_chance(plays.seen, plays.songs), plays.feedback[:, 2] > 0
        )


def fit_logistic(
    features: Floats, happened: NDArray[np.bool_], strength: float, name: str
) -> Logistic:
    """Logistic regression of ``happened`` [n] on ``features`` [n, f], each brought to mean 0 and sd 1."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if happened.all() or not happened.any():
        raise DataError(
            f"the log's songs are all or none of them {name}; there is nothing to tell apart"
        )
    middle, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    with threadpool_limits(
        1
    ):  # threads add up in any order, so the last bits would differ
        found = LogisticRegression(C=strength, max_iter=1000, tol=1e-6).fit(
            (features - middle) / scale, happened
        )
    return Logistic(found.coef_[0], float(found.intercept_[0]), middle, scale)


class Judgement(NamedTuple):
    """How good probabilities were."""

    auc: float  # chance that a skip got a higher probability than a listen; .5: none the wiser, 1: always
    log_loss: float  # nats a play, the smaller the better
    base_log_loss: float  # nats a play of one who says the share of skips each time, and knows that share
    plays: int


def judge(chances: ArrayLike, happened: ArrayLike) -> Judgement:
    """Hold ``chances`` [n], strictly between 0 and 1, against what ``happened`` [n].

    >>> found = judge([0.8, 0.4, 0.3, 0.1], [True, False, True, False])
    >>> [round(number, 3) for number in found[:3]]
    [0.75, 0.511, 0.693]
    """
    p, was = np.asarray(chances, np.float64), np.asarray(happened, np.bool_)
    if p.shape != was.shape or was.all() or not was.any():
        raise DataError(
            f"chances {p.shape}, happened {was.shape}, {was.sum()} of them true; both kinds are needed"
        )
    from scipy.stats import rankdata

    hits = int(was.sum())
    auc = (rankdata(p)[was].sum() - hits * (hits + 1) / 2) / (hits * (len(p) - hits))
    loss = -np.where(was, np.log(p), np.log1p(-p)).mean()
    share = was.mean()
    base = -(share * np.log(share) + (1 - share) * np.log1p(-share))
    return Judgement(float(auc), float(loss), float(base), len(p))


class LearnedListeners(Listeners):
    """Listeners with no secrets: what they heard this session is all they are. Taste and mood stay 0."""

    def __init__(self, batch: int, model: ListenerModel) -> None:
        super().__init__(batch, model.catalogue, Dials())
        self.model = model
        self.history = np.full((batch, LONGEST), -1, np.int64)  # the newest last
        self.heard = np.zeros((batch, LONGEST, 3), np.float32)
        self.place = np.zeros(batch, np.int64)

    def begin(self, rows: Ids, draws: Floats) -> None:
        """New sessions in ``rows`` [m]; of ``draws`` [8, m] the last decides how long they are."""
        self.history[rows], self.heard[rows], self.place[rows] = -1, 0.0, 0
        lengths = self.model.lengths
        self.length[rows] = lengths[(draws[7] * len(lengths)).astype(np.int64)]

    def seen(self) -> Observations:
        """What the sessions show so far."""
        return {
            "history": self.history,
            "feedback": self.heard,
            "position": self.place[:, None],
        }

    def pull(self, songs: Ids) -> Floats:
        """Log odds of hearing each of ``songs`` [batch] or [batch, k]."""
        if songs.ndim == 1:
            return -self.model.skip(self.model.features(self.seen(), songs))
        return np.stack([self.pull(column) for column in songs.T], axis=1)

    def skip_probability(self, songs: Ids) -> Floats:
        """P(skip) of each of ``songs`` [batch] or [batch, k], as the model has it."""
        return np.asarray(expit(-self.pull(songs)))

    def react(self, songs: Ids, draws: Floats) -> Feedback:
        """Play ``songs`` [batch] with ``draws`` [4, batch]."""
        features = self.model.features(self.seen(), songs)
        skipped = draws[0] < expit(self.model.skip(features))
        liked = ~skipped & (draws[1] < expit(self.model.like(features)))
        feedback = Feedback(
            self.model.fraction[skipped.astype(np.int64)], liked, skipped
        )
        self.history = np.column_stack([self.history[:, 1:], songs])
        self.heard = np.concatenate(
            [self.heard[:, 1:], np.column_stack(feedback)[:, None].astype(np.float32)],
            axis=1,
        )
        self.place = self.place + 1
        return feedback

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of all that changes during a session."""
        return super().state() | {
            name: getattr(self, name).copy() for name in ("history", "heard", "place")
        }


class LearnedListening(ListeningBatch):
    """``ListeningBatch`` with listeners made of ``model``; the settings are the same, but there are no dials."""

    def __init__(
        self, model: ListenerModel, num_envs: int = 1, **settings: Any
    ) -> None:
        refused = set(settings) & (set(Dials.__dataclass_fields__) | {"catalogue"})
        if refused:
            raise ConfigError(
                f"{', '.join(sorted(refused))}: the model decides that, not a setting"
            )
        super().__init__(
            num_envs, catalogue=model.catalogue, **{"observe": "ids", **settings}
        )
        self.listeners = LearnedListeners(num_envs, model)
