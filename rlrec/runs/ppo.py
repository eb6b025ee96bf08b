"""A PPO run on simulated listeners from start to end: a map of sound, training, checkpoints, songs for a history.

    OUT/config.json   every setting, the data's fingerprint, versions; what each session took
    OUT/map           the VAE that made the map, a run of its own (with ``map`` "vae")
    OUT/metrics.csv, OUT/tensorboard, OUT/checkpoints   as for every training

A run that was stopped (even by SIGKILL) and resumed ends with the same bits as one that never was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlrec import storage
from rlrec.datasets import Tracks, load_tracks
from rlrec.datasets.catalogue import CATALOGUE
from rlrec.envs import Catalogue, Dials, ListeningBatch, make_catalogue
from rlrec.errors import ConfigError, DataError, require_ranges
from rlrec.runs import vae as vae_run
from rlrec.runs.config import Config, resume_command
from rlrec.runs.provenance import versions
from rlrec.runs.session import MOST_ENVIRONMENTS, STOPPED, extend, refuse_used, run_session
from rlrec.types import Say
from rlrec.agents.ppo_config import PPOConfig

if TYPE_CHECKING:
    from rlrec.agents.ppo import PPO

TOLD = {"reward": "reward", "entropy": "entropy", "kl": "kl"}  # on the screen: which figure of a round
HEARD = (1.0, 0.0, 0.0)  # feedback to a song of a history: heard to its end, no like, no skip


@dataclass(frozen=True)
class World:
    """Who listens, and on which map the agent hears them."""

    map: str = "vae"  # "vae": trained first on the tracks; "sound": the simulator's own; or the folder of a run of vae
    popularity: bool = True  # the map gets a dimension of popularity, which its rivals know too
    candidates: int = 10  # 2..40 songs on offer at each step, for action "offered"
    taste_strength: float = 1.5  # 0..5 logits
    long_term_effect: float = 1.0  # 0..5: how strongly listeners tire of the same
    environments: int = 32  # 1..10,000 listeners at a time in training; many cost less time a song

    def __post_init__(self) -> None:
        require_ranges(self, [("environments", 1, MOST_ENVIRONMENTS)])

    def dials(self) -> Dials:
        """The listeners'. Raises ``ConfigError``."""
        return Dials(taste_strength=self.taste_strength, long_term_effect=self.long_term_effect)


def train(
    folder: Path, data: str, world: World, settings: PPOConfig, *, steps: int = 200_000, seed: int = 0,
    fit_schedule: bool = False, checkpoint_every: int = 100_000, command: str = "", say: Say = print,
) -> int:
    """Start a run in ``folder``; its exit status: 0 finished, 1 diverged, 130 stopped by Ctrl-C.

    ``data``: tracks, a data set's name or a CSV. ``steps``: songs to learn from, rounded up to whole rounds.
    ``fit_schedule``: step size, clip and entropy fall over these steps, whatever ``settings.schedule_steps`` says.
    Raises ``ConfigError`` and ``DataError``.
    """
    refuse_used(folder)
    round_size = settings.rollout * world.environments
    if steps < 1 or seed < 0:
        raise ConfigError(f"steps is {steps}, seed is {seed}; they must be 1 or more, and 0 or more")
    if checkpoint_every < round_size:
        raise ConfigError(f"checkpoint_every is {checkpoint_every}; it must be {round_size:,} or more, a round")
    world.dials()
    tracks = load_tracks(data)
    if fit_schedule:
        settings = replace(settings, schedule_steps=steps)
    stored = {
        "agent": "ppo", "versions": versions(), "command": command, "data": source(data),
        "fingerprint": vae_run.fingerprint(tracks), "seed": seed, "steps": steps, "checkpoint_every": checkpoint_every,
        "world": asdict(world) | {"map": map_source(world.map)}, "ppo": asdict(settings), "sessions": [],
    }
    storage.write_json(folder / "config.json", stored)
    try:
        return _go(folder, stored, tracks, command, say)
    except (ConfigError, DataError):
        if not stored["sessions"] and not storage.checkpoints(folder):
            (folder / "config.json").unlink()  # no run has come of it: the folder is free for another try
        raise


