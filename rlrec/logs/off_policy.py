"""Off-policy evaluation of single decisions: a policy's value from another's log.

    logged = Logged(actions, rewards, propensities)  # n rows
    self_normalised(logged, target)  # target [n, actions]: the policy's probabilities

``n`` rows i with action a_i, reward r_i and the logging policy's probability (the
propensity) mu(a_i | x_i); the target policy pi; weights w_i = pi(a_i | x_i) / mu(a_i |
x_i). Each estimator returns an ``Estimate`` with a 95% interval. It raises
``NoSupport`` if the log holds too little of what the target would do.

Eight plays of A with reward .2, two of B with reward 1; the logging policy plays A with
probability .8. A policy that plays A with .2 earns .2 * .2 + .8 * 1 = .84. The mean of
the log, .36, is the value of the *logging* policy.

>>> logged = Logged([0] * 8 + [1] * 2, [0.2] * 8 + [1.0] * 2, [0.8] * 8 + [0.2] * 2)
>>> round(inverse_propensity(logged, [0.2, 0.8], limits=NO_LIMITS).value, 3)
0.84
>>> inverse_propensity(logged, [0.2, 0.8])
Traceback (most recent call last):
rlrec.logs.support.NoSupport: the effective sample size is 3.1 of 10 rows, less than ...

Sources: Horvitz and Thompson (1952), section 5 (IPS); Swaminathan and Joachims, "The
self-normalized estimator for counterfactual learning" (NIPS 2015), sections 3 and 4;
Dudik, Langford and Li, "Doubly robust policy evaluation and learning",
arXiv:1103.4601, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from rlrec.errors import ConfigError, DataError
from rlrec.logs.support import (
    LIMITS,
    NO_LIMITS,
    Limits,
    NoSupport,
    Support,
    refuse_bad,
    require_support,
    support_of_weights,
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
    """``n`` decisions of a logging policy.

    actions [n]: whole numbers from 0; rewards [n]: finite; propensities [n] in (0, 1]:
    the probability with which each action was chosen; policy [actions] or [n, actions]:
    the logging policy's probabilities of *all* actions, if known. Only ``policy`` shows
    what it could never have played, and whether the propensities are its own.

    Raises ``DataError`` or ``NoSupport``, naming row and column.
    """

    actions: Ids
    rewards: Floats
    propensities: Floats
    policy: Floats | None = None

    def __post_init__(self) -> None:
        actions = np.asarray(self.actions)
        rewards = np.asarray(self.rewards, np.float64)
        propensities = np.asarray(self.propensities, np.float64)
        shapes = [actions.shape, rewards.shape, propensities.shape]
        if actions.ndim != 1 or len(actions) < 2 or len(set(shapes)) > 1:
            raise DataError(
                f"actions, rewards, propensities have shapes {shapes}: need [n] each, "
                "2 rows or more"
            )
        whole = (np.mod(actions, 1) == 0) & (actions >= 0)
        refuse_bad(~whole, "action", actions, "a whole number from 0")
        refuse_bad(~np.isfinite(rewards), "reward", rewards, "a finite number")
        refuse_bad(
            ~(propensities > 0.0),
            "propensity",
            propensities,
            "the probability of what was played: log it when it plays, it cannot be "
            "reconstructed later",
            NoSupport,
        )
        refuse_bad(
            propensities > 1.0, "propensity", propensities, "a probability in (0, 1]"
        )
        object.__setattr__(self, "actions", actions.astype(np.int64))
        object.__setattr__(self, "rewards", rewards)
        object.__setattr__(self, "propensities", propensities)
        if self.policy is not None:
            policy = _probabilities(self.policy, self, "policy")
            object.__setattr__(self, "policy", policy)
            refuse_bad(
                np.abs(_of_played(policy, self) - propensities) > 1e-4 * propensities,
                "propensity",
                propensities,
                "the policy's probability of the action played",
            )

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.actions)


@dataclass(frozen=True)
class Estimate:
    """A policy's value estimated from a log, with a 95% interval, ``low`` to ``high``.

    The ends are nan where the method gives no interval.
    """

    value: float
    low: float
    high: float
    effective_sample_size: float  # rows or sessions
    method: str

    def __str__(self) -> str:
        known = not np.isnan(self.low)
        interval = f"[{self.low:.3f}, {self.high:.3f}]" if known else "no interval"
        return (
            f"{self.method} {self.value:.3f} {interval}, "
            f"ESS {self.effective_sample_size:.0f}"
        )


# -- estimators --


def inverse_propensity(
    logged: Logged, target: ArrayLike, *, limits: Limits = LIMITS
) -> Estimate:
    """Inverse propensity scoring (IPS): mean of w_i r_i.

    Unbiased; may leave the range of the rewards. ``target``: probabilities of the new
    policy, [actions], or [n, actions] where they depend on the row. Interval: normal,
    from the standard deviation of w r. Raises ``NoSupport``, and ``ConfigError`` for
    bad probabilities.

    One B more than expected: (7 * .25 * .2 + 3 * 4 * 1) / 10.

    >>> logged = Logged([0] * 7 + [1] * 3, [0.2] * 7 + [1.0] * 3, [0.8] * 7 + [0.2] * 3)
    >>> round(inverse_propensity(logged, [0.2, 0.8], limits=NO_LIMITS).value, 3)
    1.235
    """
    weights, size = _weights(logged, target, limits)
    return from_scores("IPS", weights * logged.rewards, size)


def self_normalised(
    logged: Logged, target: ArrayLike, *, limits: Limits = LIMITS
) -> Estimate:
    """Self-normalised IPS (SNIPS): sum of w_i r_i / sum of w_i.

    Stays within the range of the rewards. Less variance than IPS, and a bias that
    falls with n. Interval: normal, with the jackknife's standard error: without row i
    the value moves by w_i (r_i - value) / (sum w - w_i) (Efron and Tibshirani, An
    Introduction to the Bootstrap, 11.2). The usual linearisation leaves out the last
    term; its interval is too narrow if few rows carry much weight. Otherwise as IPS.

    12.35 / 13.75 in the example of IPS:

    >>> logged = Logged([0] * 7 + [1] * 3, [0.2] * 7 + [1.0] * 3, [0.8] * 7 + [0.2] * 3)
    >>> round(self_normalised(logged, [0.2, 0.8], limits=NO_LIMITS).value, 3)
    0.898
    """
    weights, size = _weights(logged, target, limits)
    total = weights.sum()
    value = float(weights @ logged.rewards / total)
    moved = weights * (logged.rewards - value) / np.maximum(total - weights, 1e-12)
    error = np.sqrt((len(moved) - 1) * moved.var())
    return normal_estimate("SNIPS", value, error, size)


def direct_method(
    logged: Logged, target: ArrayLike, model: ArrayLike, *, limits: Limits = LIMITS
) -> Estimate:
    """The direct method (DM): mean over rows and the target's actions of ``model``.

    ``model`` [actions] or [n, actions]: predicted rewards. No interval (nan): the
    spread over rows does not show the error of the model. Raises ``NoSupport`` as the
    other estimators do, because a model also predicts actions it has never seen.

    .2 * .3 + .8 * .9:

    >>> logged = Logged([0] * 8 + [1] * 2, [0.2] * 8 + [1.0] * 2, [0.8] * 8 + [0.2] * 2)
    >>> round(direct_method(logged, [0.2, 0.8], [0.3, 0.9], limits=NO_LIMITS).value, 3)
    0.78
    """
    _, size = _weights(logged, target, limits)
    predicted, _ = _predicted(logged, target, model)
    return Estimate(float(predicted.mean()), np.nan, np.nan, size, "DM")


def doubly_robust(
    logged: Logged, target: ArrayLike, model: ArrayLike, *, limits: Limits = LIMITS
) -> Estimate:
    """Doubly robust (DR): the direct method plus the mean of w_i (r_i - model(a_i)).

    Unbiased if the propensities *or* the model are right. ``model`` [actions] or
    [n, actions]: predictions of each row from other rows (see ``fit_rewards``).
    Interval: normal, of the rows' scores. Otherwise as IPS.

    .78 + (1.2 - .175) / 10:

    >>> logged = Logged([0] * 7 + [1] * 3, [0.2] * 7 + [1.0] * 3, [0.8] * 7 + [0.2] * 3)
    >>> round(doubly_robust(logged, [0.2, 0.8], [0.3, 0.9], limits=NO_LIMITS).value, 4)
    0.8825
    """
    weights, size = _weights(logged, target, limits)
    predicted, of_played = _predicted(logged, target, model)
    return from_scores("DR", predicted + weights * (logged.rewards - of_played), size)


def fit_rewards(logged: Logged, features: ArrayLike, *, ridge: float = 1.0) -> Floats:
    """Fit a linear model of the reward: predictions [n, actions] for DM and DR.

    ``features`` [actions, d] or [n, actions, d]. Ridge regression (``ridge`` > 0,
    slopes only) is fitted twice, on the even and on the odd rows; each row is predicted
    by the fit that has not seen it (cross-fitting; Chernozhukov and others,
    arXiv:1608.00060, section 1). Dependent rows, such as plays of one session, are not
    kept together.
    """
    table = np.asarray(features, np.float64)
    rows = len(logged)
    shaped = table.ndim == 2 or (table.ndim == 3 and len(table) == rows)
    if not shaped or not ridge > 0.0:
        raise ConfigError(
            f"features {table.shape}, ridge {ridge}: need [actions, d] or "
            "[n, actions, d], ridge above 0"
        )
    each = np.broadcast_to(table, (rows, *table.shape[-2:]))
    played = each[np.arange(rows), logged.actions]
    even = np.arange(rows) % 2 == 0
    found = np.empty(each.shape[:2])
    for part in (even, ~even):
        x = played[~part]
        y = logged.rewards[~part]
        middle = x.mean(axis=0)
        gram = (x - middle).T @ (x - middle) + ridge * np.eye(x.shape[1])
        slopes = np.linalg.solve(gram, (x - middle).T @ (y - y.mean()))
        found[part] = y.mean() + (each[part] - middle) @ slopes
    return found


# -- support --


def support(logged: Logged, target: ArrayLike) -> Support:
    """How much the log holds of what ``target`` would do; refuses nothing.

    If the logging policy's probabilities are known, the effective sample size and the
    largest share are *expected* ones: from E w^2 = sum over a of pi^2 / mu, and from
    the largest possible weight. Otherwise a log in which a rare action has not come up
    yet would pass.

    The ten rows above have weights .25 and 4:
    (8 * .25 + 2 * 4)^2 / (8 * .0625 + 2 * 16) = 100 / 32.5.

    >>> logged = Logged([0] * 8 + [1] * 2, [0.2] * 8 + [1.0] * 2, [0.8] * 8 + [0.2] * 2)
    >>> round(support(logged, [0.2, 0.8]).effective_sample_size, 2)
    3.08
    """
    table = _probabilities(target, logged, "target")
    seen = support_of_weights(_of_played(table, logged) / logged.propensities)
    if logged.policy is None:
        return seen
    possible = logged.policy > 0.0
    zeros = np.zeros(np.broadcast(table, possible).shape)
    weights = np.divide(table, logged.policy, out=zeros, where=possible)
    present = float((table * possible).sum(axis=-1).mean())
    if present == 0.0:
        return replace(seen, effective_sample_size=0.0, largest_share=1.0, missing=1.0)
    squares = float((table * weights).sum(axis=-1).mean())
    largest = float(weights.max()) / (len(logged) * present)
    return replace(
        seen,
        effective_sample_size=len(logged) * present**2 / squares,
        largest_share=min(largest, 1.0),
        missing=1.0 - present,
    )


def from_scores(method: str, scores: Floats, effective_sample_size: float) -> Estimate:
    """The mean of ``scores`` [n], one a row, with its normal 95% interval."""
    error = float(scores.std(ddof=1)) / np.sqrt(len(scores))
    return normal_estimate(method, float(scores.mean()), error, effective_sample_size)


def normal_estimate(
    method: str, value: float, error: float, effective_sample_size: float
) -> Estimate:
    """An ``Estimate`` with a normal 95% interval from the standard error ``error``."""
    low = value - Z * error
    return Estimate(value, low, value + Z * error, effective_sample_size, method)


def _weights(logged: Logged, target: ArrayLike, limits: Limits) -> tuple[Floats, float]:
    """The weights w [n] and their effective sample size. Raises ``NoSupport``."""
    found = support(logged, target)
    require_support(found, limits)
    table = _probabilities(target, logged, "target")
    weights = _of_played(table, logged) / logged.propensities
    return weights, found.effective_sample_size


def _probabilities(table: ArrayLike, logged: Logged, name: str) -> Floats:
    """``table`` [actions] or [n, actions], checked. Raises ``ConfigError``."""
    found = np.asarray(table, np.float64)
    if found.ndim not in (1, 2) or (found.ndim == 2 and len(found) != len(logged)):
        raise ConfigError(
            f"{name} has shape {found.shape}; "
            f"it must be [actions] or [{len(logged)}, actions]"
        )
    refuse_bad(
        logged.actions >= found.shape[-1],
        "action",
        logged.actions,
        f"one of the {found.shape[-1]} actions of {name}",
        ConfigError,
    )
    negative = (~(found >= 0.0)).any(axis=-1)
    bad = np.atleast_1d(negative | (np.abs(found.sum(axis=-1) - 1.0) > 1e-6))
    if bad.any():
        raise ConfigError(
            f"{name}, row {int(bad.argmax())}: probabilities must be 0 or more and "
            "sum to 1"
        )
    return found


def _of_played(table: Floats, logged: Logged) -> Floats:
    """The entry of each row's action [n] in ``table`` [actions] or [n, actions]."""
    if table.ndim == 1:
        return table[logged.actions]
    return table[np.arange(len(logged)), logged.actions]


def _predicted(
    logged: Logged, target: ArrayLike, model: ArrayLike
) -> tuple[Floats, Floats]:
    """Predictions of ``model``: sum over a of pi(a) model(a), and of a_i: [n], [n]."""
    table = _probabilities(target, logged, "target")
    found = np.asarray(model, np.float64)
    actions = table.shape[-1]
    shaped = found.shape in ((actions,), (len(logged), actions))
    if not shaped or not np.isfinite(found).all():
        raise ConfigError(
            f"model has shape {found.shape}; need finite [{actions}] or "
            f"[{len(logged)}, {actions}]"
        )
    predicted = np.broadcast_to((table * found).sum(axis=-1), len(logged))
    return predicted, _of_played(found, logged)
