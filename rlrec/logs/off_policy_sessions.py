"""Off-policy evaluation of *whole sessions*: a policy's value from another's log.

    log = LoggedSessions(rewards, propensities, alive)  # [n, steps] each
    per_decision(log, target)                 # target [n, steps]: probability of what
                                              # was played
    fitted_q(log, target, played, expected)   # features [n, steps, f]

A song changes the rewards of the next ones, so weights multiply: rho_t = w_1 w_2 ...
w_t. The estimate is unbiased, but soon a few sessions carry all the weight. Fitted Q
evaluation learns values backwards, without products. It is as good as its features, and
the log does not show how good these are.

Sources: Precup, Sutton and Singh, "Eligibility traces for off-policy policy evaluation"
(ICML 2000), section 3 (per-decision); Jiang and Li, "Doubly robust off-policy value
evaluation for reinforcement learning", arXiv:1511.03722, section 4; Le, Voloshin and
Yue, "Batch policy learning under constraints", arXiv:1903.08738, algorithm 3 (fitted
Q).

Differs from the papers:

- Fitted Q: the paper fits one Q for all steps, again and again, for sessions without an
  end. Here each step has a Q of its own, fitted once, from the last step back to the
  first, for sessions of at most ``steps`` plays. Q is linear, by ridge regression.
- Sequential doubly robust: the paper's recursion, written as a sum. Q comes from fitted
  Q on the other half of the sessions (cross-fitting).
- Per-decision, weighted: the weights of a step are divided by their mean over all
  sessions. A session that is over counts with its last weight and a reward of 0.
- Intervals (normal; a bootstrap of sessions for fitted Q) and the refusal of logs with
  too little support are additions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rlrec.errors import ConfigError, DataError
from rlrec.logs.off_policy import Estimate, from_scores, normal_estimate
from rlrec.logs.support import (
    LIMITS,
    Limits,
    NoSupport,
    refuse_bad,
    require_support,
    support_of_weights,
)
from rlrec.types import Bools, Floats


@dataclass(frozen=True, eq=False)
class LoggedSessions:
    """``n`` sessions of at most ``steps`` plays.

    rewards, propensities [n, steps]: as in ``Logged``, any value once a session is
    over; alive [n, steps]: whether the play took place. A session starts at step 0 and
    has no gap. Raises ``DataError`` or ``NoSupport``, naming session and step.
    """

    rewards: Floats
    propensities: Floats
    alive: Bools

    def __post_init__(self) -> None:
        rewards = np.asarray(self.rewards, np.float64)
        propensities = np.asarray(self.propensities, np.float64)
        alive = np.asarray(self.alive, np.bool_)
        same = rewards.shape == alive.shape == propensities.shape
        if not same or alive.ndim != 2 or len(alive) < 2:
            raise DataError(
                f"rewards {rewards.shape}, propensities {propensities.shape}, "
                f"alive {alive.shape}: need [sessions, steps] each, 2 sessions or more"
            )
        if not alive[:, 0].all() or (alive[:, 1:] & ~alive[:, :-1]).any():
            raise DataError(
                "alive has a gap: a session starts at step 0 and, once over, stays over"
            )
        bad = alive & ~np.isfinite(rewards)
        refuse_bad(bad, "rewards", rewards, "a finite number")
        bad = alive & ~(propensities > 0)
        wanted = "known: log it when it plays"
        refuse_bad(bad, "propensities", propensities, wanted, NoSupport)
        bad = alive & (propensities > 1)
        refuse_bad(bad, "propensities", propensities, "a probability in (0, 1]")
        object.__setattr__(self, "rewards", np.where(alive, rewards, 0.0))
        object.__setattr__(self, "propensities", np.where(alive, propensities, 1.0))
        object.__setattr__(self, "alive", alive)


def per_decision(
    log: LoggedSessions,
    target: ArrayLike,
    *,
    discount: float = 1.0,
    weighted: bool = False,
    limits: Limits = LIMITS,
) -> Estimate:
    """Per-decision importance sampling: mean of sum over t of discount^t rho_t r_t.

    ``target`` [n, steps]: the new policy's probability of what was played; ``discount``
    in [0, 1]; ``weighted``: divide the rho of each step by their mean (self-normalised:
    less variance, a bias that falls with n). Interval: normal, over sessions,
    linearised if weighted. Raises ``NoSupport`` by the weights of whole sessions.

    A session with weights 2 and 1/2 and rewards 0 and 1: rho = (2, 1), 2 * 0 + 1 * 1;
    another with weights 1 and 1 and rewards 1 and 0.

    >>> from rlrec.logs.support import NO_LIMITS
    >>> rewards, alive = [[0.0, 1.0], [1.0, 0.0]], [[True, True], [True, True]]
    >>> log = LoggedSessions(rewards, [[0.25, 0.5], [0.5, 0.5]], alive)
    >>> per_decision(log, [[0.5, 0.25], [0.5, 0.5]], limits=NO_LIMITS).value
    1.0
    """
    rho, size = _products(log, target, discount, limits)
    discounts = discount ** np.arange(rho.shape[1])
    if not weighted:
        return from_scores("per-decision", (rho * log.rewards) @ discounts, size)
    rho = rho / rho.mean(axis=0)
    means = (rho * log.rewards).mean(axis=0)  # [steps]
    scores = (rho * (log.rewards - means)) @ discounts + float(means @ discounts)
    return from_scores("weighted per-decision", scores, size)


def fitted_q(
    log: LoggedSessions,
    target: ArrayLike,
    played: ArrayLike,
    expected: ArrayLike,
    *,
    discount: float = 1.0,
    ridge: float = 1.0,
    resamples: int = 100,
    rng: np.random.Generator | None = None,
    limits: Limits = LIMITS,
) -> Estimate:
    """Fitted Q evaluation, a linear Q for each step, backwards: mean of V at step 0.

        Q_t(s, a) = b_t + features . theta_t  fitted to  r_t + discount V_{t+1}(s')
        V_t(s) = E_{a ~ target} Q_t(s, a)

    ``played`` [n, steps, f]: features of what was played; ``expected`` [n, steps, f]:
    their mean under the target's probabilities in the same state. ``ridge`` > 0
    penalises the slopes theta_t, not the intercepts b_t. Interval: normal, with the
    standard error of a bootstrap of whole sessions, refitted ``resamples`` (2 or more)
    times. It covers the noise of the log, *not* the bias: what the features miss, and
    the slopes that ``ridge`` shrinks. Raises ``NoSupport`` by the single weights
    pi / mu of all plays.
    """
    x, means = _features(log, played, expected, ridge)
    found = support_of_weights(_single(log, target)[log.alive])
    require_support(found, limits)
    if resamples < 2:
        raise ConfigError(
            f"resamples is {resamples}; an interval needs 2 or more, better 100"
        )
    rng = rng or np.random.default_rng(0)
    n = len(log.alive)
    _, v = _backwards(log, x, means, discount, ridge, np.ones(n))
    drawn = []
    for _ in range(resamples):
        count = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
        _, again = _backwards(log, x, means, discount, ridge, count)
        drawn.append(again[:, 0] @ count / n)
    error = float(np.std(drawn, ddof=1))
    value = float(v[:, 0].mean())
    return normal_estimate("fitted Q", value, error, found.effective_sample_size)


def sequential_doubly_robust(
    log: LoggedSessions,
    target: ArrayLike,
    played: ArrayLike,
    expected: ArrayLike,
    *,
    discount: float = 1.0,
    ridge: float = 1.0,
    limits: Limits = LIMITS,
) -> Estimate:
    """Sequential doubly robust: fitted Q plus the weighted TD errors.

        V_0 + sum over t of discount^t rho_t (r_t + discount V_{t+1} - Q_t)

    Arguments as in ``fitted_q``; interval and ``NoSupport`` as in ``per_decision``.
    Cross-fitted: the values of even sessions come from odd ones, and the reverse.
    """
    x, means = _features(log, played, expected, ridge)
    rho, size = _products(log, target, discount, limits)
    discounts = discount ** np.arange(rho.shape[1])
    even = np.arange(len(rho)) % 2 == 0
    scores = np.empty(len(rho))
    for part in (even, ~even):
        others = (~part).astype(np.float64)
        q, v = _backwards(log, x, means, discount, ridge, others)
        td_error = (log.rewards + discount * v[:, 1:] - q) * log.alive
        scores[part] = (v[:, 0] + (rho * td_error) @ discounts)[part]
    return from_scores("sequential DR", scores, size)


def _single(log: LoggedSessions, target: ArrayLike) -> Floats:
    """w_t = pi / mu of each play [n, steps], 1 where a session is over."""
    found = np.asarray(target, np.float64)
    if found.shape != log.alive.shape:
        raise ConfigError(
            f"target has shape {found.shape}; it must be {log.alive.shape}, the "
            "probability of what was played"
        )
    bad = log.alive & ~((found >= 0) & (found <= 1))
    refuse_bad(bad, "target", found, "a probability in [0, 1]", ConfigError)
    return np.where(log.alive, found / log.propensities, 1.0)


def _products(
    log: LoggedSessions, target: ArrayLike, discount: float, limits: Limits
) -> tuple[Floats, float]:
    """Products rho [n, steps] of the weights, and the effective sample size.

    After a session's end the products stay the same.
    """
    if not 0.0 <= discount <= 1.0:
        raise ConfigError(f"discount is {discount}; it must lie in [0, 1]")
    rho = _single(log, target).cumprod(axis=1)
    found = support_of_weights(rho[:, -1])
    require_support(found, limits)
    return rho, found.effective_sample_size


def _features(
    log: LoggedSessions, played: ArrayLike, expected: ArrayLike, ridge: float
) -> tuple[Floats, Floats]:
    x = np.asarray(played, np.float64)
    means = np.asarray(expected, np.float64)
    shaped = x.ndim == 3 and x.shape[:2] == log.alive.shape and means.shape == x.shape
    if not shaped or not ridge > 0.0:
        raise ConfigError(
            f"played {x.shape}, expected {means.shape}, ridge {ridge}: "
            "need [n, steps, f] twice, ridge above 0"
        )
    bad = ~np.isfinite(x + means).all(axis=2) & log.alive
    refuse_bad(bad, "played or expected", bad, "all finite", ConfigError)
    return x, means


def _backwards(
    log: LoggedSessions,
    played: Floats,
    expected: Floats,
    discount: float,
    ridge: float,
    count: Floats,
) -> tuple[Floats, Floats]:
    """Fit Q of what was played [n, steps] and V [n, steps + 1].

    Session i counts ``count[i]`` times. Centring leaves the intercept unpenalised: a
    shrunk one would lose some of the value at every step.
    """
    n, steps, width = played.shape
    q = np.zeros((n, steps))
    v = np.zeros((n, steps + 1))
    for step in range(steps - 1, -1, -1):
        on = log.alive[:, step]
        x = played[on, step]
        y = log.rewards[on, step] + discount * v[on, step + 1]
        weights = count[on] / max(count[on].sum(), 1.0)
        middle = weights @ x
        level = weights @ y
        centred = x - middle
        weighted = centred * count[on, None]
        gram = weighted.T @ centred + ridge * np.eye(width)
        theta = np.linalg.solve(gram, weighted.T @ (y - level))
        q[on, step] = level + centred @ theta
        v[on, step] = level + (expected[on, step] - middle) @ theta
    return q, v
