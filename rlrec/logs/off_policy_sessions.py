"""What a policy would have earned over *whole sessions*, told from sessions that another policy made.

    log = LoggedSessions(rewards, propensities, alive)       # [n, steps] each
    per_decision(log, target)                                # target [n, steps]: its chance of what was played
    fitted_q(log, target, played, expected)                  # features [n, steps, f]

A song now changes what the next one earns, so weights multiply: rho_t = w_1 w_2 ... w_t. Exact on average, and soon a
handful of sessions carries all the weight. Fitted Q evaluation learns values from the back instead: no products, but it
is as good as its features, and the log can't say how good these are.

Sources: Precup, Sutton and Singh, "Eligibility traces for off-policy policy evaluation" (ICML 2000), section 3
(per-decision); Jiang and Li, "Doubly robust off-policy value evaluation for reinforcement learning", arXiv:1511.03722,
section 4; Le, Voloshin and Yue, "Batch policy learning under constraints", arXiv:1903.08738, algorithm 3 (fitted Q).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlrec.errors import ConfigError, DataError
from rlrec.logs.off_policy import Estimate, Z, from_scores
from rlrec.logs.support import LIMITS, Limits, NoSupport, of_weights, refuse
from rlrec.types import Bools, Floats


@dataclass(frozen=True, eq=False)
class LoggedSessions:
    """``n`` sessions of at most ``steps`` plays. Raises ``DataError`` or ``NoSupport``, naming session and step.

    rewards, propensities [n, steps]: as in ``Logged``; what they hold where a session is over doesn't matter.
    alive [n, steps]: whether the play took place; a session is in one piece and starts at step 0.
    """

    rewards: Floats
    propensities: Floats
    alive: Bools

    def __post_init__(self) -> None:
        rewards, propensities = (
            np.asarray(one, np.float64) for one in (self.rewards, self.propensities)
        )
        alive = np.asarray(self.alive, np.bool_)
        if (
            alive.ndim != 2
            or len(alive) < 2
            or rewards.shape != alive.shape
            or propensities.shape != alive.shape
        ):
            raise DataError(
                f"rewards {rewards.shape}, propensities {propensities.shape}, alive {alive.shape}: "
                "all three must be [sessions, steps], 2 sessions or more"
            )
        if not alive[:, 0].all() or (alive[:, 1:] & ~alive[:, :-1]).any():
            raise DataError(
                "alive has a gap: a session starts at step 0 and, once over, stays over"
            )
        _first_bad(
            alive & ~np.isfinite(rewards),
            "rewards",
            rewards,
            DataError,
            "a finite number",
        )
        _first_bad(
            alive & ~(propensities > 0),
            "propensities",
            propensities,
            NoSupport,
            "known: log it when it plays",
        )
        _first_bad(
            alive & (propensities > 1),
            "propensities",
            propensities,
            DataError,
            "a chance in (0, 1]",
        )
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
    """Per-decision importance sampling: mean over sessions of sum over t of discount^t rho_t r_t.

    ``target`` [n, steps]: the new policy's chance of what was played. ``discount`` in [0, 1]. ``weighted``: each step's
    rho are divided by their mean (self-normalised): calmer, a bias that falls with n. Interval: normal, over sessions,
    linearised if weighted. Refuses by the weights of whole sessions, rho at their ends. Raises ``NoSupport``.

    One session, weights 2 and 1/2, heard nothing, then 1: rho = (2, 1), so 2 * 0 + 1 * 1; another, weights 1 and 1.

    >>> log = LoggedSessions([[0.0, 1.0], [1.0, 0.0]], [[0.25, 0.5], [0.5, 0.5]], [[True, True], [True, True]])
    >>> from rlrec.logs.support import NO_LIMITS
    >>> per_decision(log, [[0.5, 0.25], [0.5, 0.5]], limits=NO_LIMITS).value
    1.0
    """
    rho = _products(log, target, discount)
    ends = of_weights(rho[:, -1])
    refuse(ends, limits)
    rewards = log.rewards
    if weighted:
        rho = rho / rho.mean(axis=0)
        each = (rho * rewards).mean(axis=0)  # [steps]
        rewards = rewards - each
    scores = (rho * rewards) @ discount ** np.arange(rho.shape[1])
    if weighted:
        scores = scores + float(each @ discount ** np.arange(rho.shape[1]))
    return from_scores(
        "weighted per-decision" if weighted else "per-decision",
        scores,
        ends.effective_sample_size,
    )


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
    """Fitted Q evaluation with a linear Q for each step, backwards from the last: mean of V at step 0.

        Q_t(s, a) = features(s, a) . theta_t  fitted to  r_t + discount V_{t+1}(s'),   V_t(s) = E_{a ~ target} Q_t(s, a)

    ``played`` [n, steps, f]: features of what was played; ``expected`` [n, steps, f]: their mean under the target's
    chances in the same state (all that a linear Q needs). Put a constant among them. ``ridge`` > 0.
    Interval: normal with the bootstrap's standard error, ``resamples`` (2 or more) of whole sessions, all refitted: the
    luck of the log, *not* the error of the features. Refuses by the single weights pi / mu of all plays.
    """
    x, means, weights = (
        _features(log, played, expected, ridge),
        np.asarray(expected, np.float64),
        _single(log, target),
    )
    found = of_weights(weights[log.alive])
    refuse(found, limits)
    draw, n = rng if rng is not None else np.random.default_rng(0), len(log.alive)
    if resamples < 2:
        raise ConfigError(
            f"resamples is {resamples}; an interval needs 2 or more, better 100"
        )
    value = float(
        _backwards(log, x, means, discount, ridge, np.ones(n))[1][:, 0].mean()
    )
    drawn = []
    for _ in range(resamples):
        count = np.bincount(draw.integers(n, size=n), minlength=n).astype(np.float64)
        drawn.append(
            _backwards(log, x, means, discount, ridge, count)[1][:, 0] @ count / n
        )
    error = float(np.std(drawn, ddof=1))
    return Estimate(
        value,
        value - Z * error,
        value + Z * error,
        found.effective_sample_size,
        "fitted Q",
    )


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
    """Fitted Q, corrected by what it missed: V_0 + sum over t of discount^t rho_t (r_t + discount V_{t+1} - Q_t).

    Arguments as ``fitted_q``; interval and refusal as ``per_decision``. Cross-fitted: the values of even sessions come
    from odd ones and the other way round.
    """
    x, means, rho = (
        _features(log, played, expected, ridge),
        np.asarray(expected, np.float64),
        _products(log, target, discount),
    )
    ends = of_weights(rho[:, -1])
    refuse(ends, limits)
    half, scores = np.arange(len(rho)) % 2, np.empty(len(rho))
    for side in (0, 1):
        q, v = _backwards(
            log, x, means, discount, ridge, (half != side).astype(np.float64)
        )
        missed = (log.rewards + discount * v[:, 1:] - q) * log.alive
        whole = v[:, 0] + (rho * missed) @ discount ** np.arange(rho.shape[1])
        scores[half == side] = whole[half == side]
    return from_scores("sequential DR", scores, ends.effective_sample_size)


# -- inside ------------------------------------------------------------------------------------------------


def _single(log: LoggedSessions, target: ArrayLike) -> Floats:
    """w_t = pi / mu of each play [n, steps], 1 where a session is over."""
    chance = np.asarray(target, np.float64)
    if chance.shape != log.alive.shape:
        raise ConfigError(
            f"target has shape {chance.shape}; it must be {log.alive.shape}, the chance of what was played"
        )
    _first_bad(
        log.alive & ~((chance >= 0) & (chance <= 1)),
        "target",
        chance,
        ConfigError,
        "a chance in [0, 1]",
    )
    return np.where(log.alive, chance / log.propensities, 1.0)


def _products(log: LoggedSessions, target: ArrayLike, discount: float) -> Floats:
    """Products [n, steps] of the weights so far; after a session's end they stay what they were."""
    if not 0.0 <= discount <= 1.0:
        raise ConfigError(f"discount is {discount}; it must lie in [0, 1]")
    return np.asarray(np.cumprod(_single(log, target), axis=1))


def _features(
    log: LoggedSessions, played: ArrayLike, expected: ArrayLike, ridge: float
) -> Floats:
    x, means = np.asarray(played, np.float64), np.asarray(expected, np.float64)
    if (
        x.ndim != 3
        or x.shape[:2] != log.alive.shape
        or means.shape != x.shape
        or not ridge > 0.0
    ):
        raise ConfigError(
            f"played {x.shape}, expected {means.shape}, ridge {ridge}: need [n, steps, f] twice, ridge above 0"
        )
    bad = ~np.isfinite(x + means).all(axis=2) & log.alive
    _first_bad(bad, "played or expected", bad, ConfigError, "all finite")
    return x


def _backwards(
    log: LoggedSessions,
    played: Floats,
    expected: Floats,
    discount: float,
    ridge: float,
    count: Floats,
) -> tuple[Floats, Floats]:
    """Q of what was played [n, steps] and V [n, steps + 1], fitted to sessions that count ``count`` [n] times each."""
    n, steps, width = played.shape
    q, v = np.zeros((n, steps)), np.zeros((n, steps + 1))
    for step in range(steps - 1, -1, -1):
        on = log.alive[:, step]
        x, y = played[on, step], log.rewards[on, step] + discount * v[on, step + 1]
        weighted = x * count[on, None]
        theta = np.linalg.solve(weighted.T @ x + ridge * np.eye(width), weighted.T @ y)
        q[on, step], v[on, step] = x @ theta, expected[on, step] @ theta
    return q, v


def _first_bad(
    bad: Bools,
    name: str,
    values: NDArray[np.generic],
    error: type[ValueError],
    wanted: str,
) -> None:
    if bad.any():
        session, step = (int(place) for place in np.argwhere(bad)[0])
        raise error(
            f"{name}, session {session}, step {step}: {values[session, step]!s} is not {wanted}"
        )
