"""A run of the n-step learner; what it shares is in `rlrec.runs.listening`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlrec.agents.nstep import NStep, NStepConfig, NStepRound
from rlrec.envs import Catalogue, ListeningBatch
from rlrec.envs.catalogue import unit_vectors
from rlrec.envs.listening import ActionMode
from rlrec.errors import ConfigError
from rlrec.runs.listening import ListeningRun, observations_after
from rlrec.types import Floats, Ids


@dataclass(frozen=True, kw_only=True)
class NStepRun(ListeningRun):
    """A run of the n-step learner; with ``candidates`` 0 it plays any song."""

    AGENT = "nstep"
    STEPS = 32_768
    SHOWN = {"reward": "reward", "epsilon": "epsilon"}  # noqa: RUF012
    RECORD = NStepRound._fields
    nstep: NStepConfig

    def require_budget(self) -> None:
        """See `ListeningRun.require_budget`."""
        super().require_budget()
        if self.world.compiled:
            raise ConfigError("only ppo plays with compiled listeners: no --compiled")

    @property
    def action(self) -> ActionMode:
        """See `ListeningRun.action`."""
        return "candidate" if self.world.candidates else "song"

    @property
    def label(self) -> str:
        """See `ListeningRun.label`."""
        offered = f"{self.world.candidates} songs on offer"
        offered = offered if self.world.candidates else "all songs on offer"
        return f"n {self.nstep.n}, discount {self.nstep.discount:g}, {offered}"

    def new(self, songs: Floats, catalogue: Catalogue) -> NStep:
        """See `ListeningRun.new`."""
        sound = songs[:, :-1] if self.world.popularity else songs
        appeal = catalogue.appeal * self.world.popularity
        known = replace(
            catalogue, sound=sound, direction=unit_vectors(sound), appeal=appeal
        )
        return NStep(known, self.nstep, self.seed)

    def load(self, checkpoint: Path, env: ListeningBatch | None = None) -> NStep:
        """See `ListeningRun.load`."""
        return NStep.load(checkpoint, env)

    def best(self, agent: Any, played: list[int], k: int) -> tuple[Ids, list[str]]:
        """See `ListeningRun.best`; a word is what the next songs are expected to be."""
        observations = observations_after(played)
        songs = agent.recommend(observations, k)
        values = agent.values(agent.session(observations), songs)[0]
        words = [f"{one:.2f} of the next {self.nstep.n} songs heard" for one in values]
        return songs[0], words
