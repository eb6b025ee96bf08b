"""Baselines for an agent, each with settings chosen on training ratings alone.

    models = tuned_baselines(split, "rerank", np.random.default_rng(0))
    models["EASE"].config                    # what was chosen
    rerank(split, models["EASE"])            # fitted on all of split.train

Settings are chosen by P@5, the mean over three validation parts: the same kind of split
once more, made of ``split.train``. ``split.held_out`` is not used, so the comparison is
as fair to the baselines as to the agent. A grid whose best stands at its edge is
extended until it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from itertools import product
from typing import Any

import numpy as np

from rlrec.collaborative.recommenders import (
    EASE,
    BiasedMF,
    BiasedMFConfig,
    BiasesPlusEASE,
    BiasesPlusEASEConfig,
    Collaborative,
    EASEConfig,
    ItemKNN,
    ItemKNNConfig,
    PopularityByCount,
    PopularityByMean,
    PopularityByMeanConfig,
    PureSVD,
    PureSVDConfig,
    RandomOrder,
)
from rlrec.datasets import Ratings
from rlrec.evaluation.protocols import (
    PROTOCOLS,
    Split,
    split_next_item,
    split_rerank,
    split_session,
)

Values = tuple[float, ...]
Make = Callable[..., Collaborative]  # (*values) -> a model that is not fitted
K = 5  # settings are chosen by P@5
MOST_USERS = 2_000  # evaluated on a validation part; more are drawn from
MOST_ROUNDS = 20  # of extending a grid

# held out by time in each validation part: of a user's ratings, and of all ratings
SHARES = {"rerank": (0.2, 0.15, 0.25), "next_item": (0.1, 0.15, 0.2)}
DRAWS = 3


@dataclass(frozen=True)
class Axis:
    """Values of one setting, ascending, and the least and the most it may be."""

    values: Values
    least: float = 0.0
    most: float = np.inf

    def beyond(self, best: float) -> Axis:
        """The axis with one more value if ``best`` stands at an end of it.

        The new value is as many times larger (or smaller) as the end is than its
        neighbour.
        """
        values = self.values
        if best == values[-1] < self.most:
            further = min(best * best / values[-2], self.most)
            return replace(self, values=(*values, further))
        if best == values[0] > self.least:
            further = max(best * best / values[1], self.least)
            return replace(self, values=(further, *values))
        return self


@dataclass(frozen=True)
class Family:
    """A baseline, how to make it from a value on each axis, and the axes."""

    name: str
    make: Make
    axes: tuple[Axis, ...]


def search(axes: Sequence[Axis], score: Callable[[Values], float]) -> Values:
    """The values of the best ``score``: a whole grid, then crosses through the best.

    While the best stands at an end of an axis, the axis gets one more value, and all
    values of each axis are tried with the others held: ``MOST_ROUNDS`` times at most.
    Of equal scores the first counts: a plain is not explored.

    >>> search([Axis((1, 2, 4))], lambda values: -abs(values[0] - 30))
    (32.0,)
    """
    found = {values: score(values) for values in product(*(a.values for a in axes))}
    for _ in range(MOST_ROUNDS):
        best = max(found, key=found.__getitem__)
        axes = [axis.beyond(at) for axis, at in zip(axes, best, strict=True)]
        for place, axis in enumerate(axes):
            for value in axis.values:
                values = (*best[:place], value, *best[place + 1 :])
                if values not in found:
                    found[values] = score(values)
    return max(found, key=found.__getitem__)


def families(train: Ratings, seed: int, dimensions: int) -> list[Family]:
    """The baselines that have settings, and where their grids begin.

    ``seed``: of matrix factorisation. ``dimensions``: the most factors.
    """
    most = min(train.n_users - 1, train.n_items - 1, dimensions)
    knn = (
        Axis((5, 15, 50, 150)),
        Axis((20, 50, 200, train.n_items), most=train.n_items),
    )
    ridge = Axis((100, 500, 2500, 12_500))
    return [
        Family("popularity by average", _by_mean, (Axis((1, 5, 25)),)),
        Family("item-kNN", _knn, knn),
        Family("EASE", _ease, (ridge,)),
        Family("biases + EASE", _blend, (ridge, Axis((0.5, 1, 2, 4, 8, 16)))),
        Family(
            "matrix factorisation",
            partial(_factorisation, seed),
            (_factors((20, 50, 100), most), Axis((0.05, 0.08, 0.12, 0.18))),
        ),
        Family("PureSVD", _svd, (_factors((5, 10, 20, 50), most),)),
    ]


def tuned_baselines(
    split: Split,
    protocol: str,
    rng: np.random.Generator,
    *,
    seed: int = 0,
    dimensions: int = 100,
) -> dict[str, Collaborative]:
    """All baselines by name, fitted on ``split.train``.

    They are random, popularity (two), item-kNN, EASE, biases + EASE, matrix
    factorisation and PureSVD. If the chosen settings of a model are not the library's
    defaults, the default model is there as well, as "NAME, default".

    ``protocol``: "rerank", "session" or "next_item", the one ``split`` was made for.
    ``rng`` draws the validation parts. ``seed``: of random order and matrix
    factorisation. ``dimensions``: the most factors of a factorisation, those of the
    agent's vectors. There are some 250 fits: some 20 minutes on MovieLens 1M.
    """
    parts = [validation_split(split, protocol, rng, draw) for draw in range(DRAWS)]
    models: dict[str, Collaborative] = {
        "random": _random_order(seed),
        "popularity by count": PopularityByCount(),
    }
    for family in families(split.train, seed, dimensions):
        found = search(family.axes, _judge(family.make, parts, protocol))
        models[family.name] = family.make(*found)
    for name, make in _defaults(seed).items():
        if make().config != getattr(models[name], "config", None):
            models[f"{name}, default"] = make()
    return {name: model.fit(split.train) for name, model in models.items()}


def _judge(
    make: Make, parts: Sequence[Split], protocol: str
) -> Callable[[Values], float]:
    """A function from settings to P@5, the mean over users, then over ``parts``."""

    @lru_cache(maxsize=len(parts))
    def fitted(part: int, ridge: float) -> BiasesPlusEASE:
        return BiasesPlusEASE(_blend(ridge, 1.0).config).fit(parts[part].train)

    def model(part: int, values: Values) -> Collaborative:
        if make is not _blend:
            return make(*values).fit(parts[part].train)
        # the weight is read when the blend scores, so one fit serves all of them
        blend = fitted(part, values[0])
        blend.config = _blend(*values).config
        return blend

    def score(values: Values) -> float:
        precisions = []
        for part, split in enumerate(parts):
            result = PROTOCOLS[protocol](split, model(part, values), K)
            precisions.append(result.figures(K)[f"P@{K}"].mean())
        return float(np.mean(precisions))

    return score


def _defaults(seed: int) -> dict[str, Callable[[], Any]]:
    """The tuned models with the library's settings.

    What validation parts prefer may be noise.
    """
    return {
        "popularity by average": PopularityByMean,
        "item-kNN": ItemKNN,
        "EASE": EASE,
        "biases + EASE": BiasesPlusEASE,
        "matrix factorisation": partial(BiasedMF, rng=np.random.default_rng(seed)),
        "PureSVD": PureSVD,
    }


def validation_split(
    split: Split, protocol: str, rng: np.random.Generator, draw: int = 0
) -> Split:
    """The same kind of split made of ``split.train``, with at most 2,000 users.

    draw: 0..2, which validation part; by time each holds out another share.
    """
    if protocol == "rerank":
        drawn = split.name.endswith("random")
        share = SHARES[protocol][draw]
        found = split_rerank(split.train, "random" if drawn else "time", rng, share)
    elif protocol == "session":
        found = split_session(_present(split.train), rng)
    else:
        found = split_next_item(split.train, share=SHARES[protocol][draw])
    if len(found.users) <= MOST_USERS:
        return found
    users = np.sort(rng.choice(found.users, MOST_USERS, replace=False))
    return replace(found, users=users)


def _present(train: Ratings) -> Ratings:
    """The same ratings, with only the users who have some, numbered anew."""
    ids, users = np.unique(train.users, return_inverse=True)
    return replace(
        train,
        users=users.astype(np.int32),
        user_ids=train.user_ids[ids],
    )


def with_seed(
    models: dict[str, Collaborative],
    train: Ratings,
    seed: int,
) -> dict[str, Collaborative]:
    """The same models; those that draw random numbers are refitted with ``seed``."""
    redrawn = dict(models)
    for name, model in models.items():
        if isinstance(model, RandomOrder):
            redrawn[name] = _random_order(seed).fit(train)
        elif isinstance(model, BiasedMF):
            redrawn[name] = _with_start(model.config, seed).fit(train)
    return redrawn


def chosen_settings(models: dict[str, Collaborative]) -> dict[str, dict[str, Any]]:
    """Hyperparameters of the models by name; a model without any is left out."""
    settings = {}
    for name, model in models.items():
        config = getattr(model, "config", None)
        if config is not None:
            settings[name] = asdict(config)
    return settings


def _random_order(seed: int) -> RandomOrder:
    return RandomOrder(np.random.default_rng(seed))


def _with_start(config: BiasedMFConfig, seed: int) -> BiasedMF:
    return BiasedMF(config, rng=np.random.default_rng(seed))


def _factors(values: Sequence[int], most: int) -> Axis:
    """Numbers of factors, 1..most."""
    return Axis(tuple(sorted({min(value, most) for value in values})), 1, most)


def _by_mean(shrinkage: float) -> PopularityByMean:
    return PopularityByMean(PopularityByMeanConfig(shrinkage))


def _knn(shrinkage: float, neighbours: float) -> ItemKNN:
    return ItemKNN(ItemKNNConfig(round(neighbours), shrinkage))


def _ease(regularisation: float) -> EASE:
    return EASE(EASEConfig(regularisation))


def _blend(regularisation: float, weight: float) -> BiasesPlusEASE:
    ease = EASEConfig(regularisation)
    return BiasesPlusEASE(BiasesPlusEASEConfig(weight=weight, ease=ease))


def _factorisation(seed: int, factors: float, regularisation: float) -> BiasedMF:
    config = BiasedMFConfig(factors=round(factors), regularisation=regularisation)
    return _with_start(config, seed)


def _svd(factors: float) -> PureSVD:
    return PureSVD(PureSVDConfig(round(factors)))
