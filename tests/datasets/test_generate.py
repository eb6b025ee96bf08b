from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlrec.datasets import FEATURES, load_ratings, load_tracks
from rlrec.datasets.folders import bundled_folder
from rlrec.datasets.generate import (
    TRACK_GENRES,
    generate_ratings,
    generate_tracks,
    make_data,
)

pd = pytest.importorskip("pandas")
SHARES = {
    "speechiness": 0.20,
    "danceability": 0.19,
    "energy": 0.14,
    "instrumentalness": 0.085,
    "loudness": 0.08,
    "valence": 0.07,
    "acousticness": 0.066,
    "tempo": 0.02,
    "key": 0.001,
}
CORRELATIONS = {
    ("loudness", "energy"): 0.68,
    ("acousticness", "energy"): -0.54,
    ("acousticness", "loudness"): -0.36,
    ("valence", "danceability"): 0.33,
}


def test_the_committed_files_are_what_the_command_makes(tmp_path: Path) -> None:
    for path in make_data(tmp_path):
        committed = bundled_folder() / path.name
        assert path.read_bytes() == committed.read_bytes(), (
            f"{path.name}: run `rlrec data make` and commit"
        )
        assert path.stat().st_size < 1_000_000


def test_one_seed_one_result_and_another_seed_another() -> None:
    one, same, other = (
        generate_tracks(np.random.default_rng(seed), 50) for seed in (1, 1, 2)
    )
    assert one.equals(same)
    assert not one.equals(other)
    assert generate_ratings(np.random.default_rng(1), 9, 60, 250).equals(
        generate_ratings(np.random.default_rng(1), 9, 60, 250)
    )


@pytest.mark.parametrize("seed", [None, 7])
def test_tracks_are_calibrated(seed: int | None) -> None:
    committed = seed is None
    tracks = load_tracks("generated") if committed else None
    table = (
        pd.DataFrame(tracks.raw, columns=list(FEATURES)).assign(genre=tracks.genre)
        if tracks is not None
        else generate_tracks(np.random.default_rng(seed))
    )
    values = table[list(FEATURES)]
    correlation = values.corr()
    for (one, other), public in CORRELATIONS.items():
        assert correlation.loc[one, other] == pytest.approx(public, abs=0.06)
    between = values.groupby(table["genre"]).transform("mean").var(ddof=0) / values.var(
        ddof=0
    )
    for name, public in SHARES.items():
        assert between[name] == pytest.approx(public, abs=0.06)
    assert (values["instrumentalness"] == 0).mean() == pytest.approx(0.36, abs=0.04)
    scaled = (values - values.min()) / (values.max() - values.min())
    smallest = np.linalg.eigvalsh(np.cov(scaled.T))[:6]
    assert smallest.sum() / 11 == pytest.approx(0.0079, abs=0.004)


def test_tracks_are_clean_and_obviously_invented() -> None:
    tracks = load_tracks("generated")
    assert len(tracks) == 2_000
    assert tracks.genre_names == tuple(sorted(TRACK_GENRES))
    assert tracks.report.rejected == tracks.report.warnings == ()
    assert len(set(tracks.titles.tolist())) == 2_000
    assert all(len(title.split()) == 2 for title in tracks.titles.tolist())
    assert all(
        name.startswith("Band ") and name[5:].isdigit()
        for name in tracks.artists.tolist()
    )
    assert ((tracks.features >= 0) & (tracks.features <= 1)).all()


def test_popularity_is_long_tailed() -> None:
    popularity = np.sort(load_tracks("generated").popularity)[::-1]
    assert (popularity[0], popularity[-1]) == (100, 0)
    weight = np.exp(popularity / 10)
    assert weight[:20].sum() / weight.sum() == pytest.approx(0.75, abs=0.06)


def test_ratings_are_like_movielens() -> None:
    ratings = load_ratings("generated")
    assert ratings.report.rejected == ()
    assert ratings.n_users == 300
    assert 480 <= ratings.n_items <= 500
    assert set(ratings.ratings.tolist()) == {1, 2, 3, 4, 5}
    assert ratings.ratings.mean() == pytest.approx(3.53, abs=0.15)
    assert ratings.ratings.std() == pytest.approx(1.13, abs=0.15)
    assert np.bincount(ratings.users).min() >= 20
    assert all(ratings.titles)
    assert all(1 <= len(names) <= 3 for names in ratings.genres)
    times = [ratings.timestamps[ratings.users == user] for user in range(300)]
    assert all((np.diff(when) > 0).all() for when in times)


def test_tastes_can_be_learnt_from_the_ratings() -> None:
    """Biases of user and film predict held-out ratings better than the mean."""
    ratings = load_ratings("generated")
    rng = np.random.default_rng(0)
    held = rng.random(len(ratings)) < 0.2
    mean = ratings.ratings[~held].mean()
    matrix = np.zeros((ratings.n_users, ratings.n_items))
    matrix[ratings.users[~held], ratings.items[~held]] = ratings.ratings[~held] - mean
    counts = np.bincount(ratings.items[~held], minlength=ratings.n_items)
    film = matrix.sum(0) / (counts + 5)
    user = (matrix - film * (matrix != 0)).sum(1) / (
        np.bincount(ratings.users[~held]) + 5
    )
    guess = mean + film[ratings.items[held]] + user[ratings.users[held]]
    error = np.mean((ratings.ratings[held] - guess) ** 2) / np.var(
        ratings.ratings[held]
    )
    assert error < 0.85
