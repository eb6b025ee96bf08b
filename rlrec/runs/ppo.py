"""A PPO run on simulated listeners; what it shares is in `rlrec.runs.listening`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlrec.agents.ppo_config import PPOConfig
from rlrec.envs import Catalogue, ListeningBatch
from rlrec.envs.listening import ActionMode
from rlrec.runs.listening import HISTORY, ListeningRun, observations_after
from rlrec.types import Floats, Ids

if TYPE_CHECKING:
    from rlrec.agents.ppo import PPO


# Of this process: the last compiled listeners, by data and world; all seeds have them.
_LISTENERS: dict[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class PPORun(ListeningRun):
    """A PPO run."""

    AGENT = "ppo"
    STEPS = 200_000
    SHOWN = {"reward": "reward", "entropy": "entropy", "kl": "kl"}  # noqa: RUF012
    RECORD = (
        *("step", "reward", "policy_loss", "value_loss", "entropy", "kl", "clipped"),
        *("epochs", "explained", "steps_per_second"),
    )
    ppo: PPOConfig

    def require_budget(self) -> None:
        """Raise ``ConfigError``, also if the schedule is over before the last round."""
        super().require_budget()
        if self.world.compiled:
            self.ppo.require_compilable()
        size = self.ppo.rollout * self.world.environments
        self.ppo.require_schedule((self.steps - 1) // size * size)

    @property
    def action(self) -> ActionMode:
        """See `ListeningRun.action`."""
        return "candidate" if self.ppo.action == "offered" else "song"

    @property
    def label(self) -> str:
        """See `ListeningRun.label`."""
        return f"{self.ppo.action}, state {self.ppo.state}"

    @property
    def kind(self) -> type[PPO]:
        """The agent's class."""
        from rlrec.agents.ppo import PPO
        from rlrec.agents.ppo_compiled import CompiledPPO

        return CompiledPPO if self.world.compiled else PPO

    def training_environment(self, env: ListeningBatch) -> Any:
        """See `ListeningRun.training_environment`."""
        if not self.world.compiled:
            return env
        from rlrec.nn.compiled import CompiledBatch, CompiledListening

        of = json.dumps([self.fingerprint, asdict(self.world)])
        if of not in _LISTENERS:
            _LISTENERS.clear()
            _LISTENERS[of] = CompiledListening(
                env.catalogue,
                n_candidates=env.n_candidates,
                history=env.history,
                **vars(env.listeners.dials),
            )
        return CompiledBatch(_LISTENERS[of], env.num_envs)

    def new(self, songs: Floats, catalogue: Catalogue) -> PPO:
        """See `ListeningRun.new`."""
        return self.kind(songs, self.ppo, self.seed)

    def load(self, checkpoint: Path, env: Any = None) -> PPO:
        """See `ListeningRun.load`."""
        return self.kind.load(checkpoint, env)

    def best(self, agent: Any, played: list[int], k: int) -> tuple[Ids, list[str]]:
        """See `ListeningRun.best`; a word is a probability or a distance.

        An agent that chooses among songs on offer chooses from all songs here.
        """
        observations = observations_after(played)
        last = played[-HISTORY:]
        if agent.continuous:
            songs = agent.recommend(observations, k)[0]
            away = np.linalg.norm(agent.songs[songs] - agent.songs[last[-1]], axis=1)
            return songs, [f"{distance:.2f} from what plays" for distance in away]
        if agent.config.action == "offered":
            left = np.setdiff1d(np.arange(len(agent.songs)), last)
            observations["candidates"] = left[None]
        candidates, probabilities = agent.probabilities(observations)
        best = np.argsort(-probabilities[0], kind="stable")[:k]
        among = f"among {candidates.shape[1]:,}"
        words = [f"probability {one:.4f} {among}" for one in probabilities[0, best]]
        return candidates[0, best], words
