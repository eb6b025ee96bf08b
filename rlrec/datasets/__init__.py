"""Tracks, ratings and listening logs: fetch, check, load and generate them.

A data set is given by its name ("generated", "ml-100k", ...) or a path. Every loader
returns the usable rows and, in `.report`, which rows were left out and why. It raises
`rlrec.errors.DataError` if most of a file is unusable. Importing this package loads
neither TensorFlow nor pandas.
"""

from rlrec.datasets.check import check_data
from rlrec.datasets.fetch import fetch
from rlrec.datasets.folders import data_folder, locate
from rlrec.datasets.known import CATALOGUE, DataSet
from rlrec.datasets.plays import PlayCounts, load_play_counts
from rlrec.datasets.ratings import Ratings, load_ratings
from rlrec.datasets.reading.columns import FEATURES
from rlrec.datasets.reading.reports import Problem, Report
from rlrec.datasets.sessions import Sessions, load_sessions, write_sessions
from rlrec.datasets.tracks import Tracks, load_tracks, scale, unscale

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
    "check_data",
    "data_folder",
    "fetch",
    "load_play_counts",
    "load_ratings",
    "load_sessions",
    "load_tracks",
    "locate",
    "scale",
    "unscale",
    "write_sessions",
]