def resume(folder: Path, *, steps: int | None = None, command: str = "", say: Say = print) -> int:
    """Go on with the run in ``folder`` from its last whole checkpoint (or from the start if it has none).

    ``steps``: None, or more than it was to have. Raises ``ConfigError`` and ``DataError``, also for changed data.
    """
    stored = read_config(folder)
    extend(stored, steps)
    tracks = tracks_of(stored)
    storage.write_json(folder / "config.json", stored)
    return _go(folder, stored, tracks, command, say)


def _go(folder: Path, stored: Config, tracks: Tracks, command: str, say: Say) -> int:
    """Announce, prepare or restore, train, keep."""
    from rlrec.agents.ppo import PPO, Round

    world, settings = settings_of(stored)
    try:
        env, found = environment(stored, make_catalogue(tracks), world.environments), storage.checkpoints(folder)
        say(f"data       {stored['data']}: {len(tracks):,} tracks")
        if found:
            agent = PPO.load(found[-1][1], env)
            say(f"resumed    from step {agent.step:,}")
        else:
            agent = PPO(song_map(folder, stored, tracks, env.catalogue, say), settings, stored["seed"])
    except KeyboardInterrupt:
        say(f"stopped before the training began; to go on: {resume_command(folder)}")
        return STOPPED
    effect = f"taste {world.taste_strength:g}, long-term effect {world.long_term_effect:g}"
    say(f"agent      ppo, {settings.action}, state {settings.state}, {agent.songs.shape[1]} dimensions, {effect}")
    say(f"steps      {stored['steps']:,}, {world.environments} listeners at a time, seed {stored['seed']}, in {folder}")
    told = {"fields": Round._fields, "told": TOLD, "every": 1}
    return run_session(folder, stored, agent, env, agent.save, **told, command=command, say=say)  # type: ignore[arg-type]


# -- what a run says of itself ---------------------------------------------------------------------------
def source(data: str) -> str:
    """A data set's name, or the whole path of a file."""
    name = data.strip().lower().replace("_", "-")
    return name if name in CATALOGUE else str(Path(data).expanduser().resolve())


def map_source(of: str) -> str:
    """As it stands for "vae" and "sound"; else the whole path of a folder."""
    return of if of in ("vae", "sound") else str(Path(of).expanduser().resolve())


def read_config(folder: Path) -> Config:
    """The settings of the PPO run in ``folder``. Raises ``DataError`` if there is none."""
    stored = storage.read_json(folder / "config.json")
    if not isinstance(stored, dict) or stored.get("agent") != "ppo":
        raise DataError(f"{folder}: no run of ppo; train one: rlrec train ppo --out {folder}")
    missing = {"data", "fingerprint", "seed", "steps", "checkpoint_every", "world", "ppo"} - stored.keys()
    if missing:
        raise DataError(f"{folder / 'config.json'}: {', '.join(sorted(missing))} missing; train the run again")
    return stored


def settings_of(stored: Config) -> tuple[World, PPOConfig]:
    """The world and the hyperparameters of a run."""
    try:
        ppo = stored["ppo"] | {"hidden": tuple(stored["ppo"]["hidden"])}
        return World(**stored["world"]), PPOConfig(**ppo)
    except (TypeError, KeyError) as error:
        raise DataError(f"config.json: settings of another version ({error}); train the run again") from None


def tracks_of(stored: Config) -> Tracks:
    """The tracks of a run. Raises ``DataError`` if they have changed since."""
    tracks = load_tracks(stored["data"])
    if vae_run.fingerprint(tracks) != stored["fingerprint"]:
        raise DataError(f"{stored['data']} has changed since the run was trained; train it again in another folder")
    return tracks


