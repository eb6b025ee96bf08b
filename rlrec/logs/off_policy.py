"""What a policy would have earned, told from a log that another policy made: one decision a row.

    logged = Logged(actions, rewards, propensities)            # n rows; propensity: the chance of what was played
    self_normalised(logged, target)                            # target [n, actions]: the new policy's chances

``n`` rows i with action a_i, reward r_i, logging chance mu(a_i | x_i); the target policy pi; w_i = pi(a_i | x_i) /
mu(a_i | x_i). Each estimator gives an ``Estimate`` with a 95% interval, or refuses and says why: ``NoSupport``. A log
says nothing about what was never tried, and an estimator that answers all the same is worse than none.

Eight plays of A that brought .2 each, two of B that brought 1; the logging policy plays A with .8. A policy with these
chances the other way round earns .2 * .2 + .8 * 1 = .84; the mean of the log, .36, is what the *old* policy earned.

>>> logged = Logged([0] * 8 + [1] * 2, [0.2] * 8 + [1.0] * 2, [0.8] * 8 + [0.2] * 2)
>>> round(inverse_propensity(logged, [0.2, 0.8], limits=NO_LIMITS).value, 3)
0.84
>>> inverse_propensity(logged, [0.2, 0.8])
Traceback (most recent call last):
rlrec.logs.support.NoSupport: the effective sample size is 3.1 of 10 rows, less than 50: ...

Sources: Horvitz and Thompson (1952), section 5 (IPS); Swaminathan and Joachims, "The self-normalized estimator for
counterfactual learning" (NIPS 2015), sections 3 and 4; Dudik, Langford and Li, "Doubly robust policy evaluation and
learning", arXiv:1103.4601, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlrec.errors import ConfigError, DataError
from rlrec.logs.support import (
    LIMITS,
    NO_LIMITS,
    Limits,
    NoSupport,
    Support,
    of_weights,
    refuse,
)
from rlrec.types import Floats, Ids

__all__ = [
    "LIMITS",
    "NO_LIMITS",
    "Estimate",
    "Limits",
    "Logged",
    "NoSupport",
    "Support",
    "direct_method",
    "doubly_robust",
    "fit_rewards",
    "inverse_propensity",
    "self_normalised",
    "support",
]

Z = 1.959964  # standard errors on each side of a 95% interval


@dataclass(frozen=True, eq=False)
class Logged:
    """``n`` decisions of a logging policy. Raises ``DataError`` or ``NoSupport``, naming row and column.

    actions [n]: whole numbers from 0. rewards [n]: finite. propensities [n]: the chance, in (0, 1], with which the
    action was chosen. policy [actions] or [n, actions]: the logging policy's chances of *all* actions, where known:
    only so can be told what it could never have played, and whether the propensities are its own.
    """

    actions: Ids
    rewards: Floats
    propensities: Floats
    policy: Floats | None = None

    def __post_init__(self) -> None:
        actions = np.asarray(self.actions)
        rewards, propensities = (
            np.asarray(one, np.float64) for one in (self.rewards, self.propensities)
        )
        shapes = [column.shape for column in (actions, rewards, propensities)]
        if actions.ndim != 1 or len(actions) < 2 or len(set(shapes)) > 1:
            raise DataError(
                f"actions, rewards, propensities have shapes {shapes}: need [n] each, 2 rows or more"
            )
        _first_bad(
            ~(np.equal(np.mod(actions, 1), 0) & (actions >= 0)),
            "action",
            actions,
            "a whole number from 0",
        )
        _first_bad(~np.isfinite(rewards), "reward", rewards, "a finite number")
        missing = np.isnan(propensities) | (propensities <= 0.0)
        if missing.any():
            row = int(missing.argmax())
            raise NoSupport(
                f"row {row}, column propensity: {propensities[row]:g} ({missing.sum():,} rows like it); nothing can be "
                "weighed without the chance of what was played: log it when it plays, it can't be made up later"
            )
        _first_bad(
            ~(propensities <= 1.0), "propensity", propensities, "a chance in (0, 1]"
        )
        for name, value in (
            ("actions", actions.astype(np.int64)),
            ("rewards", rewards),
            ("propensities", propensities),
        ):
            object.__setattr__(self, name, value)
        if self.policy is not None:
            object.__setattr__(self, "policy", chances(self.policy, self, "policy"))
            said, own = _of_played(self.policy, self), propensities
            _first_bad(
                np.abs(said - own) > 1e-4 * own,
                "propensity",
                own,
                "the policy's chance of the action played",
            )

    def __len__(self) -> int:
        """How many rows."""
        return len(self.actions)


@dataclass(frozen=True)
class Estimate:
    """A policy's value, told from a log. ``low`` and ``high``: 95% interval, nan where the method can't give one."""

    value: float
    low: float
    high: float
    effective_sample_size: float  # rows (or sessions) that the weights leave
    method: str

    def __str__(self) -> str:
        interval = (
            "no interval"
            if np.isnan(self.low)
            else f"[{self.low:.3f}, {self.high:.3f}]"
        )
        return f"{self.method} {self.value:.3f} {interval}, ESS {self.effective_sample_size:.0f}"


# -- estimators --------------------------------------------------------------------------------------------


def inverse_propensity(
    logged: Logged, target: ArrayLike, *, limits: Limits = LIMITS
) -> Estimate:
    """IPS: mean of w_i r_i. Right on average whatever the rewards; may leave the rewards' range.

    ``target`` [actions], or [n, actions] where it depends on the row: the new policy's chances. Interval: normal, from
    the sample's standard deviation of w r. Raises ``NoSupport``; ``ConfigError`` if chances aren't chances.

    >>> logged = Logged([0] * 7 + [1] * 3, [0.2] * 7 + [1.0] * 3, [0.8] * 7 + [0.2] * 3)  # one B more than its chance
    >>> round(inverse_propensity(logged, [0.2, 0.8], limits=NO_LIMITS).value, 3)  # (7 * .25 * .2 + 3 * 4 * 1) / 10
    1.235
    """
    weights, size = _weigh(logged, target, limits)
    return from_scores("IPS", weights * logged.rewards, size)


def self_normalised(
    logged: Logged, target: ArrayLike, *, limits: Limits = LIMITS
) -> Estimate:
    """SNIPS: sum of w_i r_i / sum of w_i. Stays within the rewards' range; a bias that falls with n; calmer than IPS.

    Interval: normal, with the jackknife's standard error: leaving row i out moves the value by w_i (r_i - value) /
    (sum w - w_i) (Efron and Tibshirani, An Introduction to the Bootstrap, 11.2). The usual linearisation, which forgets
    the last term, is too narrow where few rows carry much weight. Otherwise as IPS.

    >>> logged = Logged([0] * 7 + [1] * 3, [0.2] * 7 + [1.0] * 3, [0.8] * 7 + [0.2] * 3)
    >>> round(self_normalised(logged, [0.2, 0.8], limits=NO_LIMITS).value, 3)  # 12.35 / 13.75
    0.898
    """
    weights, size = _weigh(logged, target, limits)
    value = float(weights @ logged.rewards / weights.sum())
    moved = (
        weights * (logged.rewards - value) / np.maximum(weights.sum() - weights, 1e-12)
    )  # [n]
    error = np.sqrt((len(moved) - 1) * moved.var())
    return Estimate(value, value - Z * error, value + Z * error, size, "SNIPS")


def direct_method(
    logged: Logged, target: ArrayLike, model: ArrayLike, *, limits: Limits = LIMITS
) -> Estimate:
    """DM: what ``model`` [actions] or [n, actions] says of the rewards, averaged over rows and the target's chances.

    No interval (nan): its spread over rows doesn't show how wrong the model is, and would look like certainty. What the
    model missed is the second term of ``doubly_robust``, where there is support. Refuses as the others do: a model says
    something about actions that it has never seen, too.

    >>> logged = Logged([0] * 8 + [1] * 2, [0.2] * 8 + [1.0] * 2, [0.8] * 8 + [0.2] * 2)
    >>> round(direct_method(logged, [0.2, 0.8], [0.3, 0.9], limits=NO_LIMITS).value, 3)  # .2 * .3 + .8 * .9
    0.78
    """
    _, size = _weigh(logged, target, limits)
    return Estimate(
        float(_promised(logged, target, model).mean()), np.nan, np.nan, size, "DM"
    )


def doubly_robust(
    logged: Logged, target: ArrayLike, model: ArrayLike, *, limits: Limits = LIMITS
) -> Estimate:
    """DR: the direct method plus the weighted mean of what the model missed, w_i (r_i - model(a_i)).

    Right on average if the propensities *or* the model are. ``model`` [actions] or [n, actions], made without the row
    it speaks about (``fit_rewards`` does so). Interval: normal, of the rows' scores. Otherwise as IPS.

    >>> logged = Logged([0] * 7 + [1] * 3, [0.2] * 7 + [1.0] * 3, [0.8] * 7 + [0.2] * 3)
    >>> round(doubly_robust(logged, [0.2, 0.8], [0.3, 0.9], limits=NO_LIMITS).value, 4)  # .78 + (1.2 - .175) / 10
    0.8825
    """
    weights, size = _weigh(logged, target, limits)
    missed = logged.rewards - _of_played(_model(logged, target, model), logged)
    return from_scores("DR", _promised(logged, target, model) + weights * missed, size)


def fit_rewards(logged: Logged, features: ArrayLike, *, ridge: float = 1.0) -> Floats:
    """A linear model of the reward for the two methods above: predictions [n, actions].

    ``features`` [actions, d] or [n, actions, d]. Ridge regression (``ridge`` > 0, slopes only) fitted twice, on the
    even and on the odd rows; each row is predicted by the half that has not seen it (cross-fitting; Chernozhukov and
    others, arXiv:1608.00060, section 1). Rows that hang together, such as plays of one session, are not kept apart.
    """
    table = np.asarray(features, np.float64)
    if (
        table.ndim not in (2, 3)
        or (table.ndim == 3 and len(table) != len(logged))
        or not ridge > 0.0
    ):
        raise ConfigError(
            f"features {table.shape}, ridge {ridge}: need [actions, d] or [n, actions, d], ridge above 0"
        )
    each = np.broadcast_to(table, (len(logged), *table.shape[-2:]))
    played, half = (
        each[np.arange(len(logged)), logged.actions],
        np.arange(len(logged)) % 2,
    )
    found = np.empty(each.shape[:2])
    for side in (0, 1):
        x, y = played[half != side], logged.rewards[half != side]
        middle = x.mean(axis=0)
        gram = (x - middle).T @ (x - middle) + ridge * np.eye(x.shape[1])
        slopes = np.linalg.solve(gram, (x - middle).T @ (y - y.mean()))
        found[half == side] = y.mean() + (each[half == side] - middle) @ slopes
    return found


# -- support -----------------------------------------------------------------------------------------------


def support(logged: Logged, target: ArrayLike) -> Support:
    """How much the log holds of what ``target`` would do; nothing is refused.

    Where the logging policy's chances are known, size and largest share are those to be *expected*, from E w^2 = sum
    over a of pi^2 / mu and from the largest weight that could turn up: else a log without bad luck so far would pass.

    Of the ten rows above, weights .25 and 4: (8 * .25 + 2 * 4)^2 / (8 * .0625 + 2 * 16) = 100 / 32.5.

    >>> logged = Logged([0] * 8 + [1] * 2, [0.2] * 8 + [1.0] * 2, [0.8] * 8 + [0.2] * 2)
    >>> round(support(logged, [0.2, 0.8]).effective_sample_size, 2)
    3.08
    """
    table = chances(target, logged, "target")
    seen = of_weights(_of_played(table, logged) / logged.propensities)
    if logged.policy is None:
        return seen
    likely = logged.policy > 0.0
    possible = np.divide(
        table,
        logged.policy,
        out=np.zeros(np.broadcast(table, likely).shape),
        where=likely,
    )
    present = float((table * likely).sum(axis=-1).mean())
    if present == 0.0:
        return replace(seen, effective_sample_size=0.0, largest_share=1.0, missing=1.0)
    return replace(
        seen,
        effective_sample_size=len(logged)
        * present**2
        / float((table * possible).sum(axis=-1).mean()),
        largest_share=min(float(possible.max()) / (len(logged) * present), 1.0),
        missing=1.0 - present,
    )


def _weigh(logged: Logged, target: ArrayLike, limits: Limits) -> tuple[Floats, float]:
    """The weights w [n] and their effective sample size. Raises ``NoSupport`` with every objection."""
    found = support(logged, target)
    refuse(found, limits)
    return _of_played(
        chances(target, logged, "target"), logged
    ) / logged.propensities, found.effective_sample_size


def from_scores(method: str, scores: Floats, effective_sample_size: float) -> Estimate:
    """The mean of ``scores`` [n], one a row, with its normal 95% interval."""
    value, error = (
        float(scores.mean()),
        float(scores.std(ddof=1)) / np.sqrt(len(scores)),
    )
    return Estimate(
        value, value - Z * error, value + Z * error, effective_sample_size, method
    )


def chances(table: ArrayLike, logged: Logged, name: str) -> Floats:
    """``table`` as chances [actions] or [n, actions] that fit the log. Raises ``ConfigError`` naming the row."""
    found = np.asarray(table, np.float64)
    if found.ndim not in (1, 2) or (found.ndim == 2 and len(found) != len(logged)):
        raise ConfigError(
            f"{name} has shape {found.shape}; it must be [actions] or [{len(logged)}, actions]"
        )
    if logged.actions.max() >= found.shape[-1]:
        row = int(logged.actions.argmax())
        raise ConfigError(
            f"row {row}, column action: {logged.actions[row]}, but {name} has {found.shape[-1]} actions"
        )
    bad = np.atleast_1d(
        (~(found >= 0.0)).any(axis=-1) | (np.abs(found.sum(axis=-1) - 1.0) > 1e-6)
    )
    if bad.any():
        raise ConfigError(
            f"{name}, row {int(bad.argmax())}: chances must be 0 or more and sum to 1"
        )
    return found


# -- inside ------------------------------------------------------------------------------------------------


def _of_played(table: Floats | None, logged: Logged) -> Floats:
    """The entry of each row's action [n] in ``table`` [actions] or [n, actions]."""
    found = np.asarray(table)
    return np.asarray(
        found[logged.actions]
        if found.ndim == 1
        else found[np.arange(len(logged)), logged.actions]
    )


def _model(logged: Logged, target: ArrayLike, model: ArrayLike) -> Floats:
    found, actions = np.asarray(model, np.float64), np.asarray(target).shape[-1]
    if (
        found.shape not in ((actions,), (len(logged), actions))
        or not np.isfinite(found).all()
    ):
        raise ConfigError(
            f"model has shape {found.shape}; need finite [{actions}] or [{len(logged)}, {actions}]"
        )
    return found


def _promised(logged: Logged, target: ArrayLike, model: ArrayLike) -> Floats:
    """Sum over a of pi(a | x_i) model(x_i, a): [n]."""
    promised = (chances(target, logged, "target") * _model(logged, target, model)).sum(
        axis=-1
    )
    return np.asarray(np.broadcast_to(promised, len(logged)))


def _first_bad(
    bad: NDArray[np.bool_], column: str, values: NDArray[np.generic], wanted: str
) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"row {row}, column {column}: {values[row]!s} is not {wanted} ({bad.sum():,} rows like it)"
        )
