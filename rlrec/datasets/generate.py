"""The generated sets: tracks and ratings that look like public ones in their statistics and hold nobody's data.

Tracks are a Gaussian copula: for each feature a latent normal, made of a part that its genre shares and a part of its
own, correlated between features; then each feature's own distribution. Targets: `data/tracks.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rlrec.datasets.reading.columns import FEATURES
from rlrec.datasets.reading.reports import write_atomically

if TYPE_CHECKING:
    import pandas as pd

SEED = 20200121
GENRES = ("pop", "rock", "rap", "r&b", "latin", "edm", "jazz", "classical")
SILENT_SHARE = 0.36  # tracks whose instrumentalness is exactly 0
KEY_WEIGHTS = (
    12,
    13,
    10,
    3,
    7,
    9,
    8,
    11,
    8,
    10,
    8,
    10,
)  # C to B, per cent or so; E flat is rare

# Rows: FEATURES; columns: GENRES. How a genre's tracks lie above or below the average, in standard deviations between
# genres (each row is standardised; its weight is the square root of SHARES).
PROFILE = np.array(
    [
        [0.2, -1.0, 1.2, 0.5, 1.1, 0.4, -0.4, -2.0],  # danceability
        [0.5, 0.9, 0.2, -0.4, 0.5, 1.4, -1.2, -1.9],  # energy
        [0.0, -1.0, 1.0, 0.2, 0.4, -0.6, 0.3, -0.3],  # key
        [0.6, 0.2, 0.4, -0.2, 0.6, 1.2, -1.0, -1.8],  # loudness
        [0.3, 1.6, -0.7, -0.7, 0.0, -0.7, -0.4, 0.6],  # mode
        [-0.4, -0.8, 2.3, 0.6, 0.2, -0.1, -0.8, -1.0],  # speechiness
        [-0.4, -0.7, -0.3, 0.4, 0.0, -1.4, 1.2, 1.7],  # acousticness
        [-0.9, -0.5, -0.7, -0.9, -0.8, 1.0, 0.9, 1.9],  # instrumentalness
        [-0.6, 0.9, 0.3, -0.6, -0.3, 1.3, 0.1, -1.1],  # liveness
        [0.3, 0.5, 0.3, 0.3, 1.5, -0.9, 0.2, -1.9],  # valence
        [0.2, 0.9, 0.1, -1.1, -0.2, 1.3, -0.3, -1.0],  # tempo
    ]
)

# Share of the latent variance that lies between genres. A little above the public shares of the values themselves,
# because the skewed distributions (speechiness, acousticness) weaken it.
SHARES = np.array([0.19, 0.14, 0.001, 0.085, 0.02, 0.20, 0.09, 0.11, 0.015, 0.07, 0.02])

# Correlations of the latent normals within a genre; pairs not named are 0.
CORRELATIONS: dict[tuple[str, str], float] = {
    ("energy", "loudness"): 0.69,
    ("energy", "acousticness"): -0.55,
    ("loudness", "acousticness"): -0.36,
    ("danceability", "valence"): 0.28,
    ("danceability", "tempo"): -0.15,
    ("energy", "valence"): 0.20,
    ("energy", "liveness"): 0.14,
    ("energy", "tempo"): 0.12,
    ("danceability", "speechiness"): 0.12,
    ("danceability", "liveness"): -0.12,
    ("loudness", "instrumentalness"): -0.20,
    ("valence", "instrumentalness"): -0.10,
    ("key", "mode"): -0.20,
}

_MOODS = (
    "Quiet Silver Broken Golden Last Hidden Burning Paper Distant Seventh Crooked Hollow Velvet Restless "
    "Northern Glass Secret Wooden Midnight Scarlet Patient Salt Falling Borrowed Gentle Electric Copper "
    "Sleepless Early Wild Faded Amber Slow Hungry Frozen Tender Empty Lucky Second Stolen Bright Lonely Marble "
    "Rolling Painted Sudden Winter Honey"
).split()
_PLACES = (
    "Harbour Garden Season Letters Station River Orchard Machine Bridge Summer Island Parade Lantern Kingdom "
    "Window Mountain Carnival Clockmaker Sparrow Railway Lighthouse Promise Theatre Compass Avenue Tide Mirror "
    "Engine Morning Satellite Desert Ribbon Thunder Meadow Arcade Shadow Signal Market Feather Canyon Postcard "
    "Balcony Ember Waltz Highway Motel Cathedral Static"
).split()
FILM_GENRES = (
    "Action Adventure Animation Comedy Crime Drama Fantasy Horror Mystery Romance Sci-Fi Thriller"
).split()


def generate_tracks(rng: np.random.Generator, n: int = 2000) -> pd.DataFrame:
    """Invent n tracks: id, title, artist, genre, popularity and the eleven features in their usual units.

    Popularity falls with the logarithm of a track's rank, so that plays that grow exponentially with it follow Zipf's
    law: weight exp(popularity / 10) gives the top 1% of 2,000 tracks about 3/4 of the plays.
    """
    import pandas as pd

    genre = rng.integers(len(GENRES), size=n)
    latent = _latent(rng, genre)
    table = pd.DataFrame(
        {
            "track_id": [f"g{i:04d}" for i in range(1, n + 1)],
            "track_name": invented_titles(rng, n),
            "artist": [
                f"Band {1 + int(number):03d}" for number in 400 * rng.random(n) ** 2
            ],
            "genre": np.array(GENRES)[genre],
            "popularity": _popularity(rng, n),
        }
    )
    for name, values in _features(latent).items():
        table[name] = values
    return table


def _latent(rng: np.random.Generator, genre: NDArray[np.int64]) -> NDArray[np.float64]:
    """Standard normals [n, 11], correlated, with a part between genres."""
    profile = PROFILE - PROFILE.mean(axis=1, keepdims=True)
    profile /= profile.std(axis=1, keepdims=True)
    within = np.eye(len(FEATURES))
    for (one, other), value in CORRELATIONS.items():
        i, j = FEATURES.index(one), FEATURES.index(other)
        within[i, j] = within[j, i] = value
    own = (
        rng.standard_normal((len(genre), len(FEATURES))) @ np.linalg.cholesky(within).T
    )
    mixed: NDArray[np.float64] = (
        np.sqrt(SHARES) * profile.T[genre] + np.sqrt(1 - SHARES) * own
    )
    return mixed


def _features(latent: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Each feature's distribution, applied to its latent normal: features by name, each [n]."""
    from scipy import special

    z = dict(zip(FEATURES, latent.T, strict=True))
    u = {name: special.ndtr(values) for name, values in z.items()}
    tail = np.clip((u["instrumentalness"] - SILENT_SHARE) / (1 - SILENT_SHARE), 0, 1)
    found = {
        "danceability": special.betaincinv(6.4, 3.4, u["danceability"]),
        "energy": special.betaincinv(3.9, 1.7, u["energy"]),
        "key": np.searchsorted(
            np.cumsum(KEY_WEIGHTS[:-1]) / sum(KEY_WEIGHTS), u["key"]
        ),
        "loudness": np.clip(
            -special.gammaincinv(5.0, 1 - u["loudness"]) * 1.34, -46, 1
        ),
        "mode": (u["mode"] > 0.434).astype(np.int64),
        "speechiness": np.clip(
            0.023 + 0.050 * np.exp(0.98 * z["speechiness"]), 0, 0.95
        ),
        "acousticness": special.betaincinv(0.42, 1.95, u["acousticness"]),
        "instrumentalness": np.where(tail > 0, np.maximum(0.96 * tail**6, 1e-5), 0.0),
        "liveness": np.clip(0.02 + 0.128 * np.exp(0.70 * z["liveness"]), 0, 0.99),
        "valence": special.betaincinv(1.85, 1.78, u["valence"]),
        "tempo": np.clip(120.9 + 27 * z["tempo"], 45, 215),
    }
    digits = {"loudness": 2, "tempo": 2, "instrumentalness": 5, "acousticness": 4}
    return {name: np.round(found[name], digits.get(name, 3)) for name in FEATURES}


