"""What the page's "You are the listener" (static/listener.js) is given: songs, map."""

from __future__ import annotations

from typing import Any

import numpy as np
from lab14_listener_studio import TasteSoftmax, make_studio
from numpy.typing import ArrayLike

from rlrec.datasets import FEATURES
from rlrec.envs.listeners import LONGEST


def listener_data() -> dict[str, Any]:
    """Songs, the map and the agent's settings; see static/listener.js for their use.

    ``rises`` [11, d] turns the slope of the belief into log odds per sd of a feature.
    """
    studio = make_studio()
    agent = studio.agent
    assert isinstance(agent, TasteSoftmax)
    sound = studio.catalogue.sound
    plane = list(studio.plane)
    low, high = np.quantile(sound[:, plane], [0.005, 0.995], axis=0)
    across, up = studio.sounds_like
    return {
        "titles": [studio.tracks.label(song) for song in range(len(sound))],
        "names": list(FEATURES),
        "features": rounded(studio.tracks.features, 3),
        "sound": rounded(sound, 12),
        "appeal": rounded(studio.catalogue.appeal, 12),
        "rises": (studio.standard.T @ sound / len(sound)).tolist(),
        "plane": plane,
        "low": low.tolist(),
        "high": high.tolist(),
        "across": across,
        "up": up,
        "offered": studio.offered,
        "length": LONGEST,
        "settings": {
            "ridge": agent.ridge,
            "temperature": agent.temperature,
            "variety": agent.variety,
            "appealWeight": agent.appeal_weight,
        },
    }


def rounded(values: ArrayLike, digits: int) -> Any:
    return np.asarray(values, np.float64).round(digits).tolist()
