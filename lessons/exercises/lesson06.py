"""Lesson 06: a mended state, its width, a ridge by hand, a careful first evening."""

import numpy as np

from rlrec.viz.exercises import Exercise


# -- 06.1 ------------------------------------------------------------------------------
def state(user, items, known, *, divisor=None, mask=True, parts="user product mean"):
    there = items * known[:, None] if mask else items
    by = max(known.sum(), 1) if divisor is None else divisor(items)
    mean = there.sum(axis=0) / by
    pieces = {"user": user, "product": user * mean, "mean": mean}
    return np.concatenate([pieces[part] for part in parts.split()])


def unguarded(user, items, known):
    with np.errstate(invalid="ignore"):
        mean = (items * known[:, None]).sum(axis=0) / known.sum()
    return np.concatenate([user, user * mean, mean])


TASTE = np.array([1.0, -1.0])
FIRST = (
    TASTE,
    np.array([[9.0, 9.0], [2.0, 1.0], [1.0, 4.0], [3.0, 1.0]]),
    np.array([False, True, True, True]),
)
FULL = (TASTE, np.array([[2.0, 1.0], [1.0, 4.0], [3, 4]]), np.array([True] * 3))
EMPTY = (TASTE, np.array([[9.0, 9.0]]), np.array([False]))


