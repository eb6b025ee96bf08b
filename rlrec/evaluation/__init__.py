"""How good is it, and how sure is that."""

from rlrec.evaluation.metrics import (
    between_user_overlap,
    catalogue_coverage,
    hit_rate,
    ndcg_at_k,
    ndcg_of_the_list,
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
from rlrec.evaluation.simulate import Interval, bootstrap_interval, simulate

__all__ = [
    "Interval",
    "Result",
    "Scorer",
    "Split",
    "between_user_overlap",
    "bootstrap_interval",
    "catalogue_coverage",
    "check_no_leak",
    "compare",
    "hit_rate",
    "ndcg_at_k",
    "ndcg_of_the_list",
    "next_item",
    "oracle",
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
