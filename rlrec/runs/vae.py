"""A map of sound: train a VAE on tracks, compare it with PCA, keep it.

    OUT/config.json   every setting, the data's fingerprint, versions, figures, time
    OUT/metrics.csv   squared error and KL of each epoch
    OUT/vae.json, OUT/vae.npz   the map: ``VAE.load(OUT)``

A tenth of the tracks, drawn by the seed, is held out: neither the VAE nor PCA learns
from them, and they stand for new tracks. What this shows: how much of the eleven
features a map keeps, and whether neighbours stay neighbours. What it can't: whether
people hear it so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.agents.retrieval import Neighbours
from rlrec.datasets import Tracks, load_tracks
from rlrec.errors import ConfigError, DataError
from rlrec.runs.progress import ProgressBar
from rlrec.runs.provenance import device, versions
from rlrec.runs.run import (
    Run,
    data_fingerprint,
    data_source,
    owning,
    require_unused,
)
from rlrec.sound.vae import PCA, VAE, Codec, kl_to_normal, reconstruction_error
from rlrec.sound.vae_config import INPUTS, History, VAEConfig
from rlrec.types import Floats, Floats32, Say

Scaling = Literal["fixed", "min-max"]
RANGES = {
    "fixed": "by fixed ranges",
    "min-max": "by the training tracks' least and greatest values",
}
HELD_OUT = 0.1  # share of the tracks
CANDIDATES = 4  # nearest neighbours offered to an agent
SAMPLES = 2000  # points drawn from the normal prior


@dataclass(frozen=True)
class Quality:
    """How much a map keeps of held-out tracks."""

    # Squared error of the reconstruction, mean over tracks and 11 features.
    mse: float
    # 0..1: of the 4 training tracks nearest by features, the share that is among the 4
    # nearest on the map.
    recall: float
    kl: float = 0.0  # nats a track, summed over dimensions; 0 for PCA
    active: int = 0  # dimensions that carry information
    # 0..1: Kolmogorov-Smirnov distance to the normal, mean over dimensions.
    prior_gap: float = 0.0
    # Distance of a random point's sound to the nearest training track, in units of a
    # held-out track's distance.
    stray: float = 0.0


@dataclass(frozen=True)
class MapFigures:
    """Figures on held-out tracks: of the VAE, of PCA with as many dimensions."""

    vae: Quality
    pca: Quality
    mean_mse: float  # of the mean track for every track
    variances: list[float]  # [11] of the principal components, largest first


@dataclass(frozen=True, kw_only=True)
class VAERun(Run):
    """A map of sound and how it was made."""

    AGENT: ClassVar[str] = "vae"
    versions: dict[str, str]
    command: str
    data: str
    fingerprint: dict[str, Any]
    seed: int
    scaling: Scaling
    held_out: float
    vae: VAEConfig
    found: MapFigures
    seconds: float
    device: str


@owning
def train_vae(
    folder: Path,
    data: str,
    config: VAEConfig | None = None,
    *,
    seed: int = 0,
    scaling: Scaling = "fixed",
    command: str = "",
    say: Say = print,
) -> MapFigures:
    """Train on tracks, write the run into ``folder``, print the table; its figures.

    data: a data set's name or a CSV. seed: 0.., of held-out tracks, weights and noise.
    scaling: by "fixed" ranges, so that a new track's place never changes, or by the
    "min-max" of the training tracks (held-out ones are clipped). Raises ``RlrecError``.
    """
    require_unused(folder)
    config = config or VAEConfig()
    tracks = load_tracks(data)
    start = time.monotonic()
    known, new = split(scaled(tracks, scaling, seed), seed)
    say(
        f"data       {data}: {len(tracks):,} tracks, "
        f"11 features brought to [0, 1] {RANGES[scaling]}"
    )
    say(
        f"split      {len(known):,} tracks to learn from, {len(new):,} never seen, "
        f"drawn with seed {seed}"
    )
    say(
        f"map        {config.dimensions} dimensions, beta {config.beta:g}, "
        f"hidden {config.hidden}, {config.updates:,} updates"
    )
    model = VAE(config, seed)
    history = _train(model, known)
    seconds = time.monotonic() - start
    found = measure_map(model, known, new, seed)
    for line in map_report(found, config.dimensions):
        say(line)
    _write_map(folder, model, history)
    run = VAERun(
        folder=folder,
        files=storage.checksums(folder),
        versions=versions(),
        command=command,
        data=data_source(data),
        fingerprint=tracks_fingerprint(tracks),
        seed=seed,
        scaling=scaling,
        held_out=HELD_OUT,
        vae=config,
        found=found,
        seconds=round(seconds, 2),
        device=device(),
    )
    run.write()
    say(f"{seconds:.0f} s on {run.device}; kept in {folder}")
    return found


def _train(model: VAE, features: Floats32) -> History:
    """Train on ``features`` [n, 11], with a progress bar."""
    bar = ProgressBar(0, model.config.updates)
    began: list[tuple[int, float]] = []  # after the first epoch, which compiles

    def show(updates: int, error: float) -> None:
        now = time.monotonic()
        if not began:
            began.append((updates, now))
            return
        first, start = began[0]
        speed = (updates - first) / (now - start)
        bar.show(updates, {"error": f"{error / INPUTS:.4f}"}, speed)

    try:
        return model.train(features, callback=show)
    finally:
        bar.close()


def _write_map(folder: Path, model: VAE, history: History) -> None:
    model.save(folder)
    rows = []
    for epoch, (error, kl) in enumerate(zip(*history, strict=True), 1):
        rows.append((epoch, f"{error:.6f}", f"{kl:.6f}"))
    storage.write_rows(folder / "metrics.csv", ("epoch", "squared_error", "kl"), rows)


def load_map(folder: Path) -> tuple[VAE, VAERun]:
    """The map that `train_vae` kept in ``folder``, and the run. Or ``DataError``."""
    run = VAERun.read(folder)
    return VAE.load(folder), run


# -- data ------------------------------------------------------------------------------
def split(features: NDArray[Any], seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features [n, 11] to learn from, and the held-out tenth, drawn by ``seed``.

    The same rows are held out whatever the features' scale. Raises ``DataError`` below
    50 tracks, ``ConfigError`` for a negative seed.
    """
    if seed < 0:
        raise ConfigError(f"seed is {seed}; it must be 0 or more")
    if len(features) < 50:
        raise DataError(
            f"{len(features)} tracks; a map with a tenth held out needs 50 or more"
        )
    order = np.random.default_rng([seed, 2]).permutation(len(features))
    held_out = round(HELD_OUT * len(features))
    return features[np.sort(order[held_out:])], features[np.sort(order[:held_out])]


