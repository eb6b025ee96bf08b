"""Which commands can train on a file: the last lines of `rlrec data check`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rlrec.collaborative.drr_config import DRRConfig
from rlrec.datasets import PlayCounts, Ratings, Tracks
from rlrec.datasets.check import Loaded
from rlrec.datasets.reading.columns import AS_GUESSED, Reading
from rlrec.envs import from_history
from rlrec.envs.catalogue import make_catalogue
from rlrec.errors import DataError, RlrecError
from rlrec.evaluation.protocols import PROTOCOLS
from rlrec.runs.ddpg import require_trainable
from rlrec.runs.task import Task
from rlrec.runs.vae import split

# Command -> what it is trained on.
TRAINED_ON: dict[str, type[Loaded]] = {
    "qlearning": PlayCounts,
    **{f"ddpg --protocol {protocol}": Ratings for protocol in PROTOCOLS},
    "vae": Tracks,
    "ppo": Tracks,
    "nstep": Tracks,
}
STARS_OF_PLAYS = """  plays as stars, by rank for each user, in three lines of Python:
    table = pandas.read_csv("plays.csv")  # columns user, item, plays
    table["rating"] = 1 + 4 * table.groupby("user")["plays"].rank(pct=True)
    table.to_csv("ratings.csv", index=False)"""
NEEDS = {
    PlayCounts: "play counts (user, genre, plays) or a listening history",
    Ratings: "ratings (user, item, rating)",
    Tracks: "tracks (danceability, energy, ...), such as --data spotify-songs",
}


def training_lines(
    path: Path, loaded: Loaded, reading: Reading = AS_GUESSED
) -> Iterator[str]:
    """A line for each command that trains: yes, or no with the reason."""
    for command, kind in TRAINED_ON.items():
        answer = "yes"
        try:
            if not isinstance(loaded, kind):
                held = loaded.report.what
                raise DataError(f"this file holds {held}; give {NEEDS[kind]}")
            _require(command, path, loaded, reading)
        except RlrecError as error:
            reason = str(error).removeprefix(f"{path}: ")
            answer = f"no, because {reason}"
        yield f"  train {command}: {answer}"
    if isinstance(loaded, PlayCounts):
        yield STARS_OF_PLAYS


def _require(command: str, path: Path, loaded: Loaded, reading: Reading) -> None:
    """Raise ``RlrecError`` unless ``command`` can be trained on what was loaded."""
    if isinstance(loaded, PlayCounts):
        from_history(loaded.counts.sum(axis=0), loaded.genres)
    elif isinstance(loaded, Ratings):
        protocol = command.rpartition(" ")[2]
        goal = "rerank" if protocol == "rerank" else "catalogue"
        task = Task(str(path), protocol, reading=reading)
        require_trainable(task, task.stars(loaded), DRRConfig(goal=goal))
    elif isinstance(loaded, Tracks):
        make_catalogue(loaded)
        split(loaded.features, 0)
