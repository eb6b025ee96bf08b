"""DDPG beside Stable-Baselines3: updates a second in the same environment on one core.

    python -m tests.benchmarks.ddpg ours|theirs CORE

Each runs in a process of its own. One critic of (state, action), layers of 128 and 64,
batches of 32, uniform replay, one update for each recommendation; warm-up left out.
Listening-v0, the action a point in the space of features: ours sees ids, 64 listeners
at a time, theirs the flat vector of features of one listener, its only way.
"""

import os
import statistics
import sys
import time
from itertools import pairwise

import numpy as np

from tests.benchmarks.ppo import ONE_CORE, measure

BATCH, LAYERS, ENVIRONMENTS = 32, (128, 64), 64


def ours(steps):
    """Updates a second over ``steps`` steps after the first 20 rounds."""
    from rlrec.agents.ddpg import DDPG
    from rlrec.agents.ddpg_config import DDPGConfig
    from rlrec.envs import ListeningBatch, default_catalogue

    config = DDPGConfig(
        critic="mlp",
        hidden=LAYERS,
        twin=False,
        policy_delay=1,
        target_candidates=0,
        replay="uniform",
        batch_size=BATCH,
        updates=ENVIRONMENTS,
        learning_starts=64,
        reward_low=-100.0,
        reward_high=100.0,
    )
    agent = DDPG(default_catalogue().features, config=config, seed=0)
    env = ListeningBatch(
        ENVIRONMENTS, action="point", observe="ids", history=agent.history
    )
    agent.train(env, 20 * ENVIRONMENTS)
    start = time.perf_counter()
    agent.train(env, steps)
    return steps / (time.perf_counter() - start)


def theirs(steps):
    """The same by Stable-Baselines3's DDPG with its MlpPolicy."""
    sys.modules["torch.utils.tensorboard"] = None  # see tests.benchmarks.ppo
    import gymnasium
    import torch
    from stable_baselines3 import DDPG

    import rlrec  # noqa: F401  (registers the environments)

    torch.set_num_threads(1)
    env = gymnasium.make("rlrec/Listening-v0", action="point")
    agent = DDPG(
        "MlpPolicy",
        env,
        batch_size=BATCH,
        train_freq=1,
        gradient_steps=1,
        learning_starts=64,
        buffer_size=200_000,
        seed=0,
        device="cpu",
        policy_kwargs={"net_arch": list(LAYERS)},
    )
    agent.learn(300)
    start = time.perf_counter()
    agent.learn(steps, reset_num_timesteps=False)
    return steps / (time.perf_counter() - start)


def floor(repeats=500):
    """Updates a second if one were its matrix products alone, in NumPy, float32.

    Actor: forward twice (target, online) and back. Critic: forward three times, back to
    its weights once and back to its inputs twice.
    """
    from rlrec.envs import default_catalogue

    width = default_catalogue().features.shape[1]
    actor = _products((3 * width, *LAYERS, width), forward=2, weights=1, inputs=1)
    critic = _products((4 * width, *LAYERS, 1), forward=3, weights=1, inputs=2)
    pairs = actor + critic
    start = time.perf_counter()
    for _ in range(repeats):
        for left, right in pairs:
            left @ right
    return repeats / (time.perf_counter() - start)


def _products(widths, forward, weights, inputs):
    """The factors of all matrix products of a network, each as often as it is made."""
    pairs = []
    for ins, outs in pairwise(widths):
        x = np.ones((BATCH, ins), np.float32)
        kernel = np.ones((ins, outs), np.float32)
        slope = np.ones((BATCH, outs), np.float32)
        pairs += [(x, kernel)] * forward
        pairs += [(x.T, slope)] * weights
        pairs += [(slope, kernel.T)] * inputs
    return pairs


def compare(pairs=3):
    """Updates a second of both and of the floor, one after the other, for each pair."""
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else -1
    found = []
    for _ in range(pairs):
        row = [
            measure(who, core, "tests.benchmarks.ddpg")
            for who in ("ours", "theirs", "floor")
        ]
        found.append(tuple(row))
    return found


def report(line):
    """Print updates a second, the ratio of each pair, and the floor."""
    pairs = compare()
    mine, other, least = (statistics.median(row) for row in zip(*pairs, strict=True))
    ratios = sorted(ours / theirs for ours, theirs, _ in pairs)
    line("DDPG", mine, f"updates a second; Stable-Baselines3 {other:,.0f}; one core")
    spread = f"({ratios[0]:.1f} to {ratios[-1]:.1f})"
    line(f"  ratio, median of {len(pairs)} pairs", statistics.median(ratios), spread)
    line("  matrix products alone, NumPy", least, "updates a second: the floor")


if __name__ == "__main__":
    who, core = sys.argv[1], int(sys.argv[2])
    assert all(os.environ.get(name) == value for name, value in ONE_CORE.items())
    if core >= 0:
        os.sched_setaffinity(0, {core})
    print({"ours": ours, "theirs": theirs, "floor": floor}[who](3_200))
