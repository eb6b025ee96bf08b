"""Small worlds of ratings that several tests share."""

import numpy as np

from rlrec.datasets import Ratings, Report


def made(users, items, stars, n_users=None, n_items=None, genres=None):
    n_users, n_items = n_users or max(users) + 1, n_items or max(items) + 1
    return Ratings(
        np.array(users, np.int32),
        np.array(items, np.int32),
        np.array(stars, np.float32),
        np.arange(len(users)),
        np.arange(n_users).astype(str),
        np.arange(n_items).astype(str),
        np.array([""] * n_items),
        genres or ((),) * n_items,
        Report("made", "ratings", len(users), {}),
    )


def world(seed=0, n_users=60, n_items=40, share=0.6):
    rng = np.random.default_rng(seed)
    stars = (
        3
        + rng.normal(size=(n_users, 2)) @ rng.normal(size=(2, n_items))
        + 0.5 * rng.normal(size=n_items)
    )
    users, items = np.nonzero(rng.random((n_users, n_items)) < share)
    genres = tuple((("A",), ("B",), ("A", "B"), ())[i % 4] for i in range(n_items))
    return made(users, items, stars[users, items], n_users, n_items, genres), stars


RATINGS, STARS = world()
