"""A PPO run on simulated listeners: a map of sound, training, songs for a history.

    OUT/config.json   every setting, the data's fingerprint, versions, sessions
    OUT/map           the VAE that made the map, a run of its own (with ``map`` "vae")
    OUT/metrics.csv, OUT/tensorboard, OUT/checkpoints   as for every training

A run that was stopped (even by SIGKILL) and resumed ends bit-identical to one that
never was.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.agents.ppo_config import PPOConfig
from rlrec.datasets import Tracks, load_tracks
from rlrec.envs import Catalogue, Dials, ListeningBatch, make_catalogue
from rlrec.errors import ConfigError, require_ranges
from rlrec.runs.provenance import versions
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

if TYPE_CHECKING:
    from rlrec.agents.ppo import PPO

# On the screen: word -> field of a round's record.
SHOWN = {"reward": "reward", "entropy": "entropy", "kl": "kl"}
HEARD = (1.0, 0.0, 0.0)  # feedback: heard to the end, no like, no skip
HISTORY = 20  # songs of a session that an observation holds


@dataclass(frozen=True)
class World:
    """Who listens, and the map of sound that the agent gets."""

    # "vae": trained first on the tracks; "sound": the simulator's; or a VAE's folder
    map: str = "vae"
    popularity: bool = True  # the map gets a dimension of popularity
    candidates: int = 10  # 2..40 songs on offer at each step, for action "offered"
    taste_strength: float = 1.5  # 0..5 logits
    long_term_effect: float = 1.0  # 0..5: how strongly listeners tire of the same
    # 1..10,000 listeners at a time in training; many cost less time a song
    environments: int = 32

    def __post_init__(self) -> None:
        require_ranges(self, [("environments", 1, MOST_ENVIRONMENTS)])

    def dials(self) -> Dials:
        """The listeners' dials. Raises ``ConfigError``."""
        return Dials(
            taste_strength=self.taste_strength, long_term_effect=self.long_term_effect
        )


