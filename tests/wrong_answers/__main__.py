"""Print how the checks fare: python -m tests.wrong_answers."""

import os
from dataclasses import asdict

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd

from tests.wrong_answers import exercises, row

table = pd.DataFrame([asdict(row(*item)) for item in exercises().items()])
table.loc[len(table)] = ["all", *table.drop(columns="exercise").sum()]
print(table.to_string(index=False))
lessons = table[:-1].groupby(table.exercise[:-1].str[:2])[["wrong", "named"]].sum()
shares = lessons.named / lessons.wrong
print(f"named, the lesson with fewest: {shares.idxmin()}, {shares.min():.0%}")
