"""A run on simulated listeners: a map of sound, training, songs for a history.

    OUT/config.json   every setting, the data's fingerprint, versions, sessions
    OUT/map           the VAE that made the map, a run of its own (with ``map`` "vae")
    OUT/metrics.csv, OUT/tensorboard, OUT/checkpoints   as for every training

A run that was stopped (even by SIGKILL) and resumed ends bit-identical to one that
never was. The agents' own parts are in `rlrec.runs.ppo` and `rlrec.runs.nstep`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.datasets import Tracks, load_tracks
from rlrec.envs import (
    Catalogue,
    Dials,
    ListeningBatch,
    make_catalogue,
    named_setting,
)
from rlrec.envs.listening import ActionMode
from rlrec.errors import ConfigError, require_ranges
from rlrec.runs.provenance import conditions
from rlrec.runs.run import (
    TrainingRun,
    data_source,
    owning,
    require_seed,
    require_steps,
    require_unused,
    written,
)
from rlrec.runs.session import MOST_ENVIRONMENTS, Prepared, run_session
from rlrec.runs.vae import load_map, tracks_fingerprint, train_vae
from rlrec.types import Floats, Ids, Say

HEARD = (1.0, 0.0, 0.0)  # feedback: heard to the end, no like, no skip
HISTORY = 20  # songs of a session that an observation holds


@dataclass(frozen=True)
class World:
    """Who listens, and the map of sound that the agent gets."""

    # "vae": trained first on the tracks; "sound": the simulator's; or a VAE's folder
    map: str = "vae"
    popularity: bool = True  # the map gets a dimension of popularity
    # 2..40 songs on offer at each step (ppo: for action "offered"); 0 (nstep): all
    candidates: int = 10
    # "teaching" or "realistic": what the next two are unless given
    setting: str = "teaching"
    taste_strength: float | None = None  # 0..5 logits
    long_term_effect: float | None = None  # 0..5: how strongly listeners tire
    churn: float = 0.0  # 0..1: how readily they leave after skips
    # 1..10,000 listeners at a time in training; many cost less time a song
    environments: int = 32
    # ppo: they are compiled, and a round is played in one call: less time, above all
    # with few at a time or on a GPU; other random numbers
    compiled: bool = False

    def __post_init__(self) -> None:
        require_ranges(self, [("environments", 1, MOST_ENVIRONMENTS)])

    def dials(self) -> Dials:
        """The listeners' dials. Raises ``ConfigError``."""
        dials = named_setting(self.setting) | {"churn": self.churn}
        if self.taste_strength is not None:
            dials["taste_strength"] = self.taste_strength
        if self.long_term_effect is not None:
            dials["long_term_effect"] = self.long_term_effect
        return Dials(**dials)


@dataclass(frozen=True, kw_only=True)
class ListeningRun(TrainingRun):
    """A run on simulated listeners; a subclass has the agent and its settings."""

    SHOWN: ClassVar[Mapping[str, str]]  # on the screen: word -> field of a record
    RECORD: ClassVar[tuple[str, ...]]  # fields of a round's record
    STEPS: ClassVar[int]  # the default budget
    world: World

    @property
    def settings(self) -> Any:
        """The agent's settings."""
        return getattr(self, self.AGENT)

    @property
    def action(self) -> ActionMode:
        """How the agent acts in the environment."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """How the agent acts and what it sees, for people."""
        raise NotImplementedError

    def new(self, songs: Floats, catalogue: Catalogue) -> Any:
        """A new agent; ``songs`` [songs, d]: the run's map."""
        raise NotImplementedError

    def load(self, checkpoint: Path, env: Any = None) -> Any:
        """The agent of a checkpoint, to go on in ``env`` if given."""
        raise NotImplementedError

    def best(self, agent: Any, played: list[int], k: int) -> tuple[Ids, list[str]]:
        """Ids of the ``k`` best songs after ``played`` ids, and a word on each."""
        raise NotImplementedError

    def training_environment(self, env: ListeningBatch) -> Any:
        """Who listens in training: those of ``env``, or the same compiled."""
        return env

    def require_budget(self) -> None:
        """Raise ``ConfigError`` for no step, or for checkpoints within a round."""
        size = self.settings.rollout * self.world.environments
        require_steps(self.steps, self.checkpoint_every, size)

    def tracks(self) -> Tracks:
        """The tracks. Raises ``DataError`` if they have changed since."""
        tracks = load_tracks(self.data)
        self.require_unchanged(tracks_fingerprint(tracks))
        return tracks

    def environment(self, catalogue: Catalogue, num_envs: int) -> ListeningBatch:
        """Listeners as the run was trained with."""
        return ListeningBatch(
            num_envs,
            action=self.action,
            observe="ids",
            catalogue=catalogue,
            n_candidates=self.world.candidates or 2,  # 2: none is offered
            history=HISTORY,
            **vars(self.world.dials()),
        )


@owning
def train_listening(
    kind: type[ListeningRun],
    folder: Path,
    data: str,
    world: World,
    settings: Any,
    *,
    steps: int = 200_000,
    seed: int = 0,
    fit_schedule: bool = False,
    checkpoint_every: int = 100_000,
    command: str = "",
    say: Say = print,
) -> int:
    """Train a new run in ``folder``.

    data: tracks, a data set's name or a CSV. steps: songs to learn from, rounded up to
    whole rounds. fit_schedule: what falls does so over these steps, whatever
    ``settings.schedule_steps`` says. Returns the exit status: 0 finished,
    1 diverged, 130 stopped by Ctrl-C. Raises ``ConfigError`` and ``DataError``.
    """
    require_unused(folder)
    require_seed(seed)
    dials = world.dials()
    tracks = load_tracks(data)
    if fit_schedule and steps > 0:
        settings = replace(settings, schedule_steps=steps)
    run = kind(
        folder=folder,
        versions=conditions(),
        command=command,
        data=data_source(data),
        fingerprint=tracks_fingerprint(tracks),
        seed=seed,
        steps=steps,
        checkpoint_every=checkpoint_every,
        world=replace(
            world,
            map=map_source(world.map),
            taste_strength=dials.taste_strength,
            long_term_effect=dials.long_term_effect,
        ),
        **{kind.AGENT: settings},
    )
    run.require_budget()
    with written(run):
        return _go(run, tracks, command, say)


