"""Listeners learned from a log: a model of skips and likes, and an environment from it.

    P(skip | session so far, song) = sigmoid(b + u . x + v . z + x' W z)

x: what the session shows so far (`ListeningView`, "averages"); z: the song's place on
the map of sound and its appeal. The products W let one listener like a song that
another skips. A second model of the same form predicts whether a heard song is liked.
The fraction heard is the mean of the skips or of the listens in the log. The length of
a session is drawn from the log. `LearnedListening` has the observations and actions of
``Listening-v0``, so agents train in it unchanged.

What such a model cannot know: songs in contexts that the logging policy never produced
(it extrapolates linearly there), effects beyond the averages in x, and how tastes
change after the log. An agent maximises the reward of the *model* and so exploits its
errors: only live listeners can confirm what it earns here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from rlrec.datasets import Sessions
from rlrec.envs.catalogue import Catalogue
from rlrec.envs.dials import Dials
from rlrec.envs.listeners import LONGEST, Feedback, Listeners
from rlrec.envs.listening import ListeningBatch
from rlrec.envs.view import ListeningView
from rlrec.errors import ConfigError, DataError, require_ranges
from rlrec.types import Arrays, Bools, Floats, Ids, Observations


class Plays(NamedTuple):
    """The n plays of a log, each with the observation before it."""

    # "history" [n, 20], "feedback" [n, 20, 3], "position" [n, 1], as in Listening-v0
    seen: Observations
    songs: Ids  # [n] catalogue ids
    feedback: Floats  # [n, 3] fraction, liked, skipped
    session: Ids  # [n] number of the session, from 0

    def rows(self, keep: Ids | Bools) -> Plays:
        """The plays at ``keep``: row numbers, or a mask [n]."""
        seen = {name: values[keep] for name, values in self.seen.items()}
        return Plays(seen, self.songs[keep], self.feedback[keep], self.session[keep])


def plays_of(log: Sessions, track_ids: ArrayLike) -> Plays:
    """The plays of ``log``; ``track_ids`` [songs]: the catalogue's, in its order.

    Raises ``DataError`` for songs that the catalogue lacks, because leaving them out
    would change the sessions.
    """
    songs = _catalogue_ids(log, track_ids)
    if not len(log):
        raise DataError("the log holds no plays; a model of listeners needs some")
    key = np.column_stack([log.users, log.sessions])
    new = np.diff(key, axis=0, prepend=-1).any(axis=1)
    session = new.cumsum() - 1
    first = np.flatnonzero(new)[session]  # [n] the first play of the session
    feedback = np.column_stack([log.fraction, log.liked, log.skipped])
    feedback = feedback.astype(np.float64)
    row = np.arange(len(log))
    source = row[:, None] + np.arange(-LONGEST, 0)  # [n, 20], the newest last
    known = source >= first[:, None]
    source = np.where(known, source, 0)
    heard = np.where(known[:, :, None], feedback[source], 0.0)
    seen = {
        "history": np.where(known, songs[source], -1),
        "feedback": heard.astype(np.float32),
        "position": (row - first)[:, None],
    }
    return Plays(seen, songs, feedback, session.astype(np.int64))


def _catalogue_ids(log: Sessions, track_ids: ArrayLike) -> Ids:
    """The song of each play [n] as its place in ``track_ids``."""
    place = {name: number for number, name in enumerate(np.asarray(track_ids).tolist())}
    code = np.array([place.get(name, -1) for name in log.track_ids.tolist()], np.int64)
    songs = code[log.tracks]
    unknown = log.track_ids[np.unique(log.tracks[songs < 0])].tolist()
    if unknown:
        raise DataError(
            f"{len(unknown)} tracks of the log are not in the catalogue, such as "
            f"{unknown[0]!r}"
        )
    return songs


def split_plays(
    plays: Plays, held_out: float, rng: np.random.Generator
) -> tuple[Plays, Plays]:
    """Split by whole sessions: (training plays, held-out plays).

    ``held_out``: share of the sessions, above 0, below 1. Raises ``ConfigError``.
    """
    sessions = int(plays.session.max()) + 1
    count = round(held_out * sessions)
    if not 0 < count < sessions:
        raise ConfigError(
            f"held_out is {held_out}: {count} of {sessions} sessions; "
            "both sides need one or more"
        )
    apart = rng.permutation(sessions)[:count]
    out = np.isin(plays.session, apart)
    return plays.rows(~out), plays.rows(out)


@dataclass(frozen=True)
class ListenerConfig:
    """Hyperparameters of ``ListenerModel``."""

    strength: float = 0.03  # > 0: C of LogisticRegression, the inverse of its penalty
    products: bool = True  # products x z; without, all listeners rank songs alike

    def __post_init__(self) -> None:
        require_ranges(self, [("strength", 1e-9, 1e9)])


class Logistic(NamedTuple):
    """Log odds: bias + standardised features . weights; called with features [n, f]."""

    weights: Floats  # [f]
    bias: float
    middle: Floats  # [f] subtracted from the features
    scale: Floats  # [f] by which they are divided

    def __call__(self, features: Floats) -> Floats:
        standardised = (features - self.middle) / self.scale
        return self.bias + standardised @ self.weights


class ListenerModel:
    """A model of listeners fitted to ``plays``.

    Raises ``DataError`` if all plays of the log have the same reaction.
    """

    def __init__(
        self, plays: Plays, catalogue: Catalogue, config: ListenerConfig | None = None
    ) -> None:
        self.catalogue = catalogue
        self.config = config or ListenerConfig()
        self.vectors = np.column_stack([catalogue.sound, catalogue.appeal])
        self.view = ListeningView(self.vectors, "averages", LONGEST)
        features = self.features(plays.seen, plays.songs)
        fraction, liked, skips = plays.feedback.T
        skipped = skips > 0
        heard = ~skipped
        strength = self.config.strength
        self.skip = fit_logistic(features, skipped, strength, "skipped")
        self.like = fit_logistic(features[heard], liked[heard] > 0, strength, "liked")
        # of a listen, of a skip
        self.fraction = np.array([fraction[heard].mean(), fraction[skipped].mean()])
        _, lengths = np.unique(plays.session, return_counts=True)
        self.lengths = np.sort(lengths)  # songs

    def features(self, seen: Observations, songs: Ids) -> Floats:
        """The features [batch, f] of ``songs`` [batch]: x, z, and their products."""
        x = self.view(seen).astype(np.float64)
        z = self.vectors[songs]
        parts = [x, z]
        if self.config.products:
            parts.append((x[:, :, None] * z[:, None, :]).reshape(len(x), -1))
        return np.concatenate(parts, axis=1)

    def skip_probability(self, seen: Observations, songs: Ids) -> Floats:
        """P(skip) of ``songs`` [batch] after the observations ``seen``."""
        return np.asarray(expit(self.skip(self.features(seen, songs))))

    def evaluate(self, plays: Plays) -> ProbabilityScores:
        """Score the predicted skips of ``plays``, which should be held out."""
        skipped = plays.feedback[:, 2] > 0
        return score_probabilities(
            self.skip_probability(plays.seen, plays.songs), skipped
        )


def fit_logistic(
    features: Floats, happened: Bools, strength: float, name: str
) -> Logistic:
    """Logistic regression of ``happened`` [n] on standardised ``features`` [n, f].

    ``strength``: C of scikit-learn; ``name``: what happened, for the message. Raises
    ``DataError`` if it happened always or never.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if happened.all() or not happened.any():
        raise DataError(
            f"the log's songs are all or none of them {name}; a model needs both"
        )
    middle = features.mean(axis=0)
    spread = features.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(C=strength, max_iter=1000, tol=1e-6)
    with threadpool_limits(1):  # several threads would sum in any order
        model.fit((features - middle) / scale, happened)
    return Logistic(model.coef_[0], float(model.intercept_[0]), middle, scale)