def environment(stored: Config, catalogue: Catalogue, num_envs: int) -> ListeningBatch:
    """Listeners as the run was trained with."""
    world, settings = settings_of(stored)
    mode: Any = "candidate" if settings.action == "offered" else "song"
    return ListeningBatch(
        num_envs, action=mode, observe="ids", catalogue=catalogue, n_candidates=world.candidates, history=20,
        **vars(world.dials()),
    )


def song_map(folder: Path, stored: Config, tracks: Tracks, catalogue: Catalogue, say: Say) -> NDArray[np.float64]:
    """Where each song lies [songs, d]: by a VAE (trained now, or before), or by the simulator's own map."""
    world, _ = settings_of(stored)
    if world.map == "sound":
        latents: NDArray[Any] = catalogue.sound
    else:
        place = folder / "map" if world.map == "vae" else Path(world.map)
        if world.map == "vae" and not (place / "config.json").exists():
            found = vae_run.train(place, stored["data"], seed=stored["seed"], say=lambda line: None)
            errors = f"error {found.vae.mse:.4f} on tracks never seen, PCA {found.pca.mse:.4f}"
            say(f"map        a VAE of 5 dimensions: {errors}")
        model, config = vae_run.load(place)
        if config["scaling"] != "fixed":
            raise ConfigError(f"{place}: trained on {config['scaling']} features; train it with fixed ranges")
        latents = model.latents(tracks.features)
    return np.column_stack([latents, catalogue.appeal]) if world.popularity else np.asarray(latents)


# -- songs for a history ---------------------------------------------------------------------------------
def recommend_tracks(folder: Path, titles: str, k: int) -> str:
    """The ``k`` best songs after ``titles`` ("Title; Title", the last one plays now), as lines of text.

    Each counts as heard to its end. Raises ``ConfigError`` and ``DataError``.
    """
    from rlrec.agents.ppo import PPO

    stored = read_config(folder)
    found = storage.checkpoints(folder)
    if not found:
        raise DataError(f"{folder} has no checkpoint yet; go on with it: {resume_command(folder)}")
    tracks, (step, checkpoint) = tracks_of(stored), found[-1]
    played = [tracks.index_of(title) for title in titles.split(";") if title.strip()]
    if not played:
        raise ConfigError("no title given; name one or more: --track 'Title; Title'")
    agent = PPO.load(checkpoint)
    songs, words = best_songs(agent, played, k)
    lines = [f"after {'; '.join(tracks.label(song) for song in played)} ({step:,} songs of training):"]
    width = max(len(tracks.label(int(song))) for song in songs)
    for place, (song, word) in enumerate(zip(songs, words, strict=True), 1):
        lines.append(f"{place:>2}. {tracks.label(int(song)):<{width}}  {word}")
    return "\n".join(lines)


def best_songs(agent: PPO, played: list[int], k: int) -> tuple[NDArray[np.int64], list[str]]:
    """Ids of the ``k`` best songs after ``played`` ids, and a word on each: its chance, or how far away it lies.

    An agent that chooses among what is on offer chooses from the whole catalogue here.
    """
    last = played[-20:]
    history, feedback = np.full((1, 20), -1), np.zeros((1, 20, 3))
    history[0, 20 - len(last) :], feedback[0, 20 - len(last) :] = last, HEARD
    seen = {"history": history, "feedback": feedback, "position": np.array([[min(len(played), 19)]])}
    left = np.setdiff1d(np.arange(len(agent.songs)), last)
    if not 1 <= k <= len(left):
        raise ConfigError(f"-k is {k}; it must lie in 1..{len(left)}, the songs that are left")
    if agent.continuous:
        songs = agent.recommend(seen, k)[0]
        return songs, [
            f"{np.linalg.norm(agent.songs[song] - agent.songs[last[-1]]):.2f} from what plays" for song in songs
        ]
    if agent.config.action == "offered":
        seen["candidates"] = left[None]
    candidates, chances = (row[0] for row in agent.probabilities(seen))
    best = np.argsort(-chances, kind="stable")[:k]
    return candidates[best], [f"chance {chances[i]:.4f} among {len(candidates):,}" for i in best]
