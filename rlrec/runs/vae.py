"""A map of sound from start to end: train a VAE on tracks, hold it against PCA on tracks it never saw, keep it.

    OUT/config.json   every setting, the data's fingerprint, versions, what was found and what it took
    OUT/metrics.csv   squared error and KL of each epoch
    OUT/vae.json, OUT/vae.npz   the map: ``VAE.load(OUT)``

A tenth of the tracks, drawn by the seed, is held out: neither the VAE nor PCA learns from them, and they play the new
tracks. What this shows: how much of the eleven features a map keeps, and whether neighbours stay neighbours. What it
can't: whether people hear it so.
"""

from __future__ import annotations

from rlrec.types import Say
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.datasets import Tracks, load_tracks
from rlrec.datasets.catalogue import CATALOGUE
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.intervals import mean_interval
from rlrec.sound.vae import PCA, VAE, Codec, VAEConfig, kl_to_normal, reconstruction_error
from rlrec.types import Floats
from rlrec.agents.retrieval import Neighbours

Scaling = Literal["fixed", "min-max"]
HELD_OUT = 0.1  # share of the tracks
CANDIDATES = 4  # nearest neighbours offered to an agent
BETAS = (0.0, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
SAMPLES = 2000  # points drawn from the normal prior


@dataclass(frozen=True)
class Quality:
    """What a map keeps of tracks that it has not learned from."""

    mse: float  # mean over held-out tracks and 11 features of the squared error of the reconstruction
    recall: float  # 0..1: of the 4 training tracks nearest in 11 features, the share among the 4 nearest on the map
    kl: float = 0.0  # nats a track, summed over dimensions; 0 for PCA, which has no distributions
    active: int = 0  # dimensions that say something
    prior_gap: float = 0.0  # 0..1: greatest gap between the map's and the normal's distribution, mean over dimensions
    stray: float = 0.0  # how far a random point's sound is from the nearest training track, times a held-out track's


class Measured(NamedTuple):
    """A run's figures on held-out tracks: the VAE, PCA of as many dimensions, and the mean track for everybody."""

    vae: Quality
    pca: Quality
    mean_mse: float
    variances: list[float]  # [11] of the training tracks' principal components, largest first


def train(
    folder: Path,
    data: str,
    config: VAEConfig | None = None,
    *,
    seed: int = 0,
    scaling: Scaling = "fixed",
    command: str = "",
    say: Say = print,
) -> Measured:
    """Train on the tracks ``data`` (a data set's name or a CSV), write all into ``folder``, print the table; figures.

    ``seed`` >= 0 draws the held-out tracks, the first weights and the noise. ``scaling``: "fixed" ranges, so that a new
    track lands where it always would (`rlrec.datasets.tracks.scale`), or "min-max" of the training tracks (held-out
    ones are clipped). Raises ``ConfigError`` and ``DataError``.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; give a folder")
    if (folder / "config.json").exists():
        raise ConfigError(f"{folder} holds a run already; choose another folder, or delete it")
    from rlrec.runs.provenance import device, versions

    config, tracks, start = config if config is not None else VAEConfig(), load_tracks(data), time.monotonic()
    known, new = split(scaled(tracks, scaling, seed), seed)
    for line in announcement(data, tracks, config, len(new), scaling, seed):
        say(line)
    model = VAE(config, seed)
    history = model.train(known)
    seconds, found = time.monotonic() - start, measure(model, known, new, seed)
    for line in text(found, config.dimensions):
        say(line)
    name = data.strip().lower().replace("_", "-")
    source = name if name in CATALOGUE else str(Path(data).expanduser().resolve())
    model.save(folder)
    rows = [(epoch, f"{e:.6f}", f"{k:.6f}") for epoch, (e, k) in enumerate(zip(*history, strict=True), 1)]
    storage.write_rows(folder / "metrics.csv", ("epoch", "squared_error", "kl"), rows)
    stored = {
        "agent": "vae", "versions": versions(), "command": command, "data": source, "fingerprint": fingerprint(tracks),
        "seed": seed, "scaling": scaling, "held_out": HELD_OUT, "vae": asdict(config), "found": as_json(found),
        "seconds": round(seconds, 2), "device": device(),
    }
    storage.write_json(folder / "config.json", stored)
    say(f"{seconds:.0f} s on {stored['device']}; kept in {folder}")
    return found


def load(folder: Path) -> tuple[VAE, dict[str, Any]]:
    """The map that ``train`` kept in ``folder``, and the run's ``config.json``. Raises ``DataError``."""
    stored = storage.read_json(folder / "config.json")
    if not isinstance(stored, dict) or stored.get("agent") != "vae":
        raise DataError(f"{folder}: no run of vae; train one: rlrec train vae --data generated --out {folder}")
    return VAE.load(folder), stored


# -- data ------------------------------------------------------------------------------------------------
def split(features: NDArray[Any], seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features [n, 11] to learn from, and the held-out tenth, drawn by ``seed``. Raises ``DataError`` below 50 tracks.

    The same rows are held out whatever the features' scale.
    """
    if seed < 0:
        raise ConfigError(f"seed is {seed}; it must be 0 or more")
    if len(features) < 50:
        raise DataError(f"{len(features)} tracks; a map with a tenth held out needs 50 or more")
    order = np.random.default_rng([seed, 2]).permutation(len(features))
    held_out = round(HELD_OUT * len(features))
    return features[np.sort(order[held_out:])], features[np.sort(order[:held_out])]


def scaled(tracks: Tracks, scaling: Scaling, seed: int) -> Floats:
    """Features [n, 11] in [0, 1]: by fixed ranges, or by the least and greatest of the tracks to learn from."""
    if scaling == "fixed":
        return tracks.features
    if scaling != "min-max":
        raise ConfigError(f"scaling is {scaling!r}; it must be 'fixed' or 'min-max'")
    raw = tracks.raw.astype(np.float32)
    known, _ = split(raw, seed)
    low, high = known.min(axis=0), known.max(axis=0)
    return np.asarray(np.clip((raw - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0), np.float32)


def fingerprint(tracks: Tracks) -> dict[str, Any]:
    """Count and a SHA-256 of ids and raw features: the same if and only if these are."""
    digest = hashlib.sha256(np.ascontiguousarray(tracks.raw).tobytes())
    digest.update("\n".join(map(str, tracks.ids)).encode())
    return {"tracks": len(tracks), "sha256": digest.hexdigest()}


# -- figures ---------------------------------------------------------------------------------------------
def measure(model: VAE, known: Floats, new: Floats, seed: int = 0) -> Measured:
    """The VAE and PCA, which learned from ``known`` [n, 11], on ``new`` tracks [m, 11]."""
    linear = PCA(model.config.dimensions)
    linear.train(known)
    rng = np.random.default_rng([seed, 3])
    means, log_variances = model.posterior(new)
    vae = replace(
        quality(model, known, new),
        kl=float(kl_to_normal(means, log_variances).sum(axis=1).mean()),
        active=int(model.active.sum()),
        prior_gap=prior_gap(means + np.exp(0.5 * log_variances) * rng.standard_normal(means.shape)),
        stray=stray(model, known, new, rng.standard_normal((SAMPLES, model.config.dimensions))),
    )
    spread, dimensions = linear.encode(known).std(axis=0), model.config.dimensions
    pca = replace(
        quality(linear, known, new),
        active=dimensions,
        prior_gap=prior_gap(linear.encode(new) / spread),
        stray=stray(linear, known, new, rng.standard_normal((SAMPLES, dimensions)) * spread),
    )
    mean_mse = float(np.mean((new - known.mean(axis=0)) ** 2))
    return Measured(vae, pca, mean_mse, np.linalg.eigvalsh(np.cov(known.T))[::-1].tolist())


def quality(model: Codec, known: Floats, new: Floats) -> Quality:
    """Reconstruction and neighbours."""
    return Quality(reconstruction_error(model, new), neighbour_recall(model, known, new))


def neighbour_recall(model: Codec, known: Floats, new: Floats, k: int = CANDIDATES) -> float:
    """Of the ``k`` known tracks nearest to a new one by features, the share among its ``k`` nearest on the map: 0..1.

    >>> class Half:  # a map that forgets all but the first feature
    ...     def encode(self, features): return features[:, :1]
    ...     def decode(self, points): return points
    >>> known = np.zeros((4, 11), np.float32)
    >>> known[:, :2] = [[0.1, 0.0], [0.2, 0.9], [0.3, 0.0], [0.9, 0.0]]
    >>> neighbour_recall(Half(), known, np.zeros((1, 11), np.float32), k=2)  # truly 0 and 2, on the map 0 and 1
    0.5
    """
    true = Neighbours(known).nearest(new, k)
    found = Neighbours(model.encode(known)).nearest(model.encode(new), k)
    return float((true[:, :, None] == found[:, None, :]).any(axis=2).mean())


def prior_gap(points: NDArray[Any]) -> float:
    """How far points [n, d] are from a standard normal: the Kolmogorov-Smirnov distance, mean over dimensions: 0..1."""
    from scipy.stats import kstest

    return float(np.mean([kstest(column, "norm").statistic for column in points.T]))


def stray(model: Codec, known: Floats, new: Floats, points: NDArray[Any]) -> float:
    """Mean distance of the sounds decoded from ``points`` to the nearest known track, divided by that of new tracks.

    About 1 or less: a random point of the map sounds like something that exists.
    """
    tree = Neighbours(known).tree
    decoded = np.clip(model.decode(points), 0.0, 1.0)
    return float(tree.query(decoded)[0].mean() / max(tree.query(new)[0].mean(), 1e-12))


# -- telling ---------------------------------------------------------------------------------------------
def announcement(data: str, tracks: Tracks, config: VAEConfig, held_out: int, scaling: str, seed: int) -> list[str]:
    """Data, split and map in a few lines."""
    ranges = "by fixed ranges" if scaling == "fixed" else "by the training tracks' least and greatest values"
    return [
        f"data       {data}: {len(tracks):,} tracks, 11 features brought to [0, 1] {ranges}",
        f"split      {len(tracks) - held_out:,} tracks to learn from, {held_out:,} never seen, drawn with seed {seed}",
        f"map        {config.dimensions} dimensions, beta {config.beta:g}, hidden {config.hidden}, "
        f"{config.updates:,} updates",
    ]


def text(found: Measured, dimensions: int) -> list[str]:
    """The table."""
    vae, pca = found.vae, found.pca
    lines = [
        f"{'on tracks never seen':<26}{'error':>8}{'neighbours':>12}{'gap to normal':>15}{'stray':>7}",
        f"{f'vae, {dimensions} dimensions':<26}{_cells(vae)}",
        f"{f'pca, {dimensions} components':<26}{_cells(pca)}",
        f"{'the mean track':<26}{found.mean_mse:8.4f}",
        f"the vae says {vae.kl:.1f} nats about a track, {vae.active} of {dimensions} dimensions are active",
        "error: mean squared error of a feature in [0, 1]. neighbours: share of 4 nearest that stay. gap: 0 if normal.",
        "stray: how far a random point's sound is from the nearest track, in that of a track never seen.",
    ]
    better = "below" if vae.mse < pca.mse else "not below"
    return [*lines, f"this run's error is {better} PCA's: {vae.mse / pca.mse:.2f} times as large"]


def _cells(of: Quality) -> str:
    return f"{of.mse:8.4f}{of.recall:12.3f}{of.prior_gap:15.3f}{of.stray:7.2f}"


def as_json(found: Measured) -> dict[str, Any]:
    """The figures as plain dictionaries."""
    return {
        "vae": asdict(found.vae), "pca": asdict(found.pca), "mean_mse": found.mean_mse, "variances": found.variances
    }


# -- a study over seeds ----------------------------------------------------------------------------------
def study(
    data: str,
    config: VAEConfig | None = None,
    *,
    betas: Sequence[float] = BETAS,
    seeds: Sequence[int] = tuple(range(5)),
    command: str = "",
    say: Say = print,
) -> dict[str, Any]:
    """VAE over ``betas`` beside PCA, fixed ranges and min-max: each figure by seed, mean and interval; provenance.

    ``seeds``: 2 or more.
    """
    if len(seeds) < 2:
        raise ConfigError(f"seeds are {list(seeds)}; an interval over seeds needs 2 or more")
    from rlrec.runs.provenance import commit
    from rlrec.runs.provenance import device, versions

    config, tracks, start = config if config is not None else VAEConfig(), load_tracks(data), time.monotonic()
    plan = [("fixed", beta) for beta in betas] + [("min-max", config.beta)]
    parts = [_part(tracks, replace(config, beta=beta), scaling, seeds, say) for scaling, beta in plan]
    return {
        "data": data, "fingerprint": fingerprint(tracks), "seeds": list(seeds), "held_out": HELD_OUT,
        "interval": "over seeds, Student's t", "vae": asdict(config), "parts": parts, "commit": commit(),
        "command": command, "seconds": round(time.monotonic() - start, 1), "device": device(), "versions": versions(),
    }


def _part(tracks: Tracks, config: VAEConfig, scaling: Any, seeds: Sequence[int], say: Say) -> dict[str, Any]:
    """One setting's figures over seeds."""
    found = []
    for seed in seeds:
        known, new = split(scaled(tracks, scaling, seed), seed)
        model = VAE(config, seed)
        model.train(known)
        found.append(as_json(measure(model, known, new, seed)))
    summary: dict[str, Any] = {
        name: {
            figure: mean_interval([one[name][figure] for one in found])._asdict()
            | {"of_seeds": [one[name][figure] for one in found]}
            for figure in asdict(Quality(0.0, 0.0))
        }
        for name in ("vae", "pca")
    }
    gain = mean_interval([one["vae"]["mse"] - one["pca"]["mse"] for one in found])
    say(f"{scaling}, beta {config.beta:g}: mse {summary['vae']['mse']['mean']:.5f}, less PCA's {gain.mean:+.5f}")
    extra = {name: np.mean([one[name] for one in found], axis=0).tolist() for name in ("mean_mse", "variances")}
    return {"scaling": scaling, "beta": config.beta, **summary, "mse_less_pca": gain._asdict(), **extra}
