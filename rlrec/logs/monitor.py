"""Monitoring of live training: is the learner worse than the last good checkpoint?

One-sided Welch test of the rewards of sessions (Welch, "The generalization of
'Student's' problem when several different population variances are involved",
Biometrika 34, 1947). Both policies play at the same time to listeners from the same
population, so a change that affects both, such as in taste, is no reason for a
rollback.

A checkpoint counts as good when ``probation`` rounds after it have passed without an
alarm. Poisoned feedback makes a bad learner look good as long as it lasts, so nothing
learned from it may count as good before true feedback has been tested. Poisoning of at
most ``probation`` rounds never reaches the good checkpoint, provided that the first
round of true feedback raises the alarm.

False alarms: a learner as good as the good checkpoint raises one in a round with
probability ``level``, in R independent rounds with 1 - (1 - level)^R.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rlrec.errors import ConfigError


def welch(candidate: ArrayLike, control: ArrayLike) -> float:
    """P-value of "the candidate's mean is not below the control's", one-sided.

    t = (mean difference) / sqrt(s_1^2 / n_1 + s_2^2 / n_2)

    candidate [n], control [m]: 2 numbers or more each. If both are constant: 0 if the
    candidate's is lower, otherwise 1. Raises ``ConfigError``.

    >>> round(welch([1.0, 2.0, 3.0], [4.0, 5.0, 9.0]), 3)
    0.053
    """
    one = np.asarray(candidate, np.float64)
    two = np.asarray(control, np.float64)
    if min(one.size, two.size) < 2 or one.ndim != 1 or two.ndim != 1:
        raise ConfigError(
            f"candidate {one.shape}, control {two.shape}; "
            "the test needs two rows of 2 numbers or more"
        )
    if one.std() == 0.0 and two.std() == 0.0:
        return 0.0 if one.mean() < two.mean() else 1.0
    from scipy.stats import ttest_ind

    return float(ttest_ind(one, two, equal_var=False, alternative="less").pvalue)


class Monitor:
    """Keeps the last good checkpoint; ``judge`` tests the learner after each round.

    ``good``: the first good checkpoint; ``level``: probability of a false alarm in a
    round, above 0, below 1; ``probation``: rounds without alarm before a checkpoint
    counts as good, 1 or more.

    >>> monitor = Monitor("start", level=0.05, probation=1)
    >>> monitor.judge("first", [5.0, 6.0], [5.0, 6.0]).alarm, monitor.good
    (False, 'start')
    >>> monitor.judge("second", [5.0, 6.0], [5.0, 6.0]).alarm, monitor.good
    (False, 'first')
    >>> monitor.judge("third", [0.0, 0.1], [5.0, 6.0]).alarm, monitor.good
    (True, 'first')
    """

    def __init__(self, good: Any, *, level: float = 0.001, probation: int = 10) -> None:
        if not 0.0 < level < 1.0 or probation < 1:
            raise ConfigError(
                f"level is {level}, probation {probation}; "
                "level must lie in (0, 1), probation must be 1 or more"
            )
        self.good = good
        self.level = level
        self.probation = probation
        self.waiting: deque[Any] = deque()

    def judge(
        self, checkpoint: Any, candidate: ArrayLike, control: ArrayLike
    ) -> Verdict:
        """Test ``checkpoint``'s rewards of sessions [n] against those of ``good`` [m].

        ``candidate``: rewards of ``checkpoint``; ``control``: rewards of ``good``.
        """
        p = welch(candidate, control)
        if p < self.level:
            self.waiting.clear()
            return Verdict(True, False, p)
        self.waiting.append(checkpoint)
        promoted = len(self.waiting) > self.probation
        if promoted:
            self.good = self.waiting.popleft()
        return Verdict(False, promoted, p)


class Verdict(NamedTuple):
    """The monitor's result of a round."""

    alarm: bool  # the learner is worse: roll back to ``good``
    promoted: bool  # ``good`` is another checkpoint from now on
    p_value: float


def false_alarm_probability(rounds: int, level: float) -> float:
    """P(any false alarm in ``rounds`` independent rounds): 1 - (1 - level)^rounds.

    >>> [round(false_alarm_probability(27, level), 4) for level in (0.001, 0.05)]
    [0.0267, 0.7497]
    """
    return 1.0 - (1.0 - level) ** rounds
