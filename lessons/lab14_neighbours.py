"""Lesson 14, the arc from map to agent: PPO on the VAE's map, four neighbours.

What lesson 11 promised: the songs nearest to the one that plays are the candidates, on
a map that a VAE learned from sound alone. Beside it the map that *is* the listeners'
taste, and ten songs offered at random, so that the price of each is seen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from course_results import FOLDER

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

SONGS = 32_768
FIRST = 3_000_000  # seeds of listeners that no training met
# The settings of the contest's PPO over interactions.
SETTINGS = replace(
    PPO_SETTINGS,
    policy="interactions",
    state="belief",
    hidden=(64,),
    rollout=64,
    minibatch=256,
    target_kl=0.1,
    learning_rate=1e-2,
    schedule_steps=SONGS,
)
MENUS = {"four neighbours": "neighbours", "ten at random": "offered"}


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


class Menu(NamedTuple):
    """The songs that ``agent`` may choose from, the one of the best score first.

    ``score`` [songs]; None: a random order.
    """

    agent: PPO
    score: Floats | None
    rng: np.random.Generator

    def recommend(self, observations: Observations, k: int = 1) -> Ids:
        """Songs [batch, k] of the agent's menu, best first."""
        songs = self.agent.candidates(observations)
        if self.score is None:
            return best_first(songs, self.rng.random(songs.shape), k)
        return best_first(songs, self.score[songs], k)


def listening(menu: str, listeners: int) -> ListeningBatch:
    """The environment in which songs are chosen from a menu of ``MENUS``."""
    if MENUS[menu] == "offered":
        return ListeningBatch(listeners, "candidate", "ids", history=20)
    return ListeningBatch(listeners, "song", "ids", history=20)


def heard(
    songs: Floats,
    menu: str,
    seed: int,
    listeners: int = 1_000,
    config: PPOConfig = SETTINGS,
) -> dict[str, float]:
    """Mean songs heard by new listeners: PPO trained on a map, and others on its menu.

    ``songs`` [songs, d + 1]: the map; ``menu``: a name of ``MENUS``.
    """
    agent = PPO(songs, replace(config, action=MENUS[menu]), seed)
    env = listening(menu, 32)
    agent.train(env, config.schedule_steps, seed=10_000_000 * (seed + 1))
    rng = np.random.default_rng(seed)
    policies: dict[str, Recommender] = {
        "PPO": agent,
        "popularity": Menu(agent, songs[:, -1], rng),
        "random": Menu(agent, None, rng),
    }
    found = {}
    for name, policy in policies.items():
        env = listening(menu, listeners)
        first = FIRST + listeners * seed
        found[name] = float(simulate(env, policy, seed=first).mean())
    return found


def study_neighbours(
    *, seeds: Sequence[int] = tuple(range(5)), command: str, say: Say = print
) -> dict[str, Any]:
    """``heard`` on all maps and menus, a row for each policy and seed; provenance."""
    start = time.monotonic()
    rows = []
    for name, songs in maps().items():
        for menu in MENUS:
            for seed in seeds:
                found = heard(songs, menu, seed)
                say(f"{name}, {menu}, {seed}: {found}")
                for policy, value in found.items():
                    row = {"map": name, "menu": menu, "policy": policy, "seed": seed}
                    rows.append(row | {"heard": value})
    return {"songs": SONGS, "heard": rows} | provenance(command, start)
