"""Verdicts in one line: does RL (or another method) pay here, and has it collapsed?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rlrec.evaluation.intervals import Interval

FEWEST_SEEDS = 5  # of a verdict


class Rival(NamedTuple):
    """What the agent is compared with, and the agent's paired difference to it."""

    name: str
    gain: Interval
    level: float | None = None  # the rival's own figure, for the difference in percent

    def describe(self, unit: str, digits: int) -> str:
        """The difference in words."""
        share = f" ({self.gain.mean / self.level:+.1%})" if self.level else ""
        return f"{signed(self.gain, digits)}{unit} over {self.name}{share}"


def verdict(
    rivals: Sequence[Rival],
    *,
    seeds: int,
    over: str = "seeds",
    unit: str = "",
    digits: int = 2,
    p_value: float | None = None,
    subject: str = "RL",
) -> str:
    """One line: RL pays only if the agent beats every one of ``rivals``.

    Those are the strongest baseline and the agent's own parts without RL. RL does not
    pay as soon as one of them beats the agent. Otherwise it is undecided, with a bound:
    RL adds at most the lowest upper end. Fewer than ``FEWEST_SEEDS`` ``seeds`` give the
    differences without a verdict.

    ``over``: what the intervals generalise to, other "seeds", other "users" or both;
    ``unit``: of the difference; ``p_value``: of a paired test against the first;
    ``subject``: what is judged, if not RL. The strongest baseline is picked by the
    figures that are compared. This favours the baseline, because the largest of noisy
    figures is too large.

    >>> popularity = Rival("popularity", Interval(0.9, 0.7, 1.1), 9.0)
    >>> print(verdict([popularity], seeds=10, unit=" songs"))
    RL pays here: +0.90 [+0.70, +1.10] songs over popularity (+10.0%); 95% over seeds
    >>> ease = Rival("EASE", Interval(0.1, -0.1, 0.3))
    >>> print(verdict([ease], seeds=5, over="seeds and users"))
    undecided, RL adds at most 0.30: +0.10 [-0.10, +0.30] over EASE; 95% over seeds and
    users
    >>> start = Rival("warm start", Interval(-1, -2, -0.5))
    >>> print(verdict([ease, start], seeds=5, subject="LinUCB"))
    LinUCB does not pay here: +0.10 [-0.10, +0.30] over EASE; -1.00 [-2.00, -0.50] over
    warm start; 95% over seeds
    >>> print(verdict([popularity], seeds=1, over="users"))
    no verdict from fewer than 5 seeds: +0.90 [+0.70, +1.10] over popularity (+10.0%);
    95% over users
    """
    most = min(one.gain.high for one in rivals)
    if seeds < FEWEST_SEEDS:
        words = f"no verdict from fewer than {FEWEST_SEEDS} seeds"
    elif min(one.gain.low for one in rivals) > 0:
        words = f"{subject} pays here"
    elif most < 0:
        words = f"{subject} does not pay here"
    else:
        words = f"undecided, {subject} adds at most {most:.{digits}f}{unit}"
    gains = "; ".join(one.describe(unit, digits) for one in rivals)
    test = "" if p_value is None else f", paired test p = {p_value:.3f}"
    return f"{words}: {gains}; 95% over {over}{test}"


def collapse_alarm(overlap: float, of_popularity: float, of_random: float) -> str:
    """One line: is everybody served the same?

    ``overlap``, ``of_popularity``, ``of_random``: `metrics.between_user_overlap` of the
    agent and two baselines. Popularity serves everybody the same list if all are
    offered the same items. The agent has collapsed if its overlap is at least half of
    the way from random's to popularity's.

    >>> print(collapse_alarm(0.20, of_popularity=0.22, of_random=0.02))
    COLLAPSED: two listeners share 20% of their songs (popularity 22%, random 2%)
    >>> print(collapse_alarm(0.03, of_popularity=0.22, of_random=0.02))
    no collapse: two listeners share 3% of their songs (popularity 22%, random 2%)
    """
    half = 0.5 * (of_popularity + of_random)
    collapsed = overlap >= half and of_popularity > of_random
    return (
        f"{'COLLAPSED' if collapsed else 'no collapse'}: two listeners share "
        f"{overlap:.0%} of their songs "
        f"(popularity {of_popularity:.0%}, random {of_random:.0%})"
    )


def signed(gain: Interval, digits: int = 3) -> str:
    """A difference with its interval.

    >>> signed(Interval(0.01, -0.002, 0.022))
    '+0.010 [-0.002, +0.022]'
    """
    return f"{gain.mean:+.{digits}f} [{gain.low:+.{digits}f}, {gain.high:+.{digits}f}]"