@dataclass(frozen=True, kw_only=True)
class PPORun(TrainingRun):
    """A PPO run on simulated listeners."""

    AGENT: ClassVar[str] = "ppo"
    world: World
    ppo: PPOConfig

    def require_budget(self) -> None:
        """Raise ``ConfigError``, also if the schedule is over before the last round."""
        size = self.ppo.rollout * self.world.environments
        require_steps(self.steps, self.checkpoint_every, size)
        self.ppo.require_schedule((self.steps - 1) // size * size)

    def tracks(self) -> Tracks:
        """The tracks. Raises ``DataError`` if they have changed since."""
        tracks = load_tracks(self.data)
        self.require_unchanged(tracks_fingerprint(tracks))
        return tracks

    def environment(self, catalogue: Catalogue, num_envs: int) -> ListeningBatch:
        """Listeners as the run was trained with."""
        offered = self.ppo.action == "offered"
        action: Literal["candidate", "song"] = "candidate" if offered else "song"
        return ListeningBatch(
            num_envs,
            action=action,
            observe="ids",
            catalogue=catalogue,
            n_candidates=self.world.candidates,
            history=HISTORY,
            **vars(self.world.dials()),
        )


@owning
def train_ppo(
    folder: Path,
    data: str,
    world: World,
    settings: PPOConfig,
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
    whole rounds. fit_schedule: learning rate, clip and entropy fall over these steps,
    whatever ``settings.schedule_steps`` says. Returns the exit status: 0 finished,
    1 diverged, 130 stopped by Ctrl-C. Raises ``ConfigError`` and ``DataError``.
    """
    require_unused(folder)
    require_seed(seed)
    world.dials()
    tracks = load_tracks(data)
    if fit_schedule and steps > 0:
        settings = replace(settings, schedule_steps=steps)
    run = PPORun(
        folder=folder,
        versions=versions(),
        command=command,
        data=data_source(data),
        fingerprint=tracks_fingerprint(tracks),
        seed=seed,
        steps=steps,
        checkpoint_every=checkpoint_every,
        world=replace(world, map=map_source(world.map)),
        ppo=settings,
    )
    run.require_budget()
    with written(run):
        return _go(run, tracks, command, say)


@owning
def resume_ppo(
    folder: Path, *, command: str = "", say: Say = print, **changes: int
) -> int:
    """Resume the run in ``folder`` from its last whole checkpoint, or from the start.

    ``changes``: as `TrainingRun.changed` takes them. Returns the exit status, as
    `train_ppo`. Raises ``ConfigError`` and ``DataError``, also for changed data.
    """
    run = PPORun.read(folder).changed(**changes)
    tracks = run.tracks()
    with written(run):
        return _go(run, tracks, command, say)


def _go(run: PPORun, tracks: Tracks, command: str, say: Say) -> int:
    """Announce, prepare or restore, train, keep."""

    def prepare() -> Prepared:
        from rlrec.agents.ppo import PPORound

        agent, env = _agent(run, tracks, say)
        world = run.world
        say(
            f"agent      ppo, {run.ppo.action}, state {run.ppo.state}, "
            f"{agent.songs.shape[1]} dimensions, taste {world.taste_strength:g}, "
            f"long-term effect {world.long_term_effect:g}"
        )
        say(
            f"steps      {run.steps:,}, {world.environments} listeners at a time, "
            f"seed {run.seed}, in {run.folder}"
        )
        return Prepared(agent, env, agent.save, PPORound._fields)

    return run_session(run, prepare, shown=SHOWN, every=1, command=command, say=say)


def _agent(run: PPORun, tracks: Tracks, say: Say) -> tuple[PPO, ListeningBatch]:
    """The agent and its environment: from the last checkpoint, or new."""
    from rlrec.agents.ppo import PPO

    env = run.environment(make_catalogue(tracks), run.world.environments)
    say(f"data       {run.data}: {len(tracks):,} tracks")
    if storage.checkpoints(run.folder):
        _, checkpoint = run.last_checkpoint()
        return PPO.load(checkpoint, env), env
    songs = place_songs(run, tracks, env.catalogue, say)
    return PPO(songs, run.ppo, run.seed), env


# -- the map ---------------------------------------------------------------------------
def map_source(of: str) -> str:
    """``of`` itself for "vae" and "sound"; else the whole path of a folder."""
    return of if of in ("vae", "sound") else str(Path(of).expanduser().resolve())


def place_songs(run: PPORun, tracks: Tracks, catalogue: Catalogue, say: Say) -> Floats:
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
def recommend_tracks(folder: Path, titles: str, k: int) -> str:
    """The ``k`` best songs after ``titles``, as lines of text.

    titles: "Title; Title", the last one plays now; each counts as heard to its end.
    Raises ``ConfigError`` and ``DataError``.
    """
    run = PPORun.read(folder)
    step, checkpoint = run.last_checkpoint()
    tracks = run.tracks()
    names = filter(str.strip, titles.split(";"))
    played = [tracks.index_of(name) for name in names]
    if not played:
        raise ConfigError("no title given; name one or more: --track 'Title; Title'")
    from rlrec.agents.ppo import PPO

    songs, words = best_songs(PPO.load(checkpoint), played, k)
    heard = "; ".join(map(tracks.label, played))
    lines = [f"after {heard} ({step:,} songs of training):"]
    labels = list(map(tracks.label, songs.tolist()))
    width = max(map(len, labels))
    for place, (label, word) in enumerate(zip(labels, words, strict=True), 1):
        lines.append(f"{place:>2}. {label:<{width}}  {word}")
    return "\n".join(lines)


def best_songs(agent: PPO, played: list[int], k: int) -> tuple[Ids, list[str]]:
    """Ids of the ``k`` best songs after ``played`` ids, and a word on each.

    The word is a song's probability, or its distance from the last one. An agent that
    chooses among songs on offer chooses from the whole catalogue here. Raises
    ``ConfigError`` unless so many songs are left.
    """
    last = played[-HISTORY:]
    left = np.setdiff1d(np.arange(len(agent.songs)), last)
    if not 1 <= k <= len(left):
        raise ConfigError(
            f"-k is {k}; it must lie in 1..{len(left)}, the songs that are left"
        )
    observations = _observations(last, len(played))
    if agent.continuous:
        songs = agent.recommend(observations, k)[0]
        away = np.linalg.norm(agent.songs[songs] - agent.songs[last[-1]], axis=1)
        return songs, [f"{distance:.2f} from what plays" for distance in away]
    if agent.config.action == "offered":
        observations["candidates"] = left[None]
    candidates, probabilities = agent.probabilities(observations)
    best = np.argsort(-probabilities[0], kind="stable")[:k]
    among = f"among {candidates.shape[1]:,}"
    words = [f"probability {one:.4f} {among}" for one in probabilities[0, best]]
    return candidates[0, best], words


def _observations(last: list[int], position: int) -> dict[str, Any]:
    """What a listener who heard the songs ``last`` shows: a batch of one."""
    history = np.full((1, HISTORY), -1)
    history[0, -len(last) :] = last
    feedback = (history >= 0)[..., None] * np.array(HEARD)
    place = np.array([[min(position, HISTORY - 1)]])
    return {"history": history, "feedback": feedback, "position": place}
