"""Lesson 14, the arc from map to agent: PPO on the VAE's map, four neighbours.

What lesson 11 promised: the songs nearest to the one that plays are the candidates, on
a map that a VAE learned from sound alone. Beside it the map that *is* the listeners'
taste, so that the price of the VAE's is seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from course_results import FOLDER
from numpy.typing import NDArray

from rlrec.agents.ppo import PPO
from rlrec.agents.ppo_config import PPO_SETTINGS, PPOConfig
from rlrec.agents.recommender import Recommender, best_first
from rlrec.datasets import load_tracks
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.evaluation import simulate
from rlrec.runs.provenance import provenance
from rlrec.runs.vae import load_map, scaled
from rlrec.sound.vae import VAE
from rlrec.types import Floats, Ids, Observations, Say

SONGS = 131_072  # played in a training
FIRST = 3_000_000  # seeds of listeners that no training met
FIRST_SONG = 17  # the random number of a play that slates use, and nothing else
# The contest's PPO over interactions; its candidates are four neighbours.
SETTINGS = replace(
    PPO_SETTINGS,
    action="neighbours",
    policy="interactions",
    state="belief",
    hidden=(64,),
    rollout=64,
    minibatch=256,
    target_kl=0.1,
    learning_rate=1e-2,
    schedule_steps=SONGS,
)


def maps() -> dict[str, Floats]:
    """Three maps of the generated songs, popularity last: [songs, d + 1] each.

    Lesson 11's stored VAE (5 dimensions), another of 4, and the listeners' taste space.
    """
    tracks = load_tracks("generated")
    catalogue = default_catalogue()
    stored, run = load_map(Path(FOLDER / "sound_map"))
    features = scaled(tracks, run.scaling, run.seed)
    small = VAE(replace(run.vae, dimensions=4), run.seed)
    small.train(features)
    sound: dict[str, Any] = {
        "VAE, 5 dimensions": stored.encode(features),
        "VAE, 4 dimensions": small.encode(features),
        "the listeners' taste": catalogue.sound,
    }
    return {
        name: np.column_stack([places, catalogue.appeal])
        for name, places in sound.items()
    }


class Radio(ListeningBatch):
    """`Listening-v0`, whole catalogue; each listener picks the first song: any of them.

    Else all walks would start at the same place, where nobody is known, and go one way.
    """

    def __init__(self, listeners: int) -> None:
        super().__init__(listeners, "song", "ids", history=20)

    def _songs(self, actions: NDArray[Any]) -> Ids:
        songs = super()._songs(actions)
        drawn = self.streams.uniform(self.steps, 1, first=FIRST_SONG)[0]
        picked = (drawn * len(self.catalogue)).astype(np.int64)
        return np.where(self.steps == 0, picked, songs)


class Menu(NamedTuple):
    """The songs that ``agent`` may choose from, that of the best ``score`` first."""

    agent: PPO
    score: Callable[[Ids], Floats]

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """Songs [batch, k] of the agent's menu, best first."""
        songs = self.agent.candidates(observations)
        return best_first(songs, self.score(songs), k)


def heard(
    songs: Floats, seed: int, listeners: int = 1_000, config: PPOConfig = SETTINGS
) -> dict[str, float]:
    """Mean songs heard by new listeners on a menu of four neighbours on a map.

    ``songs`` [songs, d + 1]: the map. Of PPO, of its twin with discount 0, and of two
    that chose from the same menu without learning.
    """
    twin = replace(config, discount=0.0)
    agents = {
        "PPO": PPO(songs, config, seed),
        "PPO, discount 0": PPO(songs, twin, seed),
    }
    env = Radio(32)
    for agent in agents.values():
        agent.train(env, config.schedule_steps, seed=10_000_000 * (seed + 1))
    walker = agents["PPO"]
    popularity = songs[:, -1]
    rng = np.random.default_rng(seed)
    policies: dict[str, Recommender] = {
        **agents,
        "the most popular of the four": Menu(walker, lambda menu: popularity[menu]),
        "a random one of the four": Menu(walker, lambda menu: rng.random(menu.shape)),
    }
    found = {}
    for name, policy in policies.items():
        env = Radio(listeners)
        first = FIRST + listeners * seed
        found[name] = float(simulate(env, policy, seed=first).mean())
    return found


def study_neighbours(
    *, seeds: Sequence[int] = tuple(range(10)), command: str, say: Say = print
) -> dict[str, Any]:
    """``heard`` on all maps, a row for each policy and seed; with its provenance."""
    start = time.monotonic()
    rows = []
    for name, songs in maps().items():
        for seed in seeds:
            found = heard(songs, seed)
            say(f"{name}, {seed}: {found}")
            for policy, value in found.items():
                row = {"map": name, "policy": policy, "seed": seed, "heard": value}
                rows.append(row)
    return {"songs": SONGS, "heard": rows} | provenance(command, start)
