"""Recommenders from ratings: popularity, kNN, EASE, factorisation, DRR."""