def scaled(tracks: Tracks, scaling: Scaling, seed: int) -> Floats32:
    """Features [n, 11] in [0, 1], by fixed ranges or those of the training tracks."""
    if scaling == "fixed":
        return tracks.features
    if scaling != "min-max":
        raise ConfigError(f"scaling is {scaling!r}; it must be 'fixed' or 'min-max'")
    raw = tracks.raw.astype(np.float32)
    known, _ = split(raw, seed)
    low = known.min(axis=0)
    high = known.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    return np.asarray(np.clip((raw - low) / span, 0.0, 1.0), np.float32)


def tracks_fingerprint(tracks: Tracks) -> dict[str, Any]:
    """Count and a SHA-256 of ids and raw features; equal if and only if these are."""
    return data_fingerprint((tracks.raw,), (tracks.ids,), tracks=len(tracks))


# -- figures ---------------------------------------------------------------------------
def measure_map(
    model: VAE, known: Floats32, new: Floats32, seed: int = 0
) -> MapFigures:
    """The VAE, which learned from ``known`` [n, 11], and PCA on ``new`` tracks [m, 11].

    PCA learns from ``known`` here.
    """
    dimensions = model.config.dimensions
    linear = PCA(dimensions)
    linear.train(known)
    rng = np.random.default_rng([seed, 3])
    means, log_variances = model.posterior(new)
    samples = means + np.exp(0.5 * log_variances) * rng.standard_normal(means.shape)
    vae = Quality(
        reconstruction_error(model, new),
        neighbour_recall(model, known, new),
        float(kl_to_normal(means, log_variances).sum(axis=1).mean()),
        int(model.active.sum()),
        prior_gap(samples),
        stray(model, known, new, rng.standard_normal((SAMPLES, dimensions))),
    )
    spread = linear.encode(known).std(axis=0)
    points = rng.standard_normal((SAMPLES, dimensions)) * spread
    pca = Quality(
        reconstruction_error(linear, new),
        neighbour_recall(linear, known, new),
        active=dimensions,
        prior_gap=prior_gap(linear.encode(new) / spread),
        stray=stray(linear, known, new, points),
    )
    mean_mse = float(np.mean((new - known.mean(axis=0)) ** 2))
    variances = np.linalg.eigvalsh(np.cov(known.T))[::-1].tolist()
    return MapFigures(vae, pca, mean_mse, variances)


