"""What each interaction is worth to the n-step learner: all but one, one at a time.

    python -m tests.benchmarks.ablation [seeds] [listeners]

Prints songs heard a session without each feature, less with all of them, paired by
seed, with a 95% interval; after 16,384 songs, teaching setting, ten candidates.
"""

import sys

import pandas as pd

from rlrec.agents.interactions import FILTERED_FEATURES
from rlrec.agents.nstep import NStep, NStepConfig
from rlrec.evaluation import mean_interval
from tests.benchmarks.nstep import CATALOGUE, heard, world

SONGS = 16_384


class Without(NStep):
    """The learner, with the features ``left_out`` 0 in all it learns from.

    Their weights stay 0.
    """

    left_out = ()

    def _features(self, seen, session, songs):
        features = super()._features(seen, session, songs)
        places = [FILTERED_FEATURES.index(name) for name in self.left_out]
        features[:, places] = 0.0
        return features


def songs_heard(left_out, seed, listeners):
    agent = Without(CATALOGUE, NStepConfig(schedule_steps=SONGS), seed)
    agent.left_out = left_out
    agent.train(world(32), SONGS, seed=10_000_000 + 10_000 * seed)
    return heard(agent, seed, listeners)


def table(seeds=10, listeners=500, features=FILTERED_FEATURES):
    """A row for each feature, sorted by what it is worth."""
    every = [songs_heard((), seed, listeners) for seed in range(seeds)]
    rows = []
    for name in features:
        without = [songs_heard((name,), seed, listeners) for seed in range(seeds)]
        lost = [one - all_ for one, all_ in zip(without, every, strict=True)]
        rows.append([name, *mean_interval(without)[:1], *mean_interval(lost)])
    columns = ["without", "songs heard", "less than with all", "low", "high"]
    return pd.DataFrame(rows, columns=columns).sort_values("less than with all")


if __name__ == "__main__":
    print(table(*map(int, sys.argv[1:])).round(2).to_string(index=False))