def _popularity(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """100 for the most popular track, falling with the logarithm of its rank to 0 for the last."""
    rank = 1 + rng.permutation(n)
    falling: NDArray[np.float64] = np.round(
        100 * (1 - np.log(rank) / np.log(max(n, 2)))
    )
    return falling.astype(np.int64)


def invented_titles(rng: np.random.Generator, n: int) -> list[str]:
    """Invent n different titles of two words; from the 2,305th on a number makes the third."""
    pairs = len(_MOODS) * len(_PLACES)
    places = np.concatenate([rng.permutation(pairs) for _ in range(-(-n // pairs))])[
        :n
    ].tolist()
    names = [f"{_MOODS[i // len(_PLACES)]} {_PLACES[i % len(_PLACES)]}" for i in places]
    return [
        name if i < pairs else f"{name} {1 + i // pairs}"
        for i, name in enumerate(names)
    ]


def generate_ratings(
    rng: np.random.Generator, users: int = 300, films: int = 500, ratings: int = 12_500
) -> pd.DataFrame:
    """About `ratings` invented ratings (1 to 5) in order of user and time: userId, movieId, rating,
    timestamp, title, genres.

    rating = 3.15 + user's bias + film's quality + taste . style + noise, rounded and clipped. Films with a higher
    quality are watched more; everybody rates at least 20 films, in one to three sittings.
    """
    import pandas as pd

    style, genres = _films(rng, films)
    quality = 0.5 * rng.standard_normal(films)
    taste = 0.42 * rng.standard_normal((users, style.shape[1]))
    bias = 0.38 * rng.standard_normal(users)
    appeal = -0.9 * np.log(1 + rng.permutation(films)) + 0.8 * quality
    rows = [
        (
            user,
            film,
            _stars(
                3.15
                + bias[user]
                + quality[film]
                + taste[user] @ style[film]
                + 0.75 * noise
            ),
            when,
        )
        for user in range(users)
        for film, noise, when in _history(
            rng, appeal + 0.5 * style @ taste[user], users, ratings
        )
    ]
    titles = film_titles(rng, films)
    return pd.DataFrame(
        {
            "userId": [user + 1 for user, *_ in rows],
            "movieId": [film + 1 for _, film, *_ in rows],
            "rating": [stars for *_, stars, _ in rows],
            "timestamp": [when for *_, when in rows],
            "title": [titles[film] for _, film, *_ in rows],
            "genres": ["|".join(genres[film]) for _, film, *_ in rows],
        }
    )


def _films(
    rng: np.random.Generator, n: int
) -> tuple[NDArray[np.float64], list[list[str]]]:
    """Style vectors [n, 12 + 4] (genres, then four hidden traits) and each film's one to three genres."""
    style = np.zeros((n, len(FILM_GENRES) + 4))
    for film in range(n):
        style[
            film,
            rng.choice(len(FILM_GENRES), size=int(rng.integers(1, 4)), replace=False),
        ] = 1
    genres = [
        [FILM_GENRES[i] for i in np.flatnonzero(row[: len(FILM_GENRES)])]
        for row in style
    ]
    style /= np.sqrt(style.sum(axis=1, keepdims=True))
    style[:, len(FILM_GENRES) :] = 0.7 * rng.standard_normal((n, 4))
    return style, genres


def _history(
    rng: np.random.Generator, appeal: NDArray[np.float64], users: int, ratings: int
) -> list[tuple[int, float, int]]:
    """What one user rated: (film, noise, time), in order of time; films drawn without replacement by appeal."""
    mean = max(ratings / users - 19, 1)
    count = min(20 + int(rng.exponential(mean)), len(appeal) // 2)
    chosen = np.argsort(-(appeal + rng.gumbel(size=len(appeal))), kind="stable")[:count]
    start = 946_684_800 + int(rng.integers(3 * 365 * 86_400))  # 2000 to 2002
    sitting = np.sort(rng.integers(3, size=count)) * int(rng.integers(1, 40)) * 86_400
    when = start + sitting + np.cumsum(rng.integers(5, 90, size=count))
    films, noises = chosen.tolist(), rng.standard_normal(count).tolist()
    return list(zip(films, noises, when.tolist(), strict=True))


def _stars(score: float) -> int:
    return int(np.clip(np.floor(score + 0.5), 1, 5))


def film_titles(rng: np.random.Generator, n: int) -> list[str]:
    """Invent n different titles such as "Quiet Harbour (1987)"."""
    return [
        f"{name} ({1950 + int(rng.integers(50))})" for name in invented_titles(rng, n)
    ]


def make(folder: Path) -> list[Path]:
    """Write tracks.csv and ratings.csv to `folder`, the same bytes every time; give their paths back."""
    tracks, ratings = np.random.default_rng([SEED, 1]), np.random.default_rng([SEED, 2])
    tables = {
        "tracks.csv": generate_tracks(tracks),
        "ratings.csv": generate_ratings(ratings),
    }
    for name, table in tables.items():
        write_atomically(folder / name, table.to_csv(index=False, lineterminator="\n"))
    return [folder / name for name in tables]