def neighbour_recall(
    model: Codec, known: Floats32, new: Floats32, k: int = CANDIDATES
) -> float:
    """The share of true neighbours among the neighbours on the map: 0..1.

    Of the ``k`` known tracks nearest to a new one by features, the share that is among
    the ``k`` nearest on the map. Mean over ``new`` tracks [m, 11].

    >>> class Half:  # a map that forgets all but the first feature
    ...     def encode(self, features): return features[:, :1]
    ...     def decode(self, points): return points
    >>> known = np.zeros((4, 11), np.float32)
    >>> known[:, :2] = [[0.1, 0.0], [0.2, 0.9], [0.3, 0.0], [0.9, 0.0]]
    >>> new = np.zeros((1, 11), np.float32)
    >>> neighbour_recall(Half(), known, new, k=2)  # truly 0 and 2, on the map 0 and 1
    0.5
    """
    true = Neighbours(known).nearest(new, k)
    found = Neighbours(model.encode(known)).nearest(model.encode(new), k)
    return float((true[:, :, None] == found[:, None, :]).any(axis=2).mean())


def prior_gap(points: Floats | Floats32) -> float:
    """How far points [n, d] are from a standard normal: 0..1.

    The Kolmogorov-Smirnov distance, mean over dimensions.
    """
    from scipy.stats import kstest

    return float(np.mean(kstest(points, "norm").statistic))


def stray(
    model: Codec, known: Floats32, new: Floats32, points: Floats | Floats32
) -> float:
    """Mean distance of sounds decoded from ``points`` to the nearest known track.

    In units of that distance of ``new`` tracks. About 1 or less: a random point of the
    map sounds like something that exists.
    """
    tree = Neighbours(known).tree
    decoded = np.clip(model.decode(points), 0.0, 1.0)
    unit = max(tree.query(new)[0].mean(), 1e-12)
    return float(tree.query(decoded)[0].mean() / unit)


def map_report(found: MapFigures, dimensions: int) -> list[str]:
    """The table as lines."""
    vae = found.vae
    pca = found.pca
    better = "below" if vae.mse < pca.mse else "not below"
    return [
        f"{'on tracks never seen':<26}{'error':>8}{'neighbours':>12}"
        f"{'gap to normal':>15}{'stray':>7}",
        f"{f'vae, {dimensions} dimensions':<26}{_cells(vae)}",
        f"{f'pca, {dimensions} components':<26}{_cells(pca)}",
        f"{'the mean track':<26}{found.mean_mse:8.4f}",
        f"the vae says {vae.kl:.1f} nats about a track, "
        f"{vae.active} of {dimensions} dimensions are active",
        "error: mean squared error of a feature in [0, 1]. neighbours: share of 4 "
        "nearest that stay. gap: 0 if normal.",
        "stray: how far a random point's sound is from the nearest track, in that of a "
        "track never seen.",
        f"this run's error is {better} PCA's: {vae.mse / pca.mse:.2f} times as large",
    ]


def _cells(of: Quality) -> str:
    return f"{of.mse:8.4f}{of.recall:12.3f}{of.prior_gap:15.3f}{of.stray:7.2f}"
