"""Tracks, ratings and listening logs: fetch, check, load, generate. No TensorFlow, and a light import.

A data set is named ("generated", "ml-100k", ...) or given as a path. Every loader gives back what it could use and, in
`.report`, what it could not and why; a file that is mostly unusable raises `rlrec.errors.DataError`.
"""

from rlrec.datasets.catalogue import CATALOGUE, DataSet
from rlrec.datasets.check import check
from rlrec.datasets.fetch import fetch
from rlrec.datasets.folders import data_folder, locate
from rlrec.datasets.plays import PlayCounts, load_play_counts
from rlrec.datasets.ratings import Ratings, load_ratings
from rlrec.datasets.reading.columns import FEATURES
from rlrec.datasets.reading.reports import Problem, Report
from rlrec.datasets.sessions import Sessions, load_sessions, write_sessions
from rlrec.datasets.tracks import Tracks, load_tracks, scale

__all__ = [
    "CATALOGUE",
    "FEATURES",
    "DataSet",
    "PlayCounts",
    "Problem",
    "Ratings",
    "Report",
    "Sessions",
    "Tracks",
    "check",
    "data_folder",
    "fetch",
    "load_play_counts",
    "load_ratings",
    "load_sessions",
    "load_tracks",
    "locate",
    "scale",
    "write_sessions",
]
