"""Is the oracle worth its name: does a better one follow from a larger budget?

    python -m tests.benchmarks.oracle [LISTENERS]

Plays the default oracle and larger ones to the same listeners, in two worlds: ten
candidates, and the whole catalogue. Prints songs heard in a session, with the standard
error over listeners; the gain of each larger oracle, with its 95% interval (Student's
t, paired by listener); processor seconds for 1,000 sessions. The listeners are those of
no lesson, training or study.
"""

import sys
import time

import numpy as np

from rlrec.agents import ListeningOracle
from rlrec.envs import ListeningBatch
from rlrec.evaluation import mean_interval, simulate

FIRST = 1_700_000  # the first listener's seed
AT_ONCE = 250  # listeners in memory
WORLDS = {"ten candidates": "candidate", "whole catalogue": "song"}
LARGER = {  # settings of the default oracle, times what
    "10 times the rollouts": {"rollouts": 10},
    "twice the lookahead": {"lookahead": 2},
    "3 times lookahead and rollouts": {"lookahead": 3, "rollouts": 3},
    "3 times the width": {"width": 3},
}


def returns(action, listeners, **times):
    """Songs heard by each listener, and processor seconds for 1,000 of them."""
    env = ListeningBatch(AT_ONCE, action, "ids")
    rng = np.random.default_rng(0)
    oracle = ListeningOracle(env, rng)
    for name, factor in times.items():
        setattr(oracle, name, factor * getattr(oracle, name))
    start = time.process_time()
    seeds = range(FIRST, FIRST + listeners, AT_ONCE)
    heard = np.concatenate([simulate(env, oracle, seed=seed) for seed in seeds])
    return heard, 1000 * (time.process_time() - start) / len(heard)


def main(listeners):
    for world, action in WORLDS.items():
        heard, seconds = returns(action, listeners)
        error = heard.std(ddof=1) / len(heard) ** 0.5
        print(f"{world}, {len(heard):,} listeners")
        print(
            f"  {'default':<32}{heard.mean():.2f}, standard error {error:.2f}", end=""
        )
        print(f"; {seconds:.1f} s")
        for name, times in LARGER.items():
            if "width" in times and action == "candidate":
                continue  # the default looks at all ten
            more, seconds = returns(action, listeners, **times)
            gain = mean_interval(more - heard)
            print(f"  {name:<32}{gain}; {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_000)