# -- 06.2 ------------------------------------------------------------------------------
def width(name, k, n, pairs=lambda n: n * (n - 1) // 2, user=0, mean=3):
    products = n + pairs(n)
    parts = {"drr-n": n, "drr-p": products + user, "drr-u": products + user}
    return k * (parts | {"drr-ave": mean})[name]


# -- 06.3 ------------------------------------------------------------------------------
def ridge(weight, square=((3, 1), (1, 3)), product=(3.5, 2.5)):
    return np.linalg.solve(np.array(square) + weight * np.eye(2), product)


EXERCISES = {
    "06.1": Exercise(
        "mended",
        cases=[
            (FIRST, [1, -1, 2, -2, 2, 2]),
            (FULL, [1, -1, 2, -3, 2, 3]),
            (EMPTY, [1, -1, 0, 0, 0, 0]),
        ],
        mistakes=[
            (
                lambda *given: state(*given, divisor=lambda items: items.shape[1]),
                "That divides by the width of the vectors, not by how many items are "
                "there.",
            ),
            (
                lambda *given: state(*given, divisor=len),
                "That divides by the number of places; only some hold an item.",
            ),
            (
                lambda *given: state(*given, mask=False),
                "A place is empty: what lies in it must not count.",
            ),
            (
                lambda *given: state(
                    *given, mask=False, divisor=lambda items: items.shape[1]
                ),
                "Empty places count still, and the divisor is still the width.",
            ),
            (
                lambda *given: state(*given, mask=False, divisor=len),
                "Empty places count still: in the sum and in the divisor.",
            ),
            (
                unguarded,
                "While nothing is known you divide by 0: by at least 1.",
            ),
            (
                lambda *given: state(*given, divisor=lambda items: 1),
                "That is the sum; divide by how many are known.",
            ),
            (
                lambda *given: state(*given, parts="user mean product"),
                "The order: user, product, mean.",
            ),
            (
                lambda *given: state(*given, parts="user product"),
                "The mean itself belongs at the end of the state.",
            ),
            (
                lambda user, items, known: state(user, items, ~known),
                "`known` is True where an item *is*.",
            ),
        ],
        hints=[
            "What lies in an empty place must count neither in the sum nor in the "
            "divisor.",
            "Multiply by known[:, None] first, sum over the places, "
            "and divide by how many are known, but at least by 1.",
        ],
    ),
    "06.2": Exercise(
        "width",
        cases=[
            (("drr-p", 100, 10), 5500),
            (("drr-u", 100, 10), 5500),
            (("drr-ave", 100, 10), 300),
            (("drr-n", 100, 10), 1000),
            (("drr-p", 8, 5), 120),
            (("drr-u", 16, 1), 16),
            (("drr-ave", 16, 50), 48),
        ],
        mistakes=[
            (
                lambda *given: width(*given, pairs=lambda n: n * (n - 1)),
                "That counts each pair twice: (a, b) and (b, a) give the same product.",
            ),
            (
                lambda *given: width(*given, pairs=lambda n: n * n),
                "That pairs each item with itself and counts each pair twice: a < b.",
            ),
            (
                lambda *given: width(*given, pairs=lambda n: n * (n + 1) // 2),
                "That pairs each item with itself as well: a < b.",
            ),
            (
                lambda *given: width(*given, user=1),
                "DRR-p and DRR-u do not hold the user's vector by itself.",
            ),
            (
                lambda *given: width(*given, pairs=lambda n: 0),
                "The products of the pairs are missing.",
            ),
            (
                lambda name, k, n: (
                    width(name, k, n) - (k * n if name in ("drr-p", "drr-u") else 0)
                ),
                "Those are the pairs alone: the n vectors (or their products with the "
                "user) come on top.",
            ),
            (
                lambda *given: width(*given, mean=2),
                "DRR-ave has three parts: user, product, mean.",
            ),
            (
                lambda name, k, n: width(name, 1, n),
                "That counts vectors; each has k numbers.",
            ),
            (
                lambda name, k, n: width(name, k, n, mean=2 + n),
                "DRR-ave holds one mean, however many items there are.",
            ),
        ],
        hints=[
            "Count vectors first; each has k numbers.",
            "n items have n (n - 1) / 2 pairs. Whole numbers: // instead of /.",
        ],
    ),
    "06.3": Exercise(
        "the third rating",
        expected=ridge(1.5),
        tolerance=1e-4,
        mistakes=[
            (
                ridge(0.5),
                "The ridge is lambda times the number of ratings: .5 times 3.",
            ),
            ([2 / 3, 1 / 3], "That is the answer after two ratings."),
            (
                ridge(1.5)[::-1],
                "Right numbers in the other order: first p, then b.",
            ),
            (ridge(0.0), "The ridge is missing: .5 times 3 on the diagonal."),
            (ridge(1.0), "The ridge of two ratings: now there are three."),
            (ridge(3.0), "Lambda is .5: the ridge is .5 times 3."),
            (
                ridge(1.5, square=((3, 3), (3, 3))),
                "The loud songs have q = 1, the quiet one -1: the sum of q is 1.",
            ),
            (
                np.array([3.5, 2.5]) / 4.5,
                "p and b share the ratings: the 1 beside the diagonal counts, too.",
            ),
            (
                ridge(1.5, square=((3, -1), (-1, 3))),
                "X'X has +1 beside the diagonal: 1 - 1 + 1.",
            ),
            (
                ridge(1.5, product=(2.0, 1.0)),
                "X'y has to take the new rating in: 2 + 1.5 and 1 + 1.5.",
            ),
        ],
        hints=[
            "X'X is [[3, 1], [1, 3]], X'y is [3.5, 2.5].",
            "Add `.5 * 3` = 1.5 on the diagonal, and solve.",
        ],
    ),
    "06.4": Exercise(
        "careful",
        cases=[((1,), 3.0), ((3,), 1.0), ((15,), 0.2), ((40,), 0.2), ((12,), 0.25)],
        mistakes=[
            (
                lambda n: 0.2,
                "That is training's ridge again: with one rating the product is .2.",
            ),
            (
                lambda n: 3 / n,
                "After 15 ratings it goes on falling: never below the .2 of training.",
            ),
            (lambda n: min(0.2, 3 / n), "The smaller of the two; take the larger."),
            (
                lambda n: max(3.0, 0.2 * n),
                "That is the product; `fold_in` multiplies by n itself.",
            ),
            (lambda n: max(0.2, 3.0), "It has to fall with n: the product is 3."),
            (
                lambda n: 3.0 if n == 1 else 0.2,
                "Two ratings need care as well: the product is never below 3.",
            ),
            (
                lambda n: max(0.2, 3 - n / 5),
                "The *product* of ridge and n stays at 3: n below the line.",
            ),
            (
                lambda n: max(0.2, 3 // n),
                "Whole division: // throws the rest away.",
            ),
        ],
        hints=[
            "At n ratings the product is n times your number. When is it 3?",
            "The larger of two numbers, one of which has n below the line.",
        ],
    ),
}
