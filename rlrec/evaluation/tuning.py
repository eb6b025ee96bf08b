"""The recommenders that an agent is held against, each with settings chosen on training ratings alone.

    models = tuned_baselines(split, "rerank", np.random.default_rng(0))
    models["EASE"].config                    # what was chosen
    rerank(split, models["EASE"])            # fitted on all of split.train

Settings are chosen by P@5 on a validation part: the same kind of split once more, made of ``split.train``. Nothing of
``split.held_out`` is looked at, so the comparison is as fair to them as to the agent.
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
MOST_USERS = 2_000  # asked on the validation part; more are drawn from
REGULARISATIONS = (
    30.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2000.0,
    4000.0,
)  # EASE, alone and in the blend
WEIGHTS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # of EASE in the blend
PENALTIES = (0.03, 0.05, 0.09, 0.12, 0.16)  # matrix factorisation
FACTORS = (5, 10, 20, 50)  # PureSVD
SHRINKAGES, NEIGHBOURS = (0.0, 10.0, 50.0), (0, 20, 50, 200, 500)  # item-kNN


def tuned_baselines(
    split: Split, protocol: str, rng: np.random.Generator, *, seed: int = 0
) -> dict[str, Collaborative]:
    """Random, popularity (two), item-kNN, EASE, blend, matrix factorisation, PureSVD: by name, fitted on split.train.

    Those with settings twice where the chosen ones are not the defaults; the others as "NAME, default".

    ``protocol``: "rerank", "session" or "next_item", the one ``split`` was made for. ``rng`` draws the validation part.
    ``seed``: of random order and matrix factorisation. Some 60 fits: two minutes or so on MovieLens 1M.
    """
    validation = validation_split(split, protocol, rng)
    best: dict[str, tuple[float, Make]] = {}
    for name, model, make in _candidates(validation.train, seed):
        found = float(
            PROTOCOLS[protocol](validation, model, K).figures(K)[f"P@{K}"].mean()
        )
        if name not in best or found > best[name][0]:
            best[name] = found, make
    chosen: dict[str, Make] = {
        "random": partial(_random_order, seed),
        "popularity by count": PopularityByCount,
        "popularity by average": PopularityByMean,
        **{name: make for name, (_, make) in best.items()},
    }
    models = {name: make().fit(split.train) for name, make in chosen.items()}
    for name, make in _defaults(seed).items():
        if name in models and make().config != getattr(models[name], "config", None):
            models[f"{name}, default"] = make().fit(split.train)
    return models


def _defaults(seed: int) -> dict[str, Callable[[], Any]]:
    """The models that are tuned, with the library's settings: what a validation part prefers may be luck."""
    return {
        "item-kNN": ItemKNN,
        "EASE": EASE,
        "biases + EASE": BiasesPlusEASE,
        "matrix factorisation": partial(_factorisation, BiasedMFConfig(), seed),
        "PureSVD": PureSVD,
    }


def validation_split(split: Split, protocol: str, rng: np.random.Generator) -> Split:
    """The same kind of split made of ``split.train``; of its users 2,000 at most are asked."""
    if protocol == "rerank":
        found = split_rerank(
            split.train, "random" if split.name.endswith("random") else "time", rng
        )
    else:
        found = (
            split_session(_present(split.train), rng)
            if protocol == "session"
            else split_next_item(split.train)
        )
    if len(found.users) <= MOST_USERS:
        return found
    return replace(
        found, users=np.sort(rng.choice(found.users, MOST_USERS, replace=False))
    )


def _present(train: Ratings) -> Ratings:
    """The same ratings, users without any left out and the others numbered anew: whoever is drawn has some."""
    ids, users = np.unique(train.users, return_inverse=True)
    return replace(train, users=users.astype(np.int32), user_ids=train.user_ids[ids])


def with_seed(
    models: dict[str, Collaborative], train: Ratings, seed: int
) -> dict[str, Collaborative]:
    """The same models, those that draw lots with another seed; the others are not fitted again."""
    redrawn = dict(models)
    for name, model in models.items():
        if isinstance(model, RandomOrder):
            redrawn[name] = _random_order(seed).fit(train)
        elif isinstance(model, BiasedMF):
            redrawn[name] = _factorisation(model.config, seed).fit(train)
    return redrawn


def chosen_settings(models: dict[str, Collaborative]) -> dict[str, dict[str, Any]]:
    """Each model's hyperparameters by name; a model without any is left out."""
    configs = {name: getattr(model, "config", None) for name, model in models.items()}
    return {
        name: asdict(config) for name, config in configs.items() if config is not None
    }


def _candidates(train: Ratings, seed: int) -> Iterator[tuple[str, Scorer, Make]]:
    """All settings tried: name, the model fitted on ``train`` (to be asked before the next comes), how to make it."""
    for shrinkage in SHRINKAGES:
        for neighbours in NEIGHBOURS:
            make: Make = partial(
                ItemKNN, ItemKNNConfig(neighbours=neighbours, shrinkage=shrinkage)
            )
            yield "item-kNN", make().fit(train), make
    for regularisation in REGULARISATIONS:
        ease = EASEConfig(regularisation)
        blend = BiasesPlusEASE(BiasesPlusEASEConfig(ease=ease)).fit(train)
        yield "EASE", blend.ease, partial(EASE, ease)
        for weight in WEIGHTS:
            blend.config = BiasesPlusEASEConfig(
                weight=weight, ease=ease
            )  # read when it scores: one fit for all
            yield "biases + EASE", blend, partial(BiasesPlusEASE, blend.config)
    for penalty in PENALTIES:
        make = partial(_factorisation, BiasedMFConfig(regularisation=penalty), seed)
        yield "matrix factorisation", make().fit(train), make
    for factors in FACTORS:
        if factors < min(train.n_users, train.n_items):
            make = partial(PureSVD, PureSVDConfig(factors))
            yield "PureSVD", make().fit(train), make


def _random_order(seed: int) -> RandomOrder:
    return RandomOrder(np.random.default_rng(seed))


def _factorisation(config: BiasedMFConfig, seed: int) -> BiasedMF:
    return BiasedMF(config, rng=np.random.default_rng(seed))