@owning
def resume_listening(
    kind: type[ListeningRun],
    folder: Path,
    *,
    command: str = "",
    say: Say = print,
    **changes: int,
) -> int:
    """Resume the run in ``folder`` from its last whole checkpoint, or from the start.

    ``changes``: as `TrainingRun.changed` takes them. Returns the exit status, as
    `train_listening`. Raises ``ConfigError`` and ``DataError``, also for changed data.
    """
    run = kind.read(folder).changed(**changes)
    tracks = run.tracks()
    with written(run):
        return _go(run, tracks, command, say)


def _go(run: ListeningRun, tracks: Tracks, command: str, say: Say) -> int:
    """Announce, prepare or restore, train, keep."""

    def prepare() -> Prepared:
        agent, env = _agent(run, tracks, say)
        world = run.world
        say(
            f"agent      {run.AGENT}, {run.label}, taste {world.taste_strength:g}, "
            f"long-term effect {world.long_term_effect:g}"
        )
        say(
            f"steps      {run.steps:,}, {world.environments} listeners at a time, "
            f"seed {run.seed}, in {run.folder}"
        )
        return Prepared(agent, env, agent.save, run.RECORD)

    return run_session(run, prepare, shown=run.SHOWN, every=1, command=command, say=say)


def _agent(run: ListeningRun, tracks: Tracks, say: Say) -> tuple[Any, Any]:
    """The agent and its environment: from the last checkpoint, or new."""
    env = run.environment(make_catalogue(tracks), run.world.environments)
    say(f"data       {run.data}: {len(tracks):,} tracks")
    training = run.training_environment(env)
    if storage.checkpoints(run.folder):
        _, checkpoint = run.last_checkpoint()
        return run.load(checkpoint, training), training
    songs = place_songs(run, tracks, env.catalogue, say)
    return run.new(songs, env.catalogue), training


# -- the map ---------------------------------------------------------------------------
def map_source(of: str) -> str:
    """``of`` itself for "vae" and "sound"; else the whole path of a folder."""
    return of if of in ("vae", "sound") else str(Path(of).expanduser().resolve())


def place_songs(
    run: ListeningRun, tracks: Tracks, catalogue: Catalogue, say: Say
) -> Floats:
    """Where each song lies on the run's map: [songs, d].

    Raises ``ConfigError`` for a VAE of other features, ``DataError`` for none.
    """
    world = run.world
    if world.map == "sound":
        places: NDArray[Any] = catalogue.sound
    else:
        folder = run.folder / "map" if world.map == "vae" else Path(world.map)
        if world.map == "vae" and not (folder / "config.json").exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a training that was killed
            found = train_vae(folder, run.data, seed=run.seed, say=lambda line: None)
            say(
                f"map        a VAE of 5 dimensions: error {found.vae.mse:.4f} on "
                f"tracks never seen, PCA {found.pca.mse:.4f}"
            )
        model, made_by = load_map(folder)
        if made_by.scaling != "fixed":
            raise ConfigError(
                f"{folder}: trained on {made_by.scaling} features; "
                f"train it with fixed ranges: rlrec train vae --scaling fixed"
            )
        places = model.latents(tracks.features)
    return np.column_stack([places, catalogue.appeal]) if world.popularity else places


# -- songs for a history ---------------------------------------------------------------
def recommend_tracks(
    kind: type[ListeningRun], folder: Path, titles: str, k: int
) -> str:
    """The ``k`` best songs after ``titles``, as lines of text.

    titles: "Title; Title", the last one plays now; each counts as heard to its end.
    Raises ``ConfigError`` and ``DataError``.
    """
    run = kind.read(folder)
    step, checkpoint = run.last_checkpoint()
    tracks = run.tracks()
    names = filter(str.strip, titles.split(";"))
    played = [tracks.index_of(name) for name in names]
    if not played:
        raise ConfigError("no title given; name one or more: --track 'Title; Title'")
    left = len(tracks) - len({*played[-HISTORY:]})
    if not 1 <= k <= left:
        raise ConfigError(
            f"-k is {k}; it must lie in 1..{left}, the songs that are left"
        )
    songs, words = run.best(run.load(checkpoint), played, k)
    heard = "; ".join(map(tracks.label, played))
    lines = [f"after {heard} ({step:,} songs of training):"]
    labels = list(map(tracks.label, songs.tolist()))
    width = max(map(len, labels))
    for place, (label, word) in enumerate(zip(labels, words, strict=True), 1):
        lines.append(f"{place:>2}. {label:<{width}}  {word}")
    return "\n".join(lines)


def observations_after(played: list[int]) -> dict[str, Any]:
    """What a listener who heard the songs ``played`` shows: a batch of one."""
    last = played[-HISTORY:]
    history = np.full((1, HISTORY), -1)
    history[0, -len(last) :] = last
    feedback = (history >= 0)[..., None] * np.array(HEARD)
    place = np.array([[min(len(played), HISTORY - 1)]])
    return {"history": history, "feedback": feedback, "position": place}
