"""What a run on ratings is about: which data, which protocol, which split; and a fingerprint of the data."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from rlrec.datasets import Ratings, load_ratings
from rlrec.datasets.catalogue import CATALOGUE
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.protocols import (PROTOCOLS,
    POSITIVE,
    Result,
    Scorer,
    Split,
    next_item,
    rerank,
    session,
    split_next_item,
    split_rerank,
    split_session,
)

LOWEST, HIGHEST = 0.5, 5.0  # stars: what reward = (rating - 3) / 2 and "liked from 4" are made for


@dataclass(frozen=True)
class Task:
    """Data, protocol and split of a run.

    data: a data set's name or a path. protocol: "rerank", "session" or "next_item". split: "time" holds out what came
    last (of `session`: the last users by id), "random" draws with ``seed``. Raises ``ConfigError`` for anything else.
    """

    data: str
    protocol: str = "rerank"
    split: str = "time"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ConfigError(f"protocol is {self.protocol!r}; choose one of {', '.join(PROTOCOLS)}")
        if self.split not in ("time", "random"):
            raise ConfigError(f"split is {self.split!r}; choose time or random")
        if self.protocol == "next_item" and self.split == "random":
            raise ConfigError("next_item asks for what comes next, which a random split does not know: --split time")
        if not 0 <= self.seed < 2**60:
            raise ConfigError(f"seed is {self.seed}; it must lie in 0..2**60")

    @property
    def source(self) -> str:
        """The data's name, or its path from the root, so that a run can be resumed from any folder."""
        name = self.data.strip().lower().replace("_", "-")
        return name if name in CATALOGUE else str(Path(self.data).expanduser().resolve())

    @property
    def key(self) -> tuple[Any, ...]:
        """What decides the split: equal for two tasks if and only if their splits are equal."""
        return (self.source, self.protocol, self.split, self.seed if self.split == "random" else None)

    @property
    def flags(self) -> str:
        """The task as flags of `rlrec train ddpg`."""
        return f"--data {shlex.quote(self.data)} --protocol {self.protocol} --split {self.split} --seed {self.seed}"

    def load(self) -> Ratings:
        """The ratings. Raises ``DataError`` for a file that cannot be used, or for a scale beyond 5 stars."""
        ratings = load_ratings(self.data)
        lowest, highest = float(ratings.ratings.min(initial=HIGHEST)), float(ratings.ratings.max(initial=0.0))
        if lowest < LOWEST or highest < POSITIVE or highest > HIGHEST:
            raise DataError(
                f"{self.data}: ratings from {lowest:g} to {highest:g}; these agents read 1 to 5 stars (or half a star "
                f"to 5), 3 in the middle and liked from 4: bring yours to that scale first"
            )
        return ratings

    def divide(self, ratings: Ratings) -> Split:
        """Training, known and held-out parts of ``ratings``."""
        by = cast(Literal["time", "random"], self.split)
        rng = np.random.default_rng(self.seed) if self.split == "random" else None
        if self.protocol == "rerank":
            return split_rerank(ratings, by, rng=rng)
        return split_session(ratings, rng) if self.protocol == "session" else split_next_item(ratings)

    def ask(self, split: Split, scorer: Scorer, k: int) -> Result:
        """Put ``scorer`` through the protocol."""
        return PROTOCOLS[self.protocol](split, scorer, k)


def fingerprint(ratings: Ratings) -> dict[str, Any]:
    """Counts and a SHA-256 of who rated what, how and when: the same if and only if the ratings are."""
    digest = hashlib.sha256()
    for values in (ratings.users, ratings.items, ratings.ratings, ratings.timestamps):
        digest.update(np.ascontiguousarray(values).tobytes())
    for ids in (ratings.user_ids, ratings.item_ids):
        digest.update("\n".join(map(str, ids)).encode())
    return {
        "ratings": len(ratings), "users": ratings.n_users, "items": ratings.n_items, "sha256": digest.hexdigest()
    }


def check_fingerprint(ratings: Ratings, stored: dict[str, Any], data: str) -> None:
    """Raise ``DataError`` if the ratings are not those that a run was trained on."""
    found = fingerprint(ratings)
    if found != stored:
        counts = [f"{print_['ratings']:,} ratings" for print_ in (stored, found)]
        what = " where it had ".join(reversed(counts)) if counts[0] != counts[1] else "as many ratings, but other ones"
        raise DataError(f"{data} has changed since the run was trained: {what}; train a new run on it")
