"""How good is it, and how sure is that."""

from rlrec.evaluation.metrics import (
    average_precision,
    between_user_overlap,
    catalogue_coverage,
    hit_rate,
    intra_list_diversity,
    ndcg_at_k,
    ndcg_of_the_list,
    novelty,
    precision_at_k,
    recall_at_k,
    reciprocal_rank,
)
from rlrec.evaluation.protocols import (
    Result,
    Scorer,
    Split,
    check_no_leak,
    compare,
    next_item,
    oracle,
    rerank,
    session,
    split_next_item,
    split_rerank,
    split_session,
)
from rlrec.evaluation.simulate import Interval, Played, mean_interval, play, simulate

bootstrap_interval = mean_interval  # the old name, until every lesson says the new one

__all__ = [
    "Interval",
    "Played",
    "Result",
    "Scorer",
    "Split",
    "average_precision",
    "between_user_overlap",
    "catalogue_coverage",
    "check_no_leak",
    "compare",
    "hit_rate",
    "intra_list_diversity",
    "mean_interval",
    "ndcg_at_k",
    "ndcg_of_the_list",
    "next_item",
    "novelty",
    "oracle",
    "play",
    "precision_at_k",
    "recall_at_k",
    "reciprocal_rank",
    "rerank",
    "session",
    "simulate",
    "split_next_item",
    "split_rerank",
    "split_session",
]