class ProbabilityScores(NamedTuple):
    """How good predicted probabilities are."""

    auc: float  # P(an event has a higher probability than a non-event); .5: no skill
    log_loss: float  # nats a play, lower is better
    base_log_loss: float  # nats a play, if the share of events is always predicted
    plays: int


def score_probabilities(
    probabilities: ArrayLike, happened: ArrayLike
) -> ProbabilityScores:
    """AUC and log loss of ``probabilities`` [n], in (0, 1), given ``happened`` [n].

    Raises ``DataError`` unless some events happened and some did not.

    >>> found = score_probabilities([0.8, 0.4, 0.3, 0.1], [True, False, True, False])
    >>> [round(number, 3) for number in found[:3]]
    [0.75, 0.511, 0.693]
    """
    from scipy.stats import rankdata

    p = np.asarray(probabilities, np.float64)
    was = np.asarray(happened, np.bool_)
    if p.shape != was.shape or was.all() or not was.any():
        raise DataError(
            f"probabilities {p.shape}, happened {was.shape}, {was.sum()} of them true; "
            "both kinds are needed"
        )
    hits = int(was.sum())
    auc = (rankdata(p)[was].sum() - hits * (hits + 1) / 2) / (hits * (len(p) - hits))
    loss = -np.where(was, np.log(p), np.log1p(-p)).mean()
    share = was.mean()
    base = -(share * np.log(share) + (1 - share) * np.log1p(-share))
    return ProbabilityScores(float(auc), float(loss), float(base), len(p))


