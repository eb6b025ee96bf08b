"""What the page's "You are the listener" (static/listener.js) is given: songs, map."""

from __future__ import annotations

from typing import Any

import numpy as np
from lab14_listener import OFFERED
from lab14_listener_picture import rises, strongest
from numpy.typing import ArrayLike

from rlrec.datasets import FEATURES, load_tracks
from rlrec.envs import make_catalogue
from rlrec.envs.listeners import LONGEST

# of lesson 14's rule; the tests of the page compare
SETTINGS = {"ridge": 8.0, "temperature": 0.1, "appealWeight": 0.06}


def listener_data() -> dict[str, Any]:
    """Songs, the map and the rule's settings; see static/listener.js for their use.

    ``rises`` [11, d] turns the slope of the belief into log odds per sd of a feature.
    """
    tracks = load_tracks("generated")
    catalogue = make_catalogue(tracks)
    sound = catalogue.sound
    low, high = np.quantile(sound[:, :2], [0.005, 0.995], axis=0)
    along = rises(catalogue)
    return {
        "titles": [tracks.label(song) for song in range(len(sound))],
        "names": list(FEATURES),
        "features": rounded(tracks.features, 3),
        "sound": rounded(sound, 12),
        "appeal": rounded(catalogue.appeal, 12),
        "rises": along.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "across": strongest(along[:, 0]),
        "up": strongest(along[:, 1]),
        "offered": OFFERED,
        "length": LONGEST,
        "settings": SETTINGS,
    }


def rounded(values: ArrayLike, digits: int) -> Any:
    return np.asarray(values, np.float64).round(digits).tolist()
