"""Does RL, or what else is on trial, pay here? One function, one line under each table, and the collapse alarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rlrec.evaluation.intervals import Interval

WORDS = {
    1: "{} pays here",
    0: "cannot be told yet",
    -1: "{} does not pay here",
}  # {}: what is on trial


class Rival(NamedTuple):
    """What the agent is held against: its name and the agent's paired difference to it."""

    name: str
    gain: Interval
    level: float | None = None  # the rival's own figure, for the difference in percent
    others: tuple[
        Interval, ...
    ] = ()  # the same difference, over something else (users): all must agree

    def told(self, unit: str, digits: int) -> str:
        """The difference in words."""
        share = f" ({self.gain.mean / self.level:+.1%})" if self.level else ""
        return f"{signed(self.gain, digits)}{unit} over {self.name}{share}"

    @property
    def sign(self) -> int:
        """1 if every interval lies above 0, -1 if every one lies below, 0 otherwise."""
        every = (self.gain, *self.others)
        return int(all(one.low > 0 for one in every)) - int(
            all(one.high < 0 for one in every)
        )


def verdict(
    rivals: Sequence[Rival],
    *,
    unit: str = "",
    digits: int = 2,
    chance: float | None = None,
    subject: str = "RL",
) -> str:
    """One line: RL pays only if the agent beats every rival named (the strongest baseline; its own parts without RL).

    It does not pay as soon as one beats it; else it cannot be told yet. ``unit``: of the difference; ``chance``: the
    p-value of a paired test against the first; ``subject``: what is on trial, if it isn't RL. The strongest baseline is
    picked by the figures that are compared, which favours the baseline: the largest of noisy figures is too large.

    >>> print(verdict([Rival("popularity", Interval(0.9, 0.7, 1.1), 9.0)], unit=" songs"))
    RL pays here: +0.90 [+0.70, +1.10] songs over popularity (+10.0%)
    >>> print(verdict([Rival("EASE", Interval(0.1, -0.1, 0.3)), Rival("warm start", Interval(-1, -2, -0.5))]))
    RL does not pay here: +0.10 [-0.10, +0.30] over EASE; -1.00 [-2.00, -0.50] over warm start
    >>> print(verdict([Rival("popularity", Interval(0.9, 0.7, 1.1))], subject="LinUCB"))
    LinUCB pays here: +0.90 [+0.70, +1.10] over popularity
    """
    sign = min(one.sign for one in rivals)
    test = "" if chance is None else f", paired test p = {chance:.3f}"
    return f"{WORDS[sign].format(subject)}: {'; '.join(one.told(unit, digits) for one in rivals)}{test}"


def collapse_alarm(overlap: float, of_popularity: float, of_random: float) -> str:
    """One line: is everybody served the same? Overlaps (`metrics.between_user_overlap`) of agent and two baselines.

    Half of the way from random's to popularity's, which is the same list for all who are offered the same, and above,
    is called collapsed.

    >>> print(collapse_alarm(0.20, of_popularity=0.22, of_random=0.02))
    COLLAPSED: two listeners share 20% of their songs (popularity 22%, random 2%)
    >>> print(collapse_alarm(0.03, of_popularity=0.22, of_random=0.02))
    no collapse: two listeners share 3% of their songs (popularity 22%, random 2%)
    """
    collapsed = (
        overlap >= 0.5 * (of_popularity + of_random) and of_popularity > of_random
    )
    told = f"two listeners share {overlap:.0%} of their songs (popularity {of_popularity:.0%}, random {of_random:.0%})"
    return f"{'COLLAPSED' if collapsed else 'no collapse'}: {told}"


def signed(gain: Interval, digits: int = 3) -> str:
    """A difference with its interval.

    >>> signed(Interval(0.01, -0.002, 0.022))
    '+0.010 [-0.002, +0.022]'
    """
    return f"{gain.mean:+.{digits}f} [{gain.low:+.{digits}f}, {gain.high:+.{digits}f}]"
