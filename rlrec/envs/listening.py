"""``rlrec/Listening-v0``: play songs to listeners whose taste and mood are hidden.

It is a partially observable Markov decision process (POMDP). Each step the agent names
a song, in one of four ways (``action``):

- ``"candidate"``: an index 0..k-1 among ``n_candidates`` songs, drawn anew at each step
  (now and then one appears twice);
- ``"song"``: any song of the catalogue by its id;
- ``"point"``: a point in the feature space [0, 1]^11; the nearest song plays (Euclidean
  distance);
- ``"slate"``: ``slate_size`` song ids; the listener picks one, by a softmax over the
  pull of each.

The agent sees the last songs and reactions, in one of two ways (``observe``):

- ``"features"``: one flat vector [15 + 11 k] in [0, 1] for any network: the 11 features
  of the last song, fraction heard, liked, skipped, the position as a share of the
  longest session, then the features of the candidates;
- ``"ids"``: a dictionary for agents that look up songs themselves: ``history`` [n] song
  ids, oldest first (-1: nothing yet), ``feedback`` [n, 3], ``position`` [1] in songs
  and, with candidates, ``candidates`` [k] ids.

A session lasts 10 to 20 songs, at random, or until the listener leaves (``churn``), and
ends with ``terminated``: no reward follows.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlrec.envs.batch import BatchEnv, SingleEnv
from rlrec.envs.catalogue import SOUND_DIMENSIONS, Catalogue, default_catalogue
from rlrec.envs.dials import Dials, named_setting
from rlrec.envs.listeners import DRAWS, LONGEST, Listeners
from rlrec.envs.rewards import Reward, get_reward
from rlrec.errors import ConfigError, require_choice, require_ids, require_ranges
from rlrec.types import Arrays, Bools, Floats, Floats32, Ids

ActionMode = Literal["candidate", "song", "point", "slate"]
ObserveMode = Literal["features", "ids"]
# places of a step's random numbers (streams.py): the first DRAWS are those of the play;
# each name below is the first place of another use
_BEGIN = 4
_DRIFT = 12
_CHOICE = 17
_CANDIDATES = 18  # at most 40
_LEAVE = 58


class ListeningBatch(BatchEnv[Any]):
    """A batch of listeners and one catalogue.

    ``reward``: a name from ``REWARDS`` or any ``Reward``; ``catalogue``: the generated
    one by default; ``n_candidates``: 2..40; ``slate_size``: 1..40; ``history``: songs
    in an ``"ids"`` observation, 1..20; ``setting`` names those ``Dials`` that are
    not given. ``info`` holds the last song and the feedback to it. Raises
    ``ConfigError`` for other settings.
    """

    stored = (*BatchEnv.stored, "candidates", "played", "feedback")

    def __init__(
        self,
        num_envs: int = 1,
        action: ActionMode = "candidate",
        observe: ObserveMode = "features",
        reward: str | Reward = "binary",
        catalogue: Catalogue | None = None,
        n_candidates: int = 10,
        slate_size: int = 5,
        history: int = 10,
        setting: str = "teaching",
        **dials: float,
    ) -> None:
        self.action = action
        self.observe = observe
        self.n_candidates = n_candidates
        self.slate_size = slate_size
        self.history = history
        require_choice(self, "action", get_args(ActionMode))
        require_choice(self, "observe", get_args(ObserveMode))
        ranges = [("n_candidates", 2, 40), ("slate_size", 1, 40)]
        require_ranges(self, [*ranges, ("history", 1, LONGEST)])
        if action != "candidate":
            self.n_candidates = 0
        if action == "slate":
            self.items_per_action = slate_size
        self.reward = get_reward(reward)
        self.catalogue = catalogue or default_catalogue()
        hidden = Dials(**{**named_setting(setting), **dials})
        self.listeners = Listeners(num_envs, self.catalogue, hidden)
        super().__init__(num_envs, self._observation_space(), self._action_space())
        self.candidates = np.zeros((num_envs, self.n_candidates), np.int64)
        # by position in the session; feedback: fraction heard, liked, skipped
        self.played = np.full((num_envs, LONGEST), -1, np.int64)
        self.feedback = np.zeros((num_envs, LONGEST, 3), np.float32)
        self._rows = np.arange(num_envs)

    # -- spaces ------------------------------------------------------------------------
    def _action_space(self) -> spaces.Space[Any]:
        songs, width = self.catalogue.features.shape
        if self.action == "candidate":
            return spaces.Discrete(self.n_candidates)
        if self.action == "song":
            return spaces.Discrete(songs)
        if self.action == "point":
            return spaces.Box(0.0, 1.0, (width,), np.float32)
        return spaces.MultiDiscrete(np.full(self.slate_size, songs))

    def _observation_space(self) -> spaces.Space[Any]:
        songs, width = self.catalogue.features.shape
        if self.observe == "features":
            size = width * (1 + self.n_candidates) + 4
            return spaces.Box(0.0, 1.0, (size,), np.float32)
        parts: dict[str, spaces.Space[Any]] = {
            "history": spaces.Box(-1, songs - 1, (self.history,), np.int64),
            "feedback": spaces.Box(0.0, 1.0, (self.history, 3), np.float32),
            "position": spaces.Box(0, LONGEST, (1,), np.int64),
        }
        if self.n_candidates:
            shape = (self.n_candidates,)
            parts["candidates"] = spaces.Box(0, songs - 1, shape, np.int64)
        return spaces.Dict(parts)

    # -- actions -----------------------------------------------------------------------
    def actions_for(self, items: Ids) -> NDArray[Any]:
        """Turn song ids [batch, k], best first, into actions [batch, ...].

        Raises ``ConfigError`` if the best song is not among a listener's candidates.
        """
        best = items[:, 0]
        if self.action == "candidate":
            match = self.candidates == best[:, None]
            if not match.any(axis=1).all():
                raise ConfigError(
                    "a recommended song is not among the candidates of its listener"
                )
            index: Ids = match.argmax(axis=1)
            return index
        if self.action == "song":
            return best
        if self.action == "point":
            return self.catalogue.features[best]
        return items[:, : self.slate_size]

    def _songs(self, actions: NDArray[Any]) -> Ids:
        """The song [batch] that each action plays."""
        if self.action == "point":
            return self._nearest(actions.astype(np.float64))
        limit = self.n_candidates or len(self.catalogue)
        require_ids("actions", actions, limit, 0)
        if self.action == "candidate":
            offered: Ids = self.candidates[self._rows, actions]
            return offered
        if self.action == "slate":
            return self._chosen(actions)
        return actions.astype(np.int64)

    def _nearest(self, points: Floats) -> Ids:
        """The song nearest to each of ``points`` [batch, 11]."""
        if not np.isfinite(points).all():
            raise ConfigError("an action is not a finite point; has training diverged?")
        features = self.catalogue.features.astype(np.float64)
        # |song - point|^2 - |point|^2: [batch, songs]; the same song is nearest
        squares = (features**2).sum(axis=1)
        distance = squares - 2.0 * points @ features.T
        nearest: Ids = distance.argmin(axis=1)
        return nearest

    def _chosen(self, slates: Ids) -> Ids:
        """The song [batch] picked from ``slates`` [batch, k]: softmax of the pull."""
        pull = self.listeners.pull(slates)
        largest = pull.max(axis=1, keepdims=True)
        # cumulative weights [batch, k]: the first above draw * total is picked
        weight = np.exp(pull - largest).cumsum(axis=1)
        draws = self.streams.uniform(self.steps, 1, first=_CHOICE)[0]
        passed = draws[:, None] * weight[:, -1:] >= weight
        pick = passed.sum(axis=1)
        chosen: Ids = slates[self._rows, pick]
        return chosen

    # -- checkpoints -------------------------------------------------------------------
    def state(self) -> Arrays:
        """See `BatchEnv.state`; the listeners' hidden state is included."""
        state = super().state()
        for name, values in self.listeners.state().items():
            state[f"listeners_{name}"] = values
        return state

    def restore(self, state: Arrays) -> None:
        """See `BatchEnv.restore`."""
        super().restore(state)
        for name in self.listeners.state():
            self.listeners.restore({name: state[f"listeners_{name}"]})

    # -- one session -------------------------------------------------------------------
    def _begin(self, rows: Ids) -> None:
        draws = self.streams.uniform(self.steps[rows], 8, first=_BEGIN, rows=rows)
        self.listeners.begin(rows, draws)
        self.played[rows] = -1
        self.feedback[rows] = 0.0
        self.candidates[rows] = self._draw_candidates(self.steps[rows], rows)

    def _draw_candidates(self, steps: Ids, rows: Ids | slice = slice(None)) -> Ids:
        """New candidates of ``rows`` at their ``steps``: [rows, n_candidates]."""
        count = self.n_candidates
        draws = self.streams.uniform(steps, count, first=_CANDIDATES, rows=rows)
        return (draws.T * len(self.catalogue)).astype(np.int64)

    def _advance(self, actions: NDArray[Any]) -> tuple[Floats, Bools, Bools]:
        songs = self._songs(actions)
        draws = self.streams.uniform(self.steps, DRAWS)
        heard = self.listeners.react(songs, draws)
        if self.listeners.dials.taste_drift > 0.0:
            draws = self.streams.uniform(self.steps, SOUND_DIMENSIONS, first=_DRIFT)
            self.listeners.drift(draws)
        # a row whose session has ended may stand at LONGEST: ``_begin`` clears it
        place = np.minimum(self.steps, LONGEST - 1)
        self.played[self._rows, place] = songs
        self.feedback[self._rows, place] = np.array(heard).T  # [batch, 3]
        leaving = self.listeners.leaving(heard.skipped, self.listeners.mood)
        left = self.streams.uniform(self.steps, 1, first=_LEAVE)[0] < leaving
        terminated = left | (self.steps + 1 >= self.listeners.length)
        if self.n_candidates:
            self.candidates = self._draw_candidates(self.steps + 1)
        truncated = np.zeros(self.num_envs, np.bool_)
        return self.reward(*heard), terminated, truncated

    # -- what is seen ------------------------------------------------------------------
    def _observe(self) -> Any:
        if self.observe == "features":
            return self._observe_features()
        return self._observe_ids()

    def _observe_features(self) -> Floats32:
        features = self.catalogue.features
        song, feedback = self._last()
        parts = (
            features[song] * (song >= 0)[:, None],  # zeros before the first song
            feedback,
            self.steps[:, None] / LONGEST,
            features[self.candidates].reshape(self.num_envs, -1),
        )
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _observe_ids(self) -> Arrays:
        # a place before the first song is negative: it reads from the end of the row,
        # where nothing has been played yet
        places = self.steps[:, None] + np.arange(-self.history, 0)  # [batch, history]
        rows = self._rows[:, None]
        view: Arrays = {
            "history": self.played[rows, places],
            "feedback": self.feedback[rows, places],
            "position": self.steps[:, None].copy(),
        }
        if self.n_candidates:
            view["candidates"] = self.candidates.copy()
        return view

    def _info(self) -> Arrays:
        song, feedback = self._last()
        details: Arrays = {
            "song": song,
            "fraction": feedback[:, 0],
            "liked": feedback[:, 1] > 0,
            "skipped": feedback[:, 2] > 0,
        }
        if self.n_candidates:
            details["candidates"] = self.candidates.copy()
        return details

    def _last(self) -> tuple[Ids, Floats32]:
        """The last song [batch], -1 if none has played, and its feedback [batch, 3]."""
        last = self.steps - 1  # -1 at the start: the end of the row, still empty
        return self.played[self._rows, last], self.feedback[self._rows, last]


class ListeningEnv(SingleEnv):
    """``gymnasium.make("rlrec/Listening-v0", taste_strength=1.0)``: one listener."""

    batch_class = ListeningBatch
