"""``rlrec/Listening-v0``: play songs to listeners whose taste and mood are hidden (a POMDP).

Each step the agent names a song, one of four ways (``action``):

- ``"candidate"``: an index 0..k-1 among ``n_candidates`` songs drawn afresh for this step (now and then one twice);
- ``"song"``: any song of the catalogue by its id;
- ``"point"``: a point in the feature space [0, 1]^11; the nearest song (Euclid) plays;
- ``"slate"``: ``slate_size`` song ids; the listener picks one, softmax over how much each attracts.

and sees the last songs and reactions, one of two ways (``observe``):

- ``"features"``: one flat vector for any network: the last song's 11 features, fraction heard, liked, skipped,
  share of the longest session gone by, then the features of the candidates: [15 + 11 k] in [0, 1];
- ``"ids"``: a dictionary for agents that have their own view of songs: ``history`` [n] song ids, oldest first
  (-1: nothing yet), ``feedback`` [n, 3], ``position`` [1] in songs and, with candidates, ``candidates`` [k] ids.

A session lasts 10 to 20 songs, by chance alone, and ends with ``terminated``: nothing of worth follows.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlrec.envs.batch import BatchEnv, Rows, SingleEnv
from rlrec.envs.catalogue import SOUND_DIMENSIONS, Catalogue, default_catalogue
from rlrec.envs.listeners import DRAWS, LONGEST, Dials, Feedback, Listeners
from rlrec.envs.rewards import Reward, get_reward
from rlrec.errors import ConfigError
from rlrec.types import Ids

ActionMode = Literal["candidate", "song", "point", "slate"]
ObserveMode = Literal["features", "ids"]
_BEGIN, _DRIFT, _CHOICE, _CANDIDATES = (
    4,
    12,
    17,
    18,
)  # places of a step's random numbers, after the DRAWS of the play


class ListeningBatch(BatchEnv[Any]):
    """A batch of listeners and one catalogue; ``info`` holds what played and how it was received.

    ``reward``: a name from ``REWARDS`` or any ``Reward``; ``catalogue``: the generated one by default;
    ``n_candidates`` 2..40; ``history``: plays seen in ``"ids"`` observations, 1..20;
    the other settings are ``Dials``. Raises ``ConfigError``.
    """

    stored = ("candidates", "played", "feedback")

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
        **dials: float,
    ) -> None:
        _check_settings(action, observe, n_candidates, slate_size, history)
        self.catalogue = catalogue if catalogue is not None else default_catalogue()
        self.action_mode, self.observe_mode = action, observe
        self.reward = get_reward(reward)
        self.n_candidates = n_candidates if action == "candidate" else 0
        self.slate_size, self.history = slate_size, history
        self.listeners = Listeners(num_envs, self.catalogue, Dials(**dials))
        self.items_per_action = slate_size if action == "slate" else 1
        super().__init__(num_envs, self._observation_space(), self._action_space())
        self.candidates: Ids = np.zeros((num_envs, self.n_candidates), np.int64)
        self.played: Ids = np.full((num_envs, LONGEST), -1, np.int64)  # by position
        self.feedback = np.zeros(
            (num_envs, LONGEST, 3), np.float32
        )  # fraction, liked, skipped
        self._rows = np.arange(num_envs)
        self._window = 2 * LONGEST * self._rows[:, None] + np.arange(
            LONGEST - self.history, LONGEST
        )  # at step 0
        self._widen()

    # -- spaces ------------------------------------------------------------------------------------------
    def _action_space(self) -> spaces.Space[Any]:
        songs = len(self.catalogue)
        if self.action_mode == "candidate":
            return spaces.Discrete(self.n_candidates)
        if self.action_mode == "song":
            return spaces.Discrete(songs)
        if self.action_mode == "point":
            return spaces.Box(0.0, 1.0, (self.catalogue.features.shape[1],), np.float32)
        return spaces.MultiDiscrete(np.full(self.slate_size, songs))

    def _observation_space(self) -> spaces.Space[Any]:
        if self.observe_mode == "features":
            width = self.catalogue.features.shape[1]
            return spaces.Box(
                0.0, 1.0, (width + 4 + width * self.n_candidates,), np.float32
            )
        last = len(self.catalogue) - 1
        parts: dict[str, spaces.Space[Any]] = {
            "history": spaces.Box(-1, last, (self.history,), np.int64),
            "feedback": spaces.Box(0.0, 1.0, (self.history, 3), np.float32),
            "position": spaces.Box(0, LONGEST, (1,), np.int64),
        }
        if self.n_candidates:
            parts["candidates"] = spaces.Box(0, last, (self.n_candidates,), np.int64)
        return spaces.Dict(parts)

    # -- from items to actions ---------------------------------------------------------------------------
    def actions_for(self, items: Ids) -> NDArray[Any]:
        """Turn recommended song ids [batch, k], best first, into this environment's action [batch, ...]."""
        if self.action_mode == "candidate":
            match = self.candidates == items[:, :1]
            if not match.any(axis=1).all():
                raise ConfigError(
                    "a recommended song is not among the candidates of its listener"
                )
            return np.asarray(match.argmax(axis=1))
        if self.action_mode == "song":
            return items[:, 0]
        if self.action_mode == "point":
            return self.catalogue.features[items[:, 0]]
        return items[:, : self.slate_size]

    def _songs(self, actions: NDArray[Any]) -> Ids:
        """The song [batch] that each action plays."""
        if self.action_mode == "point":
            if not np.isfinite(actions).all():
                raise ConfigError(
                    "an action is not a finite point; has training diverged?"
                )
            return self._nearest(actions.astype(np.float64))
        limit = self.n_candidates or len(self.catalogue)
        if actions.min() < 0 or actions.max() >= limit:
            raise ConfigError(f"an action lies outside 0..{limit - 1}")
        if self.action_mode == "candidate":
            return np.asarray(self.candidates[self._rows, actions])
        if self.action_mode == "slate":
            return self._chosen(actions)
        return actions.astype(np.int64)

    def _nearest(self, points: NDArray[np.float64]) -> Ids:
        """The song nearest to each point [batch, 11]: squared distance without the constant |point|^2."""
        features = self.catalogue.features.astype(np.float64)
        distance = (features**2).sum(
            axis=1
        ) - 2.0 * points @ features.T  # [batch, songs]
        return np.asarray(distance.argmin(axis=1))

    def _chosen(self, slates: Ids) -> Ids:
        """The song that each listener picks from its slate [batch, slate]: softmax of the pull."""
        pull = self.listeners.pull(slates)
        weight = np.exp(pull - pull.max(axis=1, keepdims=True)).cumsum(axis=1)
        luck = self.streams.uniform(self.steps, 1, first=_CHOICE)[0]
        pick = (luck[:, None] * weight[:, -1:] >= weight).sum(axis=1)
        return np.asarray(slates[self._rows, pick])

    # -- checkpoints -------------------------------------------------------------------------------------
    def state(self) -> dict[str, NDArray[Any]]:
        """As for every batch, the listeners' hidden state included."""
        return super().state() | {
            f"listeners_{name}": values
            for name, values in self.listeners.state().items()
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """As for every batch."""
        super().restore(state)
        self._widen()
        self.listeners.restore(
            {name: state[f"listeners_{name}"] for name in self.listeners.state()}
        )

    def _widen(self) -> None:
        """Put songs that were never played before the first, so that a history is one slice, however short."""
        self._songs_wide = np.pad(
            self.played, ((0, 0), (LONGEST, 0)), constant_values=-1
        )
        self._feedback_wide = np.pad(self.feedback, ((0, 0), (LONGEST, 0), (0, 0)))
        self.played, self.feedback = (
            self._songs_wide[:, LONGEST:],
            self._feedback_wide[:, LONGEST:],
        )

    # -- one session -------------------------------------------------------------------------------------
    def _begin(self, rows: Rows) -> None:
        self.listeners.begin(
            rows, self.streams.uniform(self.steps[rows], 8, first=_BEGIN, rows=rows)
        )
        self.played[rows], self.feedback[rows] = -1, 0.0
        if self.n_candidates:
            self.candidates[rows] = self._draw_candidates(self.steps[rows], rows)

    def _draw_candidates(
        self, steps: NDArray[np.int64], rows: Rows | slice = slice(None)
    ) -> Ids:
        luck = self.streams.uniform(
            steps, self.n_candidates, first=_CANDIDATES, rows=rows
        )
        return (luck.T * len(self.catalogue)).astype(np.int64)

    def _advance(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        songs = self._songs(actions)
        heard = self.listeners.react(songs, self.streams.uniform(self.steps, DRAWS))
        if self.listeners.dials.taste_drift > 0.0:
            self.listeners.drift(
                self.streams.uniform(self.steps, SOUND_DIMENSIONS, first=_DRIFT)
            )
        place = np.minimum(self.steps, LONGEST - 1)
        self.played[self._rows, place] = songs
        self.feedback[self._rows, place] = np.array(heard).T
        terminated = self.steps + 1 >= self.listeners.length
        if self.n_candidates:
            self.candidates = self._draw_candidates(self.steps + 1)
        return self.reward(*heard), terminated, np.zeros(self.num_envs, np.bool_)

    def _observe(self) -> Any:
        return (
            self._observe_features()
            if self.observe_mode == "features"
            else self._observe_ids()
        )

    def _observe_features(self) -> NDArray[np.float32]:
        features, last = self.catalogue.features, np.maximum(self.steps - 1, 0)
        width, started = features.shape[1], self.steps > 0
        vector = np.empty(
            (self.num_envs, self.single_observation_space.shape[0]), np.float32
        )  # type: ignore[index]
        vector[:, :width] = features[self.played[self._rows, last]] * started[:, None]
        vector[:, width : width + 3] = self.feedback[self._rows, last]
        vector[:, width + 3] = self.steps / LONGEST
        if self.n_candidates:
            vector[:, width + 4 :] = features[self.candidates].reshape(
                self.num_envs, -1
            )
        return vector

    def _observe_ids(self) -> dict[str, NDArray[Any]]:
        places = self._window + self.steps[:, None]  # [batch, history], oldest first
        view: dict[str, NDArray[Any]] = {
            "history": self._songs_wide.take(places),
            "feedback": self._feedback_wide.reshape(-1, 3).take(places, axis=0),
            "position": self.steps[:, None].copy(),
        }
        if self.n_candidates:
            view["candidates"] = self.candidates.copy()
        return view

    def _info(self) -> dict[str, Any]:
        last = np.maximum(self.steps - 1, 0)
        heard = Feedback(*self.feedback[self._rows, last].T)
        details: dict[str, Any] = {
            "song": np.where(self.steps > 0, self.played[self._rows, last], -1)
        }
        details |= {
            "fraction": heard.fraction,
            "liked": heard.liked > 0,
            "skipped": heard.skipped > 0,
        }
        if self.n_candidates:
            details["candidates"] = self.candidates.copy()
        return details


class ListeningEnv(SingleEnv):
    """``gymnasium.make("rlrec/Listening-v0", taste_strength=1.0)``: one listener."""

    batch_class = ListeningBatch


def _check_settings(
    action: str, observe: str, n_candidates: int, slate_size: int, history: int
) -> None:
    for name, value, allowed in (
        ("action", action, get_args(ActionMode)),
        ("observe", observe, get_args(ObserveMode)),
    ):
        if value not in allowed:
            raise ConfigError(
                f"{name} is {value!r}; choose one of {', '.join(allowed)}"
            )
    for name, number, low, high in (
        ("n_candidates", n_candidates, 2, 40),
        ("slate_size", slate_size, 1, 40),
        ("history", history, 1, LONGEST),
    ):
        if not low <= number <= high:
            raise ConfigError(f"{name} is {number}; it must lie in [{low}, {high}]")
