"""Listening-v0 in NumPy and as compiled TensorFlow: the same sessions? How fast?

    python -m tests.benchmarks.compiled table SEEDS  100,000 sessions a side and a seed
    python -m tests.benchmarks.compiled changes      how small a change is seen
    python -m tests.benchmarks.compiled speed        songs a second on one core

Each row plays two whole sessions, so that half of them were begun within the loop.
Speed: the policy is random; each measurement is a process of its own.
"""

import os
import statistics
import sys
import time
from contextlib import nullcontext
from types import SimpleNamespace
from unittest import mock

import numpy as np
from scipy.stats import ks_2samp

from tests.benchmarks.ppo import measure

WORLDS = {
    "default": {},
    "every dial": {
        "taste_strength": 1.0,
        "long_term_effect": 0.7,
        "appeal_strength": 0.6,
        "taste_drift": 0.3,
        "taste_focus": 2.0,
        "taste_towards": 40.0,
        "churn": 0.2,
    },
}
POLICIES = ("random", "stay")
STEPS = 41  # two sessions of 20 at most, and the step between them
BATCHES = (64, 1_024, 16_384)
# constants of listeners, as `rlrec.nn.compiled` names them
CONSTANTS = (
    *("skip_logit", "turn_logit", "START_LOGIT", "RESTLESS_SD", "LIKE_LOGIT"),
    *("FATIGUE_WEIGHT", "TYPICAL_CLOSENESS", "MEMORY"),
    *("AT_LONGEST", "SHORTEST", "EARLY_SKIP", "PARTLY_HEARD"),
)


def after_skip(last, skipped, songs):
    """The rule "stay": the last song again, or the seventh after it if skipped."""
    stays = (last >= 0) & ~skipped
    return stays * last + (1 - stays) * ((last + 7) % songs)


def numpy_record(policy, rows, seed=0, **settings):
    """What `CompiledListening.play` records, by the NumPy environment."""
    from rlrec.envs import ListeningBatch

    env = ListeningBatch(rows, "song", "ids", **settings)
    seen, _ = env.reset(seed=seed * rows)
    rng = np.random.default_rng(seed)
    songs = len(env.catalogue)
    steps_played = []
    for _ in range(STEPS):
        live = ~env.over
        if policy == "random":
            action = rng.integers(songs, size=rows)
        else:
            skipped = seen["feedback"][:, -1, 2] > 0
            action = after_skip(seen["history"][:, -1], skipped, songs)
        seen, reward, ended, _, info = env.step(action)
        heard = (info["fraction"], info["liked"], info["skipped"])
        steps_played.append((action, *heard, reward, ended, live))
    names = ("songs", "fraction", "liked", "skipped", "reward", "ended", "live")
    columns = zip(*steps_played, strict=True)
    return dict(zip(names, map(np.array, columns), strict=True))


def compiled_policy(policy, songs):
    """The same policies as functions of tensors."""
    from rlrec.nn.backend import tf

    def random(seen, seed):
        n = seen["history"].shape[0]
        draws = tf.random.stateless_uniform((n,), seed, alg="threefry")
        return tf.cast(draws * songs, tf.int32), {}

    def stay(seen, seed):
        last = seen["history"][:, -1]
        skipped = seen["feedback"][:, -1, 2] > 0.0
        stays = (last >= 0) & ~skipped
        return tf.where(stays, last, (last + 7) % songs), {}

    return random if policy == "random" else stay


def compiled_record(policy, rows, seed=0, change=None, **settings):
    """A record of `CompiledListening.play`; ``change``: a constant and its factor."""
    from rlrec.nn.backend import tf
    from rlrec.nn.compiled import CompiledListening

    twin = CompiledListening(**settings)
    rule = compiled_policy(policy, twin.songs)
    with broken(twin, *change) if change else nullcontext():
        state = twin.begin(tf.constant([seed, 0]), rows)
        _, record = twin.play(rule, state, STEPS, tf.constant([seed, 1]))
    return {name: values.numpy() for name, values in record.items()}


def broken(twin, name, factor):
    """A context in which one constant of the compiled listeners is ``factor`` times."""
    from rlrec.nn import compiled

    if hasattr(twin, name):
        return mock.patch.object(twin, name, factor * getattr(twin, name))
    value = getattr(compiled.listeners, name)
    changed = round(factor * value) if isinstance(value, int) else factor * value
    copy = SimpleNamespace(**vars(compiled.listeners) | {name: changed})
    return mock.patch.object(compiled, "listeners", copy)


def sessions(record):
    """Quantities of the first two sessions of each row: name -> [2 rows]."""
    live, ended = record["live"], record["ended"]
    number = ended.cumsum(axis=0) - ended  # sessions ended before
    skipped = record["skipped"] & live
    run = np.zeros(live.shape, int)
    for t in range(len(run)):
        before = run[t - 1] if t else 0
        run[t] = (before + 1) * skipped[t]
    found = {name: [] for name in ("songs", "heard", "liked", "fraction", "run")}
    for session in (0, 1):
        here = live & (number == session)
        assert (here & ended).sum(axis=0).all()  # each was played to its end
        found["songs"].append(here.sum(axis=0))
        found["heard"].append((here & ~skipped).sum(axis=0))
        found["liked"].append((here & record["liked"]).sum(axis=0))
        found["fraction"].append((here * record["fraction"]).sum(axis=0))
        found["run"].append((here * run).max(axis=0))
    return {name: np.concatenate(values) for name, values in found.items()}


