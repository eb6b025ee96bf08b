"""Interactions for networks: on an agent's own map of sound, of similar size.

`rlrec.agents.interactions` needs the catalogue; PPO and DDPG have a map of it, such as
a VAE's, whose last column is popularity. ``SongSpace`` takes the map in its place, and
keeps the 15 numbers that differ between songs: signals of the session alone cannot
change the order of the candidates.
"""

from __future__ import annotations

import numpy as np

from rlrec.agents.interactions import (
    LISTENING_FEATURES,
    listening_interactions,
    listening_session,
)
from rlrec.envs import Catalogue
from rlrec.envs.catalogue import unit_vectors
from rlrec.types import Floats32, Ids, Observations

# times these, appeal, likeness, its positive part, heard and liked vary by 3 or so
_SIZES = np.array([3.0, 6.0, 12.0, 24.0, 12.0])
_SESSION_ALONE = [0, 6, 7, 8, 9, 10]  # columns that are the same for every song


class SongSpace:
    """Interactions [batch, m, 15] of songs with sessions, on the map ``songs``.

    ``songs`` [I, d + 1], each column with mean 0 and standard deviation 1; the last one
    is popularity.
    """

    width = len(LISTENING_FEATURES) - len(_SESSION_ALONE)

    def __init__(self, songs: Floats32) -> None:
        sound = songs[:, :-1].astype(np.float64)
        self.catalogue = Catalogue(
            features=songs,
            sound=sound,
            direction=unit_vectors(sound),
            appeal=songs[:, -1].astype(np.float64),
            titles=np.array([], np.str_),
        )

    def __call__(self, observations: Observations, pool: Ids) -> Floats32:
        """Those of the songs of ``pool`` [batch, m]."""
        session = listening_session(self.catalogue, observations)
        seen = listening_interactions(self.catalogue, session, pool)
        own = np.delete(seen, _SESSION_ALONE, axis=2)
        return np.asarray(own * np.tile(_SIZES, 3), np.float32)