class LearnedListeners(Listeners):
    """Listeners whose whole state is what they heard in this session.

    Taste and mood stay 0.
    """

    def __init__(self, batch: int, model: ListenerModel) -> None:
        super().__init__(batch, model.catalogue, Dials())
        self.model = model
        self.history = np.full((batch, LONGEST), -1, np.int64)  # the newest last
        self.heard = np.zeros((batch, LONGEST, 3), np.float32)
        self.place = np.zeros(batch, np.int64)

    def begin(self, rows: Ids, draws: Floats) -> None:
        """Begin new sessions in ``rows`` [m] from ``draws`` [8, m], uniform in [0, 1).

        The last of the draws decides the length of a session.
        """
        self.history[rows] = -1
        self.heard[rows] = 0.0
        self.place[rows] = 0
        lengths = self.model.lengths
        self.length[rows] = lengths[(draws[7] * len(lengths)).astype(np.int64)]

    def seen(self) -> Observations:
        """The observations of the sessions so far."""
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
        """The model's P(skip) of each of ``songs`` [batch] or [batch, k]."""
        return np.asarray(expit(-self.pull(songs)))

    def react(self, songs: Ids, draws: Floats) -> Feedback:
        """Play ``songs`` [batch]; ``draws`` [4, batch]: uniform numbers in [0, 1)."""
        features = self.model.features(self.seen(), songs)
        skipped = draws[0] < expit(self.model.skip(features))
        liked = ~skipped & (draws[1] < expit(self.model.like(features)))
        fraction = self.model.fraction[skipped.astype(np.int64)]
        feedback = Feedback(fraction, liked, skipped)
        self.history = np.column_stack([self.history[:, 1:], songs])
        latest = np.column_stack(feedback)[:, None].astype(np.float32)  # [batch, 1, 3]
        self.heard = np.concatenate([self.heard[:, 1:], latest], axis=1)
        self.place = self.place + 1
        return feedback

    def state(self) -> Arrays:
        """A copy of all that changes during a session."""
        names = ("history", "heard", "place")
        return super().state() | {name: getattr(self, name).copy() for name in names}


class LearnedListening(ListeningBatch):
    """``ListeningBatch`` with the listeners of ``model``; its settings except dials."""

    def __init__(
        self, model: ListenerModel, num_envs: int = 1, **settings: Any
    ) -> None:
        fixed = {*Dials.__dataclass_fields__, "setting", "catalogue"}
        refused = settings.keys() & fixed
        if refused:
            raise ConfigError(
                f"{', '.join(sorted(refused))}: decided by the model, not a setting"
            )
        settings = {"observe": "ids", **settings}
        super().__init__(num_envs, catalogue=model.catalogue, **settings)
        self.listeners = LearnedListeners(num_envs, model)
