"""What a run on ratings is about: data, protocol and split; the data's fingerprint."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from rlrec.datasets import Ratings, load_ratings
from rlrec.datasets.ratings import alarms
from rlrec.datasets.reading.columns import AS_GUESSED, Reading
from rlrec.errors import ConfigError, DataError, require_choice
from rlrec.evaluation.protocols import (
    POSITIVE,
    PROTOCOLS,
    Split,
    split_next_item,
    split_rerank,
    split_session,
)
from rlrec.runs.run import data_fingerprint, data_source, require_seed

# Stars: what reward = (rating - 3) / 2 and "liked from 4" are made for.
LOWEST = 0.5
HIGHEST = 5.0


@dataclass(frozen=True)
class Task:
    """Data, protocol and split of a run.

    data: a data set's name or a path. protocol: "rerank", "session" or "next_item".
    split: "time" holds out the last ratings (of `session`: the last users by id),
    "random" draws with ``seed``. reading: how the file is read. Raises ``ConfigError``
    for anything else.
    """

    data: str
    protocol: str = "rerank"
    split: str = "time"
    seed: int = 0
    reading: Reading = AS_GUESSED

    def __post_init__(self) -> None:
        require_choice(self, "protocol", PROTOCOLS)
        require_choice(self, "split", ("time", "random"))
        if self.protocol == "next_item" and self.split == "random":
            raise ConfigError(
                "next_item predicts the next rating in time, "
                "which a random split does not have: --split time"
            )
        require_seed(self.seed)

    @property
    def source(self) -> str:
        """The data's name, or its whole path."""
        return data_source(self.data)

    @property
    def key(self) -> tuple[Any, ...]:
        """What decides the split: two tasks have equal splits if their keys are."""
        seed = self.seed if self.split == "random" else None
        return (self.source, self.protocol, self.split, seed, self.reading)

    @property
    def flags(self) -> str:
        """The task as flags of `rlrec train ddpg`."""
        words = [
            f"--data {shlex.quote(self.data)} --protocol {self.protocol} "
            f"--split {self.split} --seed {self.seed}"
        ]
        for name, value in asdict(self.reading).items():
            if value:
                texts = [value] if isinstance(value, str) else map(str, value)
                words.append(f"--{name.replace('_', '-')} {shlex.join(texts)}")
        return " ".join(words)

    def load(self) -> Ratings:
        """The ratings as stars. Raises ``DataError`` for unusable ones."""
        return self.stars(load_ratings(self.data, reading=self.reading))

    def stars(self, ratings: Ratings) -> Ratings:
        """Ratings in a scale that was given as 1 to 5 stars, others as they are.

        Raises ``DataError`` if they are no stars, or nothing can be learned from them.
        """
        if self.reading.scale:
            low, high = self.reading.scale
            stars = 1.0 + 4.0 * (ratings.ratings - low) / (high - low)
            ratings = replace(ratings, ratings=stars.astype(np.float32))
        for alarm in alarms(ratings.ratings, ratings.report.counts):
            raise DataError(f"{self.data}: {alarm}")
        lowest = float(ratings.ratings.min(initial=HIGHEST))
        highest = float(ratings.ratings.max(initial=0.0))
        if lowest < LOWEST or highest < POSITIVE or highest > HIGHEST:
            ends = (
                f"{min(int(lowest), 1)} {10 if 5 < highest <= 10 else f'{highest:g}'}"
            )
            raise DataError(
                f"{self.data}: ratings from {lowest:g} to {highest:g}; these agents "
                f"read 1 to 5 stars (or half a star to 5), 3 in the middle and liked "
                f"from 4: give the ends of your scale, --scale {ends}"
            )
        return ratings

    def divide(self, ratings: Ratings) -> Split:
        """Training, known and held-out parts of ``ratings``."""
        rng = np.random.default_rng(self.seed) if self.split == "random" else None
        if self.protocol == "rerank":
            by = cast(Literal["time", "random"], self.split)
            return split_rerank(ratings, by, rng=rng)
        if self.protocol == "session":
            return split_session(ratings, rng)
        return split_next_item(ratings)


def ratings_fingerprint(ratings: Ratings) -> dict[str, Any]:
    """Counts and a SHA-256 of all ratings; equal if and only if the ratings are."""
    return data_fingerprint(
        (ratings.users, ratings.items, ratings.ratings, ratings.timestamps),
        (ratings.user_ids, ratings.item_ids),
        ratings=len(ratings),
        users=ratings.n_users,
        items=ratings.n_items,
    )
