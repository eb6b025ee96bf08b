"""Does a log hold what a policy would do? Effective sample size, missing chances, and the refusal.

Used by ``off_policy`` (one decision) and ``off_policy_sessions`` (whole sessions). Of ten rows, eight with weight .25
and two with weight 4, so much is left: (8 * .25 + 2 * 4)^2 / (8 * .0625 + 2 * 16) = 100 / 32.5 rows.

>>> found = of_weights(np.array([0.25] * 8 + [4.0] * 2))
>>> round(found.effective_sample_size, 2), round(found.largest_share, 2), round(found.mean_weight, 2)
(3.08, 0.4, 1.0)

Sources: Kong, "A note on importance sampling using standardized weights" (1992): the effective sample size. Swaminathan
and Joachims, "The self-normalized estimator for counterfactual learning" (NIPS 2015), section 4: the mean weight as a
check.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlrec.errors import ConfigError, require_ranges
from rlrec.types import Floats


class NoSupport(ConfigError):
    """The log can't answer the question: the message says why, in numbers, and what would help."""


@dataclass(frozen=True)
class Limits:
    """What a log must have, or the estimators refuse."""

    effective_sample_size: float = (
        50.0  # rows: below it an interval that takes means for normal can't be believed
    )
    largest_share: float = 0.1  # 0..1, share of one row in the sum of all weights
    missing: float = 0.01  # 0..1, chance the target gives to what the log can't hold: a bias of that share of the range
    weight_errors: float = (
        4.0  # standard errors by which the mean weight may be off 1, where it must be
    )

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
NO_LIMITS = Limits(
    0.0, 1.0, 1.0, 1e12
)  # for numbers by hand, and to see what a refusal spared


@dataclass(frozen=True)
class Support:
    """How much of what the target would do is in the log."""

    rows: int
    effective_sample_size: (
        float  # (sum w)^2 / sum w^2: so many rows of weight 1 would be as good
    )
    largest_share: float  # of one row in the sum of weights
    mean_weight: (
        float  # 1 on average, if nothing is missing and the propensities are right
    )
    mean_weight_error: float  # its standard error
    missing: float  # chance the target gives to what the log can't hold; nan where the policy's chances aren't known

    def objections(self, limits: Limits) -> list[str]:
        """Why not to believe an estimate; empty if nothing speaks against it."""
        found, off = (
            [],
            abs(self.mean_weight - 1.0) / max(self.mean_weight_error, 1e-12),
        )
        if self.missing > limits.missing:
            found.append(
                f"the target gives {self.missing:.1%} of its chance to actions that the logging policy never plays: "
                "play them now and then, and log again"
            )
        if self.effective_sample_size < max(
            limits.effective_sample_size, 1e-9
        ):  # all weights 0: nothing to go by
            found.append(
                f"the effective sample size is {self.effective_sample_size:.1f} of {self.rows:,} rows, less than "
                f"{limits.effective_sample_size:g}: log more, or ask about a policy that is nearer to the logging one"
            )
        if self.largest_share > limits.largest_share:
            found.append(
                f"one row has {self.largest_share:.0%} of all weight (limit {limits.largest_share:.0%}): it alone "
                "would decide; raise the smallest propensities"
            )
        if off > limits.weight_errors and abs(self.mean_weight - 1.0) > 1e-9:
            missing = (
                "some of what the target plays is not in the log, or "
                if self.mean_weight < 1.0
                else ""
            )
            found.append(
                f"the mean weight is {self.mean_weight:.2f}, {off:.1f} standard errors off 1: "
                f"{missing}the propensities are not those of the policy that made the log"
            )
        return found


def of_weights(weights: Floats, missing: float = np.nan) -> Support:
    """``Support`` of weights [n]."""
    total, squares = float(weights.sum()), float(weights @ weights)
    largest = float(weights.max()) / total if total > 0.0 else 1.0
    size = total**2 / squares if squares > 0.0 else 0.0
    error = float(weights.std(ddof=1)) / np.sqrt(len(weights))
    return Support(len(weights), size, largest, total / len(weights), error, missing)


def refuse(found: Support, limits: Limits = LIMITS) -> None:
    """Raise ``NoSupport`` if anything speaks against an estimate."""
    if objections := found.objections(limits):
        raise NoSupport("; ".join(objections))
