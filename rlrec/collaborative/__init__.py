"""Recommenders from ratings: popularity, kNN, EASE, factorisation, DRR."""

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
    PopularityByCountConfig,
    PopularityByMean,
    PopularityByMeanConfig,
    PureSVD,
    PureSVDConfig,
    RandomOrder,
)

__all__ = [
    "EASE",
    "BiasedMF",
    "BiasedMFConfig",
    "BiasesPlusEASE",
    "BiasesPlusEASEConfig",
    "Collaborative",
    "EASEConfig",
    "ItemKNN",
    "ItemKNNConfig",
    "PopularityByCount",
    "PopularityByCountConfig",
    "PopularityByMean",
    "PopularityByMeanConfig",
    "PureSVD",
    "PureSVDConfig",
    "RandomOrder",
]
