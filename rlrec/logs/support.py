"""Support: does a log hold what a policy would do? Effective sample size, refusals.

Used by ``off_policy`` (single decisions) and ``off_policy_sessions`` (whole sessions).
Ten rows, eight of weight .25 and two of weight 4, have an effective sample size of
(8 * .25 + 2 * 4)^2 / (8 * .0625 + 2 * 16) = 100 / 32.5 rows.

>>> found = support_of_weights(np.array([0.25] * 8 + [4.0] * 2))
>>> round(found.effective_sample_size, 2)
3.08
>>> round(found.largest_share, 2), round(found.mean_weight, 2)
(0.4, 1.0)

Sources: Kong, "A note on importance sampling using standardized weights" (1992): the
effective sample size. Swaminathan and Joachims, "The self-normalized estimator for
counterfactual learning" (NIPS 2015), section 4: the mean weight as a check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError, DataError, require_ranges
from rlrec.types import Bools, Floats


class NoSupport(ConfigError):
    """The log cannot answer the question; says why, in numbers, and what would help."""


@dataclass(frozen=True)
class Limits:
    """The least that a log must have; otherwise the estimators refuse."""

    # rows: with fewer, the mean is not normal enough for its interval
    effective_sample_size: float = 50.0
    largest_share: float = 0.1  # 0..1: share of one row in the sum of all weights
    # 0..1: the target's probability of actions that the log cannot hold; the bias is
    # up to this share of the range of the rewards
    missing: float = 0.01
    weight_errors: float = 4.0  # standard errors of the mean weight off 1

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [
                ("largest_share", 0.0, 1.0),
                ("missing", 0.0, 1.0),
                ("weight_errors", 0.0, 1e12),
            ],
        )


LIMITS = Limits()
NO_LIMITS = Limits(0.0, 1.0, 1.0, 1e12)  # estimate always: for examples by hand


@dataclass(frozen=True)
class Support:
    """How much of what the target policy would do is in the log."""

    rows: int
    effective_sample_size: float  # (sum w)^2 / sum w^2
    largest_share: float  # of one row in the sum of weights
    mean_weight: float  # 1 on average if nothing is missing and propensities are right
    mean_weight_error: float  # its standard error
    # the target's probability of actions that the log cannot hold; nan: unknown
    missing: float

    def objections(self, limits: Limits) -> list[str]:
        """The reasons not to trust an estimate; empty if there are none."""
        found = []
        off = abs(self.mean_weight - 1.0)
        errors = off / max(self.mean_weight_error, 1e-12)
        if self.missing > limits.missing:
            found.append(
                f"the target gives {self.missing:.1%} of its probability to actions "
                "that the logging policy never plays: play them now and then, and log "
                "again"
            )
        size = self.effective_sample_size
        if size < max(limits.effective_sample_size, 1e-9):  # 0 if all weights are 0
            found.append(
                f"the effective sample size is {size:.1f} of {self.rows:,} rows, less "
                f"than {limits.effective_sample_size:g}: log more, or ask about a "
                "policy that is nearer to the logging one"
            )
        if self.largest_share > limits.largest_share:
            found.append(
                f"one row has {self.largest_share:.0%} of all weight (limit "
                f"{limits.largest_share:.0%}): it alone would decide; raise the "
                "smallest propensities"
            )
        if errors > limits.weight_errors and off > 1e-9:
            missing = "some of what the target plays is not in the log, or "
            found.append(
                f"the mean weight is {self.mean_weight:.2f}, {errors:.1f} standard "
                f"errors off 1: {missing if self.mean_weight < 1.0 else ''}the "
                "propensities are not those of the policy that made the log"
            )
        return found


def support_of_weights(weights: Floats, missing: float = np.nan) -> Support:
    """``Support`` of importance weights [n]; ``missing``: see ``Support``."""
    total = float(weights.sum())
    squares = float(weights @ weights)
    return Support(
        rows=len(weights),
        effective_sample_size=total**2 / squares if squares > 0.0 else 0.0,
        largest_share=float(weights.max()) / total if total > 0.0 else 1.0,
        mean_weight=total / len(weights),
        mean_weight_error=float(weights.std(ddof=1)) / np.sqrt(len(weights)),
        missing=missing,
    )


def require_support(found: Support, limits: Limits = LIMITS) -> None:
    """Raise ``NoSupport`` with all objections, if there are any."""
    if objections := found.objections(limits):
        raise NoSupport("; ".join(objections))


def refuse_bad(
    bad: Bools,
    name: str,
    values: NDArray[Any],
    wanted: str,
    error: type[ValueError] = DataError,
) -> None:
    """Raise ``error`` that names the first place where ``bad`` is true.

    ``bad`` and ``values``: [rows] or [sessions, steps].
    """
    if not bad.any():
        return
    place = tuple(np.argwhere(bad)[0].tolist())
    where = f"row {place[0]}, column {name}"
    if len(place) > 1:
        where = f"{name}, session {place[0]}, step {place[1]}"
    raise error(f"{where}: {values[place]!s} is not {wanted} ({bad.sum():,} like it)")
