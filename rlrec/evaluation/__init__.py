"""How good is it, and how sure is that."""

from rlrec.evaluation.simulate import Interval, bootstrap_interval, simulate

__all__ = ["Interval", "bootstrap_interval", "simulate"]
