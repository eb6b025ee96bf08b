"""Interactions for networks: on an agent's own map of sound, of similar size.

`rlrec.agents.interactions` needs the catalogue; PPO and DDPG have a map of it, such as
a VAE's, whose last column is popularity. ``SongSpace`` takes the map in its place, and
keeps the numbers that differ between songs, 15, or 12 with a fitted filter: signals of
the session alone cannot change the order of the candidates.
"""

from __future__ import annotations

import numpy as np

from rlrec.agents.interactions import listening_interactions, listening_session
from rlrec.agents.listener_filter import ListenerFilter
from rlrec.envs import Catalogue
from rlrec.envs.catalogue import unit_vectors
from rlrec.types import Floats32, Ids, Observations

# times these, appeal, likeness, its positive part, and what is believed vary by 3 or so
_SIZES = [3.0, 6.0, 12.0]
_HEARD_AND_LIKED = [24.0, 12.0]
_P_HEARD = [6.0]


class SongSpace:
    """Interactions [batch, m, ``width``] of songs with sessions, on the map ``songs``.

    ``songs`` [I, d + 1], each column with mean 0 and standard deviation 1; the last one
    is popularity. ``known_by``: a filter fitted to sessions, for the same songs.
    """

    def __init__(self, songs: Floats32, known_by: ListenerFilter | None = None) -> None:
        sound = songs[:, :-1].astype(np.float64)
        self.catalogue = Catalogue(
            features=songs,
            sound=sound,
            direction=unit_vectors(sound),
            appeal=songs[:, -1].astype(np.float64),
            titles=np.array([], np.str_),
        )
        self.known_by = known_by
        sizes = _SIZES + (_P_HEARD if known_by else _HEARD_AND_LIKED)
        self.sizes = np.tile(sizes, 3)
        self.width = len(self.sizes)

    def __call__(self, observations: Observations, pool: Ids) -> Floats32:
        """Those of the songs of ``pool`` [batch, m]."""
        session = listening_session(self.catalogue, observations, self.known_by)
        seen = listening_interactions(self.catalogue, session, pool)
        parts = self.width // 3
        alone = [0, *range(1 + parts, 6 + parts)]  # the same for every song
        own = np.delete(seen, alone, axis=2)
        return np.asarray(own * self.sizes, np.float32)
