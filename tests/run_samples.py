"""A small CSV of ratings with titles, and the flags of a short run on it."""

import numpy as np
from ratings_samples import STARS

NAMES = [first + second for first in "ABCD" for second in "abcdefghij"]
SMALL = (
    "--vectors cocount --dimensions 8 --hidden 8 --updates 4 --batch-size 8 "
    "--learning-starts 64 --capacity 500 "
    "--target-candidates 8 --no-compiled --known-share 0.5"
).split()


def write_csv(path, users=40, items=40):
    """Each user rates most items, 1 to 5; one user alone rates the last item, last."""
    rng, lines = np.random.default_rng(5), ["user,item,rating,timestamp,title"]
    for user in range(users):
        rated = rng.permutation(items - 1)[: items - 5].tolist() + (
            [items - 1] if user == 7 else []
        )
        for when, item in enumerate(rated):
            stars = int(np.clip(np.round(STARS[user, item]), 1, 5))
            time = 1000 * when + 700 * user
            title = f"Film {NAMES[item]} ({1950 + item})"
            lines.append(f"u{user},{item},{stars},{time},{title}")
    path.write_text("\n".join(lines) + "\n")
    return path
