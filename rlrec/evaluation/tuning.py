"""Baselines for an agent, each with settings chosen on training ratings alone.

    models = tuned_baselines(split, "rerank", np.random.default_rng(0))
    models["EASE"].config                    # what was chosen
    rerank(split, models["EASE"])            # fitted on all of split.train

Settings are chosen by P@5 on a validation part: the same kind of split once more, made
of ``split.train``. ``split.held_out`` is not used, so the comparison is as fair to the
baselines as to the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
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
    PureSVD,
    PureSVDConfig,
    RandomOrder,
)
from rlrec.datasets import Ratings
from rlrec.evaluation.protocols import (
    PROTOCOLS,
    Scorer,
    Split,
    split_next_item,
    split_rerank,
    split_session,
)

Make = Callable[[], Collaborative]
K = 5  # settings are chosen by P@5
MOST_USERS = 2_000  # evaluated on the validation part; more are drawn from
# EASE, alone and in the blend
REGULARISATIONS = (30.0, 100.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)
WEIGHTS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # of EASE in the blend
PENALTIES = (0.03, 0.05, 0.09, 0.12, 0.16)  # matrix factorisation
FACTORS = (5, 10, 20, 50)  # PureSVD
# item-kNN
SHRINKAGES = (0.0, 10.0, 50.0)
NEIGHBOURS = (0, 20, 50, 200, 500)


def tuned_baselines(
    split: Split,
    protocol: str,
    rng: np.random.Generator,
    *,
    seed: int = 0,
) -> dict[str, Collaborative]:
    """All baselines by name, fitted on ``split.train``.

    They are random, popularity (two), item-kNN, EASE, biases + EASE, matrix
    factorisation and PureSVD. If the chosen settings of a model are not the library's
    defaults, the default model is there as well, as "NAME, default".

    ``protocol``: "rerank", "session" or "next_item", the one ``split`` was made for.
    ``rng`` draws the validation part. ``seed``: of random order and matrix
    factorisation. There are some 60 fits: about two minutes on MovieLens 1M.
    """
    validation = validation_split(split, protocol, rng)
    best: dict[str, float] = {}
    chosen: dict[str, Make] = {
        "random": partial(_random_order, seed),
        "popularity by count": PopularityByCount,
        "popularity by average": PopularityByMean,
    }
    for name, model, make in _candidates(validation.train, seed):
        result = PROTOCOLS[protocol](validation, model, K)
        precision = float(result.figures(K)[f"P@{K}"].mean())
        if name not in best or precision > best[name]:
            best[name] = precision
            chosen[name] = make
    models = {name: make().fit(split.train) for name, make in chosen.items()}
    for name, make in _defaults(seed).items():
        if name not in models:
            continue
        if make().config != getattr(models[name], "config", None):
            models[f"{name}, default"] = make().fit(split.train)
    return models


def _defaults(seed: int) -> dict[str, Callable[[], Any]]:
    """The tuned models with the library's settings.

    What a validation part prefers may be noise.
    """
    return {
        "item-kNN": ItemKNN,
        "EASE": EASE,
        "biases + EASE": BiasesPlusEASE,
        "matrix factorisation": partial(_factorisation, BiasedMFConfig(), seed),
        "PureSVD": PureSVD,
    }


def validation_split(
    split: Split,
    protocol: str,
    rng: np.random.Generator,
) -> Split:
    """The same kind of split made of ``split.train``, with at most 2,000 users."""
    if protocol == "rerank":
        drawn = split.name.endswith("random")
        found = split_rerank(split.train, "random" if drawn else "time", rng)
    elif protocol == "session":
        found = split_session(_present(split.train), rng)
    else:
        found = split_next_item(split.train)
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
            redrawn[name] = _factorisation(model.config, seed).fit(train)
    return redrawn


def chosen_settings(models: dict[str, Collaborative]) -> dict[str, dict[str, Any]]:
    """Hyperparameters of the models by name; a model without any is left out."""
    settings = {}
    for name, model in models.items():
        config = getattr(model, "config", None)
        if config is not None:
            settings[name] = asdict(config)
    return settings


def _candidates(
    train: Ratings,
    seed: int,
) -> Iterator[tuple[str, Scorer, Make]]:
    """All settings to try: a name, the model fitted on ``train``, how to make it again.

    Evaluate each model before the next one comes: they share a fit.
    """
    for shrinkage in SHRINKAGES:
        for neighbours in NEIGHBOURS:
            knn = ItemKNNConfig(neighbours=neighbours, shrinkage=shrinkage)
            yield _fitted("item-kNN", partial(ItemKNN, knn), train)
    for regularisation in REGULARISATIONS:
        ease = EASEConfig(regularisation)
        blend = BiasesPlusEASE(BiasesPlusEASEConfig(ease=ease)).fit(train)
        yield "EASE", blend.ease, partial(EASE, ease)
        for weight in WEIGHTS:
            # the weight is read when the blend scores, so one fit serves all of them
            blend.config = BiasesPlusEASEConfig(weight=weight, ease=ease)
            yield "biases + EASE", blend, partial(BiasesPlusEASE, blend.config)
    for penalty in PENALTIES:
        make = partial(_factorisation, BiasedMFConfig(regularisation=penalty), seed)
        yield _fitted("matrix factorisation", make, train)
    for factors in FACTORS:
        if factors < min(train.n_users, train.n_items):
            yield _fitted("PureSVD", partial(PureSVD, PureSVDConfig(factors)), train)


def _fitted(
    name: str,
    make: Make,
    train: Ratings,
) -> tuple[str, Scorer, Make]:
    return name, make().fit(train), make


def _random_order(seed: int) -> RandomOrder:
    return RandomOrder(np.random.default_rng(seed))


def _factorisation(config: BiasedMFConfig, seed: int) -> BiasedMF:
    return BiasedMF(config, rng=np.random.default_rng(seed))
