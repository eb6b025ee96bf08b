"""Lesson 16: what a device does with small and large work, for `make.py gpu`.

Everything is computed by compiled TensorFlow, and by the library's own round of PPO.
Seconds are medians; the first call, which compiles, is left out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from rlrec.agents.ppo import PPO
from rlrec.agents.ppo_config import PPOConfig
from rlrec.agents.ppo_networks import PPOLearner
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.nn.backend import tf
from rlrec.runs.provenance import provenance
from rlrec.types import Arrays

SIZES = (64, 256, 1_024, 4_096)  # rows and columns of matrices
TYPES = ("float32", "float16", "bfloat16")
TYPED = 2_048  # rows and columns
SONGS = 8_192  # of a round
MINIBATCHES = (64, 512, 4_096)
UNITS = (64, 256, 1_024)
SEEDS = (1, 8, 64)
ROWS = 64  # in a minibatch of each seed
WIDTH = 64  # numbers of a state
LISTENERS = (8, 64, 512)  # at a time


def seconds(work: Callable[[], Any], repeats: int = 7) -> float:
    """Median seconds of ``work()``, which returns a tensor; it is waited for."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work().numpy()
        taken.append(time.perf_counter() - start)
    return round(statistics.median(taken), 7)


def launch() -> float:
    """Seconds of a compiled call with next to no arithmetic."""
    add = tf.function(lambda x: x + 1.0, jit_compile=True)
    one = tf.constant(1.0)
    return seconds(lambda: add(one), 200)


def product_rate(size: int, kind: str = "float32") -> float:
    """GFLOP/s of a product of two matrices [size, size] of numbers of a ``kind``."""
    rng = np.random.default_rng(0)
    left, right = tf.cast(rng.normal(size=(2, size, size)), kind)
    multiply = tf.function(lambda: (left @ right)[0, 0], jit_compile=True)
    return round(2.0 * size**3 / seconds(multiply) / 1e9, 1)


def made_round(songs: int, catalogue: int, rng: np.random.Generator) -> Arrays:
    """Random steps [songs, ...] of the form that `PPOLearner.learn` takes."""
    log_prob = np.full(songs, -np.log(10.0), np.float32)
    return {
        "state": rng.normal(size=(songs, WIDTH)).astype(np.float32),
        "choice": rng.integers(10, size=songs).astype(np.int32),
        "log_prob": log_prob,
        "candidates": rng.integers(catalogue, size=(songs, 10)).astype(np.int32),
        "seen": np.zeros((songs, 10, 0), np.float32),
        "value": np.zeros(songs, np.float32),
        "advantage": rng.normal(size=songs).astype(np.float32),
        "live": np.ones(songs, np.float32),
    }


def round_seconds(minibatch: int, units: int) -> float:
    """Seconds of an epoch over 8,192 songs in the library's compiled round of PPO.

    ``units``: of each of the two hidden layers, of policy and value network.
    """
    rng = np.random.default_rng(0)
    sound = default_catalogue().sound.astype(np.float32)
    config = PPOConfig(minibatch=minibatch, hidden=(units, units), target_kl=0.0)
    learner = PPOLearner(sound, WIDTH, config, rng)
    steps = made_round(SONGS, len(sound), rng)
    order = rng.permutation(SONGS).reshape(1, -1, minibatch).astype(np.int32)

    def work() -> Any:
        learner.learn(steps, order, 1.0)
        return learner.weights[0]

    return seconds(work, 3)


def seeds_seconds(count: int) -> float:
    """Seconds of 128 updates of ``count`` networks, all in one compiled call.

    64 inputs, 64 and 64 hidden units, one output; squared error, 64 rows each.
    """
    rng = np.random.default_rng(0)
    widths = (WIDTH, 64, 64, 1)
    weights = []
    for inputs, outputs in pairwise(widths):
        start = rng.normal(size=(count, inputs, outputs)) / inputs**0.5
        weights.append(tf.Variable(start, dtype=tf.float32))
    states = tf.constant(rng.normal(size=(count, ROWS, WIDTH)), tf.float32)
    targets = tf.constant(rng.normal(size=(count, ROWS, 1)), tf.float32)

    def learn() -> Any:
        for _ in tf.range(128):
            with tf.GradientTape() as tape:
                hidden = tf.nn.relu(states @ weights[0])
                hidden = tf.nn.relu(hidden @ weights[1])
                error = tf.reduce_mean(tf.square(hidden @ weights[2] - targets))
                loss = count * error
            for one, slope in zip(weights, tape.gradient(loss, weights), strict=True):
                one.assign_sub(0.01 * slope)
        return error

    return seconds(tf.function(learn, jit_compile=True), 3)


def playing_seconds(environments: int) -> tuple[float, float]:
    """Seconds that a round of PPO plays, and that it learns; 8,192 songs, 6 epochs.

    ``environments``: listeners at a time.
    """
    rollout = SONGS // environments
    config = PPOConfig(rollout=rollout, epochs=6, minibatch=SONGS // 8, target_kl=0.0)
    agent = PPO(default_catalogue().sound, config, seed=0)
    env = ListeningBatch(environments, observe="ids", history=20)
    learning = []
    learn = agent.learner.learn

    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        found = learn(*arguments)
        learning.append(time.perf_counter() - start)
        return found

    vars(agent.learner)["learn"] = timed
    whole = []
    for _ in range(4):
        start = time.perf_counter()
        agent.train(env, SONGS)
        whole.append(time.perf_counter() - start)
    learned = statistics.median(learning[1:])
    played = statistics.median(whole[1:]) - learned
    return round(played, 4), round(learned, 4)


def measure(device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """All figures of a device, "CPU:0" or "GPU:0"."""
    found: dict[str, Any] = {}
    with tf.device(device):
        found["launch"] = launch()
        found["products"] = [[size, product_rate(size)] for size in SIZES]
        say(f"{device}: products of matrices")
        found["types"] = [[kind, product_rate(TYPED, kind)] for kind in TYPES]
        say(f"{device}: types of numbers")
        found["rounds"] = [
            [minibatch, units, round_seconds(minibatch, units)]
            for minibatch in MINIBATCHES
            for units in UNITS
        ]
        say(f"{device}: rounds of PPO")
        found["seeds"] = [[count, seeds_seconds(count)] for count in SEEDS]
        say(f"{device}: seeds in one call")
        found["playing"] = [[count, *playing_seconds(count)] for count in LISTENERS]
    return found


def study_gpu(*, command: str, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Figures of the CPU, and of the first GPU if TensorFlow sees one."""
    start = time.monotonic()
    devices = ["CPU:0"] + ["GPU:0"] * bool(tf.config.list_physical_devices("GPU"))
    found = {device: measure(device, say) for device in devices}
    return {"devices": found} | provenance(command, start)
