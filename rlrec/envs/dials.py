"""The dials of the simulated listeners, and two named settings of them.

"teaching" makes taste and satiation strong enough to learn from in minutes.
"realistic" is closest to the public data (`rlrec.envs.listeners`): songs differ little,
and nobody is known to tire, so that playing what attracts most is optimal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlrec.envs.catalogue import SOUND_DIMENSIONS
from rlrec.errors import ConfigError, require_ranges
from rlrec.types import Floats

SETTINGS = {
    "teaching": {"taste_strength": 1.5, "long_term_effect": 1.0},
    "realistic": {"taste_strength": 0.3, "long_term_effect": 0.0},
}


def named_setting(name: str) -> dict[str, float]:
    """The dials of "teaching" or "realistic". Raises ``ConfigError`` for another name.

    >>> named_setting("realistic")
    {'taste_strength': 0.3, 'long_term_effect': 0.0}
    """
    if name not in SETTINGS:
        raise ConfigError(f"setting is {name!r}; choose one of {', '.join(SETTINGS)}")
    return dict(SETTINGS[name])


@dataclass(frozen=True)
class Dials:
    """The settings of the simulation that a teacher turns.

    The defaults are the teaching setting. Raises ``ConfigError`` outside of 0..5,
    unless another range is given.
    """

    # logits per standard deviation of taste; 0: all songs alike, 3: strong
    taste_strength: float = 1.5
    # how strongly satiation turns the mood; 0: greedy is optimal, 2: strong
    long_term_effect: float = 1.0
    # logits per standard deviation of popularity; the public spread between tracks
    appeal_strength: float = 0.28
    # 0..1: how far taste turns toward a random direction after each song
    taste_drift: float = 0.0
    # 0..10: how strongly tastes concentrate around one direction; 0: uniform
    taste_focus: float = 0.0
    # -360..360, degrees: that direction in the plane of the map's first two axes
    taste_towards: float = 0.0
    # 0..1: how readily a listener leaves after a skip or in the skipping mood; 0: never
    churn: float = 0.0

    def __post_init__(self) -> None:
        require_ranges(
            self,
            [
                ("taste_strength", 0, 5),
                ("long_term_effect", 0, 5),
                ("appeal_strength", 0, 5),
                ("taste_drift", 0, 1),
                ("taste_focus", 0, 10),
                ("taste_towards", -360, 360),
                ("churn", 0, 1),
            ],
        )

    def lean(self) -> Floats:
        """The mean [5] of the normal draw of taste, before scaling to length 1."""
        angle = np.deg2rad(self.taste_towards)
        direction = np.zeros(SOUND_DIMENSIONS)
        direction[:2] = np.cos(angle), np.sin(angle)
        return self.taste_focus * direction
