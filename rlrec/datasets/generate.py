"""Generate tracks and ratings with the statistics of public data sets.

No real track, person or rating is in them. Tracks are drawn from a Gaussian copula:
each feature has a latent normal variable, the sum of a part shared by its genre and a
part of its own, correlated between features; it is then mapped to the feature's own
distribution. The statistics to reach are in `data/tracks.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rlrec.datasets.reading.columns import FEATURES
from rlrec.storage import write_text
from rlrec.types import Floats, Ids

if TYPE_CHECKING:
    import pandas as pd

DATA_SEED = 20200121
TRACK_GENRES = ("pop", "rock", "rap", "r&b", "latin", "edm", "jazz", "classical")
SILENT_SHARE = 0.36  # share of tracks whose instrumentalness is exactly 0
# Weight of each key, C to B, roughly in per cent.
KEY_WEIGHTS = (12, 13, 10, 3, 7, 9, 8, 11, 8, 10, 8, 10)

# How far the tracks of a genre lie above or below the average, in standard deviations
# between genres. Rows: FEATURES; columns: TRACK_GENRES. Each row is standardised; its
# weight is the square root of GENRE_SHARES.
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

# Share of the latent variance that lies between genres. A little above the public
# shares of the values themselves, because skewed distributions (speechiness,
# acousticness) weaken it.
GENRE_SHARES = np.array(
    [0.19, 0.14, 0.001, 0.085, 0.02, 0.20, 0.09, 0.11, 0.015, 0.07, 0.02]
)

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
    "Quiet Silver Broken Golden Last Hidden Burning Paper Distant Seventh Crooked "
    "Hollow Velvet Restless Northern Glass Secret Wooden Midnight Scarlet Patient Salt "
    "Falling Borrowed Gentle Electric Copper Sleepless Early Wild Faded Amber Slow "
    "Hungry Frozen Tender Empty Lucky Second Stolen Bright Lonely Marble Rolling "
    "Painted Sudden Winter Honey"
).split()
_PLACES = (
    "Harbour Garden Season Letters Station River Orchard Machine Bridge Summer Island "
    "Parade Lantern Kingdom Window Mountain Carnival Clockmaker Sparrow Railway "
    "Lighthouse Promise Theatre Compass Avenue Tide Mirror Engine Morning Satellite "
    "Desert Ribbon Thunder Meadow Arcade Shadow Signal Market Feather Canyon Postcard "
    "Balcony Ember Waltz Highway Motel Cathedral Static"
).split()
FILM_GENRES = (
    "Action Adventure Animation Comedy Crime Drama Fantasy Horror Mystery Romance "
    "Sci-Fi Thriller"
).split()


def generate_tracks(rng: np.random.Generator, count: int = 2000) -> pd.DataFrame:
    """Invent tracks.

    Columns: track_id, track_name, artist, genre, popularity (0 to 100) and `FEATURES`
    in their usual units. Popularity falls with the logarithm of a track's rank, so
    that plays that grow exponentially with it follow Zipf's law: with the weight
    exp(popularity / 10) the top 1% of 2,000 tracks get about 3/4 of the plays.
    """
    import pandas as pd

    genre = rng.integers(len(TRACK_GENRES), size=count)
    latent = _latent(rng, genre)
    titles = invented_titles(rng, count)
    artist = 1 + (400 * rng.random(count) ** 2).astype(np.int64)
    table = pd.DataFrame(
        {
            "track_id": list(map("g{:04d}".format, range(1, count + 1))),
            "track_name": titles,
            "artist": list(map("Band {:03d}".format, artist.tolist())),
            "genre": np.array(TRACK_GENRES)[genre],
            "popularity": _popularity(rng, count),
        }
    )
    return table.assign(**_features(latent))


def _latent(rng: np.random.Generator, genre: Ids) -> Floats:
    """Correlated standard normals [n, 11] with a part that depends on the genre [n]."""
    profile = PROFILE - PROFILE.mean(axis=1, keepdims=True)
    profile /= profile.std(axis=1, keepdims=True)
    within = np.eye(len(FEATURES))
    for (one, other), value in CORRELATIONS.items():
        i = FEATURES.index(one)
        j = FEATURES.index(other)
        within[i, j] = within[j, i] = value
    noise = rng.standard_normal((len(genre), len(FEATURES)))
    own = noise @ np.linalg.cholesky(within).T
    mixed: Floats = (
        np.sqrt(GENRE_SHARES) * profile.T[genre] + np.sqrt(1 - GENRE_SHARES) * own
    )
    return mixed


def _features(latent: Floats) -> dict[str, Floats]:
    """The features by name, each [n], from their latent normals [n, 11]."""
    from scipy import special

    z = dict(zip(FEATURES, latent.T, strict=True))
    u = dict(zip(FEATURES, special.ndtr(latent).T, strict=True))
    tail = np.clip((u["instrumentalness"] - SILENT_SHARE) / (1 - SILENT_SHARE), 0, 1)
    key_shares = np.cumsum(KEY_WEIGHTS[:-1]) / sum(KEY_WEIGHTS)
    loudness = -special.gammaincinv(5.0, 1 - u["loudness"]) * 1.34
    speechiness = 0.023 + 0.050 * np.exp(0.98 * z["speechiness"])
    liveness = 0.02 + 0.128 * np.exp(0.70 * z["liveness"])
    found = {
        "danceability": special.betaincinv(6.4, 3.4, u["danceability"]),
        "energy": special.betaincinv(3.9, 1.7, u["energy"]),
        "key": np.searchsorted(key_shares, u["key"]),
        "loudness": np.clip(loudness, -46, 1),
        "mode": (u["mode"] > 0.434).astype(np.int64),
        "speechiness": np.clip(speechiness, 0, 0.95),
        "acousticness": special.betaincinv(0.42, 1.95, u["acousticness"]),
        "instrumentalness": np.where(tail > 0, np.maximum(0.96 * tail**6, 1e-5), 0.0),
        "liveness": np.clip(liveness, 0, 0.99),
        "valence": special.betaincinv(1.85, 1.78, u["valence"]),
        "tempo": np.clip(120.9 + 27 * z["tempo"], 45, 215),
    }
    digits = {"loudness": 2, "tempo": 2, "instrumentalness": 5, "acousticness": 4}
    for name, values in found.items():
        found[name] = np.round(values, digits.get(name, 3))
    return found


def _popularity(rng: np.random.Generator, count: int) -> Ids:
    """Popularity by a random rank: 100 for the first track, 0 for the last [n]."""
    rank = 1 + rng.permutation(count)
    share: Floats = 1 - np.log(rank) / np.log(max(count, 2))
    return np.round(100 * share).astype(np.int64)


def invented_titles(rng: np.random.Generator, count: int) -> list[str]:
    """Invent different titles of two words, with a number after the first 2,304."""
    pairs = len(_MOODS) * len(_PLACES)
    titles: list[str] = []
    while len(titles) < count:
        number = f" {1 + len(titles) // pairs}" if titles else ""
        for pair in rng.permutation(pairs).tolist():
            mood, place = divmod(pair, len(_PLACES))
            titles.append(f"{_MOODS[mood]} {_PLACES[place]}{number}")
    return titles[:count]


def generate_ratings(
    rng: np.random.Generator, users: int = 300, films: int = 500, ratings: int = 12_500
) -> pd.DataFrame:
    """Invent about `ratings` ratings (1 to 5), in order of user and time.

    Columns: userId, movieId, rating, timestamp, title, genres.
    rating = 3.15 + bias of the user + quality of the film + taste . style + noise,
    rounded and clipped. Films of higher quality are watched more. Every user rates at
    least 20 films, in one to three sittings.
    """
    import pandas as pd

    style, genres = _films(rng, films)
    quality = 0.5 * rng.standard_normal(films)
    taste = 0.42 * rng.standard_normal((users, style.shape[1]))
    bias = 0.38 * rng.standard_normal(users)
    appeal = -0.9 * np.log(1 + rng.permutation(films)) + 0.8 * quality
    rows = []
    for user in range(users):
        liking = appeal + 0.5 * style @ taste[user]
        for film, noise, time in _history(rng, liking, ratings / users):
            expected = 3.15 + bias[user] + quality[film] + taste[user] @ style[film]
            rows.append((user + 1, film + 1, _stars(expected + 0.75 * noise), time))
    table = pd.DataFrame(rows, columns=["userId", "movieId", "rating", "timestamp"])
    rated = table["movieId"].to_numpy() - 1
    titles = np.array(film_titles(rng, films), object)
    return table.assign(title=titles[rated], genres=np.array(genres, object)[rated])


def _films(rng: np.random.Generator, count: int) -> tuple[Floats, list[str]]:
    """Style vectors [n, 12 + 4] and genres [n], separated by `|`.

    A style is the one to three genres of a film, then four hidden traits.
    """
    style = np.zeros((count, len(FILM_GENRES) + 4))
    genres = []
    for film in range(count):
        size = int(rng.integers(1, 4))
        chosen = np.sort(rng.choice(len(FILM_GENRES), size=size, replace=False))
        style[film, chosen] = 1
        genres.append("|".join(np.array(FILM_GENRES)[chosen]))
    style /= np.sqrt(style.sum(axis=1, keepdims=True))
    style[:, len(FILM_GENRES) :] = 0.7 * rng.standard_normal((count, 4))
    return style, genres


def _history(
    rng: np.random.Generator, appeal: Floats, mean: float
) -> Iterator[tuple[int, float, int]]:
    """The (film, noise, time) that one user rated, in order of time.

    About `mean` films are drawn without replacement by their `appeal` [films].
    """
    count = 20 + int(rng.exponential(max(mean - 19, 1)))
    count = min(count, len(appeal) // 2)
    noisy = appeal + rng.gumbel(size=len(appeal))
    films = np.argsort(-noisy, kind="stable")[:count]
    start = 946_684_800 + int(rng.integers(3 * 365 * 86_400))  # 2000 to 2002
    sitting = np.sort(rng.integers(3, size=count)) * int(rng.integers(1, 40)) * 86_400
    time = start + sitting + np.cumsum(rng.integers(5, 90, size=count))
    noise = rng.standard_normal(count)
    return zip(films.tolist(), noise.tolist(), time.tolist(), strict=True)


def _stars(score: float) -> int:
    return int(np.clip(np.floor(score + 0.5), 1, 5))


def film_titles(rng: np.random.Generator, count: int) -> list[str]:
    """Invent different titles such as "Quiet Harbour (1987)"."""
    titles = []
    for name in invented_titles(rng, count):
        titles.append(f"{name} ({1950 + int(rng.integers(50))})")
    return titles


def make_data(folder: Path) -> list[Path]:
    """Write tracks.csv and ratings.csv to `folder`, always the same, and name them."""
    tracks = generate_tracks(np.random.default_rng([DATA_SEED, 1]))
    ratings = generate_ratings(np.random.default_rng([DATA_SEED, 2]))
    paths = []
    for name, table in {"tracks.csv": tracks, "ratings.csv": ratings}.items():
        write_text(folder / name, table.to_csv(index=False, lineterminator="\n"))
        paths.append(folder / name)
    return paths
