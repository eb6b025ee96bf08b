"""Lesson 11, the study on real tracks: VAEs over beta beside PCA, over seeds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from rlrec.datasets import Tracks, load_tracks
from rlrec.errors import ConfigError
from rlrec.evaluation.intervals import mean_interval
from rlrec.runs.provenance import provenance
from rlrec.runs.vae import (
    HELD_OUT,
    Quality,
    Scaling,
    measure_map,
    scaled,
    split,
    tracks_fingerprint,
)
from rlrec.sound.vae import VAE
from rlrec.sound.vae_config import VAEConfig
from rlrec.types import Say

BETAS = (0.0, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


def study_betas(
    data: str,
    config: VAEConfig | None = None,
    *,
    betas: Sequence[float] = BETAS,
    seeds: Sequence[int] = tuple(range(5)),
    command: str = "",
    say: Say = print,
) -> dict[str, Any]:
    """The VAE over ``betas`` beside PCA, with fixed ranges, and once with min-max.

    Returns each figure by seed, with mean and interval, and provenance. Raises
    ``ConfigError`` for fewer than 2 seeds.
    """
    if len(seeds) < 2:
        raise ConfigError(
            f"seeds are {list(seeds)}; an interval over seeds needs 2 or more"
        )
    config = config or VAEConfig()
    tracks = load_tracks(data)
    start = time.monotonic()
    parts = []
    for beta in betas:
        parts.append(_part(tracks, replace(config, beta=beta), "fixed", seeds, say))
    parts.append(_part(tracks, config, "min-max", seeds, say))
    return {
        "data": data,
        "fingerprint": tracks_fingerprint(tracks),
        "seeds": list(seeds),
        "held_out": HELD_OUT,
        "interval": "over seeds, Student's t",
        "vae": asdict(config),
        "parts": parts,
        **provenance(command, start),
    }


def _part(
    tracks: Tracks, config: VAEConfig, scaling: Scaling, seeds: Sequence[int], say: Say
) -> dict[str, Any]:
    """One setting's figures over seeds."""
    found = []
    for seed in seeds:
        known, new = split(scaled(tracks, scaling, seed), seed)
        model = VAE(config, seed)
        model.train(known)
        found.append(measure_map(model, known, new, seed))
    vae = _summary([one.vae for one in found])
    pca = _summary([one.pca for one in found])
    gain = mean_interval(np.subtract(vae["mse"]["of_seeds"], pca["mse"]["of_seeds"]))
    say(
        f"{scaling}, beta {config.beta:g}: mse {vae['mse']['mean']:.5f}, "
        f"less PCA's {gain.mean:+.5f}"
    )
    return {
        "scaling": scaling,
        "beta": config.beta,
        "vae": vae,
        "pca": pca,
        "mse_less_pca": gain._asdict(),
        "mean_mse": float(np.mean([one.mean_mse for one in found])),
        "variances": np.mean([one.variances for one in found], axis=0).tolist(),
    }


def _summary(qualities: Sequence[Quality]) -> dict[str, Any]:
    """Each figure's mean and interval over seeds, and its values."""
    summary = {}
    for name in asdict(qualities[0]):
        values = [getattr(one, name) for one in qualities]
        summary[name] = {**mean_interval(values)._asdict(), "of_seeds": values}
    return summary