def critical(n):
    """The two-sample Kolmogorov-Smirnov statistic at 1%, of ``n`` sessions a side.

    Conservative for whole numbers.
    """
    return np.sqrt(-0.5 * np.log(0.01 / 2.0)) * np.sqrt(2.0 / n)


def compared(ours, theirs):
    """(quantity, mean, mean, statistic) of the sessions of two sides."""
    return [
        (name, one.mean(), two.mean(), ks_2samp(one, two, method="asymp").statistic)
        for (name, one), two in zip(ours.items(), theirs.values(), strict=True)
    ]


def pooled(record, policy, rows, seeds, **settings):
    """The sessions of several seeds: name -> [2 rows seeds]."""
    parts = [sessions(record(policy, rows, seed, **settings)) for seed in seeds]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def table(rows, seeds):
    """Print the means of both sides and the statistic, by world and policy."""
    heads = [f"{head:>9}" for head in ("NumPy", "compiled", "KS", "critical")]
    print(f"{'world':<12}{'policy':<8}{'a session':<10}", *heads)
    limit = critical(2 * rows * len(seeds))
    for world, dials in WORLDS.items():
        for policy in POLICIES:
            one = pooled(numpy_record, policy, rows, seeds, **dials)
            two = pooled(compiled_record, policy, rows, seeds, **dials)
            for name, *values in compared(one, two):
                shown = (f"{value:9.4f}" for value in (*values, limit))
                print(f"{world:<12}{policy:<8}{name:<10}", *shown, flush=True)


def changes(rows):
    """Print for each constant the smallest change that a quantity shows."""
    numpy_side = {
        policy: sessions(numpy_record(policy, rows, 1)) for policy in POLICIES
    }
    for name in CONSTANTS:
        for share in (0.01, 0.02, 0.05, 0.1, 0.2):
            shown = []
            for policy, one in numpy_side.items():
                change = (name, 1.0 + share)
                two = sessions(compiled_record(policy, rows, 1, change=change))
                ratios = [
                    (statistic / critical(2 * rows), quantity, policy)
                    for quantity, _, _, statistic in compared(one, two)
                ]
                shown.append(max(ratios))
            ratio, *where = max(shown)
            if ratio > 1.0:
                break
        seen = "seen" if ratio > 1.0 else "not seen"
        verdict = f"+{share:.0%} {seen}: {ratio:.2f} of critical"
        print(f"{name:<18}", verdict, *where, flush=True)


def numpy_work(batch, steps):
    """A function that plays ``steps`` steps of random songs in NumPy, and counts."""
    from rlrec.envs import ListeningBatch

    env = ListeningBatch(batch, "song", "ids")
    env.reset(seed=0)
    rng = np.random.default_rng(0)

    def work(seed):
        songs = 0
        for _ in range(steps):
            songs += batch - env.over.sum()
            env.step(rng.integers(len(env.catalogue), size=batch))
        return songs

    return work


def compiled_work(batch, steps):
    """The same in one compiled call."""
    from rlrec.nn.backend import tf
    from rlrec.nn.compiled import CompiledListening

    twin = CompiledListening()
    policy = compiled_policy("random", twin.songs)
    state = twin.begin(tf.constant([0, 0]), batch)

    def work(seed):
        _, record = twin.play(policy, state, steps, tf.constant([seed, 1]))
        return record["live"].numpy().sum()  # waits

    return work


def speed(who, batch, repeats=7):
    """Songs a processor second: the median of some calls after the first."""
    steps = max(STEPS, 2**18 // batch)
    work = {"numpy": numpy_work, "compiled": compiled_work}[who](batch, steps)
    rates = []
    for seed in range(1 + repeats):
        start = time.process_time()
        songs = work(seed)
        rates.append(songs / (time.process_time() - start))
    return statistics.median(rates[1:])


def report(line):
    """Print songs a second of both, and their ratio."""
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else -1
    for batch in BATCHES:
        numpy, compiled = (
            measure(who, core, "tests.benchmarks.compiled", batch)
            for who in ("numpy", "compiled")
        )
        line(f"Compiled listeners, {batch:,} rows", compiled, "songs a second")
        line("  in NumPy", numpy, "")
        line("  ratio", compiled / numpy, "")


def main(words):
    if words[0] == "table":
        table(50_000, range(1, 1 + int(words[1])))
    elif words[0] == "changes":
        changes(50_000)
    elif words[0] == "speed":
        report(lambda what, value, unit: print(f"{what:<34}{value:14,.1f} {unit}"))
    else:
        who, core, batch = words[0], int(words[1]), int(words[2])
        if core >= 0:
            os.sched_setaffinity(0, {core})
        print(speed(who, batch))


if __name__ == "__main__":
    main(sys.argv[1:])
