"""The n-step learner: seconds until it beats the tuned rule, and its gain over it.

    python -m tests.benchmarks.nstep [candidates] [seeds] [listeners]

candidates 0: the whole catalogue. Prints songs heard a session after 8,192 and 32,768
songs, over the rule and over the control (n = 1), paired by seed, with 95% intervals.
"""

import sys
import time

import numpy as np

from rlrec.agents import VariedListening
from rlrec.agents.nstep import NStep, NStepConfig
from rlrec.envs import ListeningBatch, default_catalogue
from rlrec.evaluation import mean_interval, simulate

BUDGETS = (8_192, 32_768)
CATALOGUE = default_catalogue()
# The best of the contest's rules, tuned on listeners of their own.
RULE = VariedListening(CATALOGUE, variety=3.0, appeal_weight=0.3, like_weight=2.0)


def world(listeners, candidates=10):
    action = "candidate" if candidates else "song"
    offered = candidates or 2
    return ListeningBatch(listeners, action, "ids", n_candidates=offered, history=20)


def heard(policy, seed, listeners=1000, candidates=10):
    """Songs heard a session, by listeners on whom nothing was tuned or trained."""
    env = world(listeners, candidates)
    return simulate(env, policy, seed=2_000_000 + 1000 * seed).mean()


def curve(n, seed, listeners, candidates):
    """Songs heard after each budget of one training."""
    agent = NStep(CATALOGUE, NStepConfig(n=n), seed)
    env = world(32, candidates)
    found = []
    for budget in BUDGETS:
        agent.train(env, budget - agent.step, seed=10_000_000 + 10_000 * seed)
        found.append(heard(agent, seed, listeners, candidates))
    return found


def report(line):
    """Processor seconds from nothing to an agent that beats the rule."""
    start = time.process_time()
    agent = NStep(CATALOGUE, NStepConfig(schedule_steps=8_192))
    agent.train(world(32), 8_192, seed=10_000_000)
    seconds = time.process_time() - start
    gain = heard(agent, 0) - heard(RULE, 0)
    line("n-step, 8,192 songs from nothing", seconds, f"s; {gain:+.2f} over the rule")


def main(candidates=10, seeds=10, listeners=1000):
    size = (listeners, candidates)
    rows = []
    for seed in range(seeds):
        rule = heard(RULE, seed, *size)
        rows.append([curve(3, seed, *size), curve(1, seed, *size), [rule] * 2])
        print(seed, *np.round(rows[-1], 2).tolist(), flush=True)
    three, one, rule = np.array(rows).transpose(1, 0, 2)  # [seeds, budgets] each
    for place, budget in enumerate(BUDGETS):
        print(f"{budget:,} songs, {candidates or 'all'} songs on offer")
        print("  rule            ", mean_interval(rule[:, place]))
        print("  n = 3           ", mean_interval(three[:, place]))
        print("  n = 3 over rule ", mean_interval((three - rule)[:, place]))
        print("  n = 3 over n = 1", mean_interval((three - one)[:, place]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
