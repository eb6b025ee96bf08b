"""From logs to live: off-policy estimators, learned listeners, live training."""

from rlrec.logs.off_policy import (
    Estimate,
    Logged,
    direct_method,
    doubly_robust,
    fit_rewards,
    inverse_propensity,
    self_normalised,
)
from rlrec.logs.off_policy_sessions import (
    LoggedSessions,
    fitted_q,
    per_decision,
    sequential_doubly_robust,
)
from rlrec.logs.support import LIMITS, NO_LIMITS, Limits, NoSupport, Support

__all__ = [
    "LIMITS",
    "NO_LIMITS",
    "Estimate",
    "Limits",
    "Logged",
    "LoggedSessions",
    "NoSupport",
    "Support",
    "direct_method",
    "doubly_robust",
    "fit_rewards",
    "fitted_q",
    "inverse_propensity",
    "per_decision",
    "self_normalised",
    "sequential_doubly_robust",
]
