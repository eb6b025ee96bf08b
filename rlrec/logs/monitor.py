"""Is the policy that learns worse than the last good one? A test after each round, and a checkpoint to go back to.

Welch's test, one-sided, of the rewards a session (Welch, "The generalization of 'Student's' problem when several
different population variances are involved", Biometrika 34, 1947). Both policies play at the same time to listeners of
the same crowd, so what changes for both, such as taste, is by itself no reason to go back.

When does a checkpoint count as good? When ``probation`` rounds after it have passed without an alarm. Feedback that
lies makes a bad learner look good for as long as it lies, so nothing learned meanwhile may be trusted before the truth
has been heard: a lie of at most ``probation`` rounds never reaches the good checkpoint, provided that the first honest
round raises the alarm.

False alarms: a learner as good as the good checkpoint raises one in a round with chance ``level``; in R independent
rounds 1 - (1 - level)^R.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rlrec.errors import ConfigError


def welch(candidate: ArrayLike, control: ArrayLike) -> float:
    """P-value of "the candidate's mean is not below the control's": Welch's t, one-sided; both [n], 2 numbers or more.

    t = (mean difference) / sqrt(s_1^2 / n_1 + s_2^2 / n_2). Two constant samples: 0 if the candidate's is lower, or 1.

    >>> round(welch([1.0, 2.0, 3.0], [4.0, 5.0, 9.0]), 3)
    0.053
    """
    one, two = np.asarray(candidate, np.float64), np.asarray(control, np.float64)
    if min(one.size, two.size) < 2 or one.ndim != 1 or two.ndim != 1:
        raise ConfigError(
            f"candidate {one.shape}, control {two.shape}; the test needs two rows of 2 numbers or more"
        )
    if one.std() == 0.0 and two.std() == 0.0:
        return 0.0 if one.mean() < two.mean() else 1.0
    from scipy.stats import ttest_ind

    return float(ttest_ind(one, two, equal_var=False, alternative="less").pvalue)


class Monitor:
    """Keeps the last good checkpoint; ``judge`` says after each round whether to go back to it.

    ``level``: chance of a false alarm in a round, above 0, below 1; ``probation``: rounds without alarm before a
    checkpoint counts as good, 1 or more; ``good``: the checkpoint to begin with.

    >>> monitor = Monitor("start", level=0.05, probation=1)
    >>> monitor.judge("first", [5.0, 6.0], [5.0, 6.0]).alarm, monitor.good  # on probation
    (False, 'start')
    >>> monitor.judge("second", [5.0, 6.0], [5.0, 6.0]).alarm, monitor.good  # a round later
    (False, 'first')
    >>> monitor.judge("third", [0.0, 0.1], [5.0, 6.0]).alarm, monitor.good
    (True, 'first')
    """

    def __init__(self, good: Any, *, level: float = 0.001, probation: int = 10) -> None:
        if not 0.0 < level < 1.0 or probation < 1:
            raise ConfigError(
                f"level is {level}, probation {probation}; level in (0, 1), probation 1 or more"
            )
        self.good, self.level, self.probation = good, level, probation
        self.waiting: deque[Any] = deque()

    def judge(
        self, checkpoint: Any, candidate: ArrayLike, control: ArrayLike
    ) -> Verdict:
        """``checkpoint`` played ``candidate`` [n], rewards a session, while ``good`` played ``control`` [m]."""
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
    """What the monitor says of a round."""

    alarm: bool  # go back to ``good``
    promoted: bool  # ``good`` is another checkpoint from now on
    p_value: float


def false_alarm_chance(rounds: int, level: float) -> float:
    """At least one false alarm in ``rounds`` independent rounds: 1 - (1 - level)^rounds.

    >>> round(false_alarm_chance(27, 0.001), 4), round(false_alarm_chance(27, 0.05), 4)
    (0.0267, 0.7497)
    """
    return 1.0 - (1.0 - level) ** rounds
