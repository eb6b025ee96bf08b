"""Resuming: what may change, bit-identity, refusals that leave the run as it was."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest
from command import rlrec
from run_samples import SMALL, write_csv

from rlrec import storage
from rlrec.agents.ddpg import DDPG
from rlrec.agents.nstep import NStep
from rlrec.agents.ppo import PPO
from rlrec.errors import ConfigError
from rlrec.nn.backend import tf
from rlrec.runs.ddpg import DDPGRun
from rlrec.runs.nstep import NStepRun
from rlrec.runs.ppo import PPORun
from rlrec.runs.run import require_comparable

# Of each agent: flags of a small run, steps of a round.
FLAGS = {
    "ddpg": f"{' '.join(SMALL)} --seed 3",
    "ppo": "--data generated --map sound --rollout 16 --environments 8 --epochs 1 "
    "--hidden 8 --minibatch 64 --learning-rate 0.01",
    "nstep": "--rollout 16 --environments 8 --warm-up 0",
}
ROUND = {"ddpg": 64, "ppo": 128, "nstep": 128}
RUNS = {"ddpg": DDPGRun, "ppo": PPORun, "nstep": NStepRun}
AGENTS = {"ddpg": DDPG, "ppo": PPO, "nstep": NStep}
BOTH = pytest.mark.parametrize("agent", ["ddpg", "ppo", "nstep"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("data") / "own.csv")


def train(agent, data, out, rounds, schedule, every=1):
    """Train for some rounds; steps, schedule and checkpoints are in rounds."""
    size = ROUND[agent]
    source = f"--data {data}" if agent == "ddpg" else ""
    budget = f"--steps {rounds * size} --schedule-steps {schedule * size}"
    often = f"--checkpoint-every {every * size}"
    return rlrec(f"train {agent}", source, FLAGS[agent], budget, often, "--out", out)


def resume(agent, out, flags=""):
    """Resume with ``flags``, where {3} stands for the steps of three rounds."""
    sizes = [rounds * ROUND[agent] for rounds in range(9)]
    return rlrec(f"train {agent} --resume --out", out, flags.format(*sizes))


@pytest.fixture(scope="module", params=["ddpg", "ppo", "nstep"])
def base(request, data, tmp_path_factory):
    """An agent, and its run of two rounds, which are its whole schedule."""
    out = tmp_path_factory.mktemp(request.param) / "base"
    assert train(request.param, data, out, 2, 2) == 0
    return request.param, out


@pytest.fixture
def copied(base, tmp_path):
    agent, out = base
    shutil.copytree(out, tmp_path / "run")
    return agent, tmp_path / "run"


def arrays(out):
    """All arrays of the last checkpoint, by file and name."""
    step, folder = storage.checkpoints(out)[-1]
    found = {"step": np.array(step)}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            for name in stored.files:
                found[f"{path.name}/{name}"] = stored[name]
    return found


def last_row(out):
    with open(out / "metrics.csv") as file:
        return list(csv.DictReader(file))[-1]


@BOTH
def test_extended_twice_it_ends_bit_identical_to_one_run(agent, data, tmp_path, capsys):
    schedule = 4 if agent == "ddpg" else 6
    parts = tmp_path / "parts"
    assert train(agent, data, tmp_path / "whole", 6, schedule, every=3) == 0
    said = capsys.readouterr().out
    note = "schedule   ends at step 256: epsilon and noise stay at their floors"
    assert (note in said) == (agent == "ddpg")
    assert train(agent, data, parts, 2, schedule) == 0
    assert resume(agent, parts, "--steps {5}") == 0
    assert resume(agent, parts, "--steps {6} --checkpoint-every {2}") == 0
    assert "of it is over" not in capsys.readouterr().out
    whole = arrays(tmp_path / "whole")
    extended = arrays(parts)
    assert whole.keys() == extended.keys()
    assert whole["step"] == 6 * ROUND[agent]
    for name, values in whole.items():
        np.testing.assert_array_equal(extended[name], values, err_msg=name)


@pytest.mark.parametrize(
    ("flags", "changed"),
    [
        ("", {}),
        ("--checkpoint-every {2}", {"checkpoint_every": 2}),
        ("--schedule-steps {4}", {"schedule_steps": 4}),
        ("--steps {3} --schedule-steps {4}", {"steps": 3, "schedule_steps": 4}),
        (
            "--steps {4} --schedule-steps {4} --checkpoint-every {2}",
            {"steps": 4, "schedule_steps": 4, "checkpoint_every": 2},
        ),
    ],
)
def test_what_may_change_does_and_nothing_else(copied, flags, changed, capsys):
    agent, out = copied
    assert resume(agent, out, flags) == 0
    run = RUNS[agent].read(out)
    found = {
        "steps": run.steps,
        "checkpoint_every": run.checkpoint_every,
        "schedule_steps": getattr(run, agent).schedule_steps,
    }
    rounds = {"steps": 2, "checkpoint_every": 1, "schedule_steps": 2} | changed
    assert found == {name: count * ROUND[agent] for name, count in rounds.items()}
    step, checkpoint = storage.checkpoints(out)[-1]
    assert step == run.steps
    said = capsys.readouterr().out
    assert ("50% of it is over, not 100%" in said) == ("schedule_steps" in changed)
    if run.steps > 2 * ROUND[agent]:
        stored = storage.read_json(checkpoint / "agent.json")
        assert stored["config"]["schedule_steps"] == found["schedule_steps"]


def test_a_raised_schedule_counts_from_the_start(copied):
    """At step 128 of 256 epsilon is 1 - .95 / 2; with the old schedule it was .05."""
    agent, out = copied
    assert resume(agent, out, "--steps {3} --schedule-steps {4}") == 0
    if agent == "ddpg":
        assert last_row(out)["epsilon"] == "0.525"
    elif agent == "nstep":
        assert last_row(out)["epsilon"] == "0.55"  # at step 256 of 512
    else:
        assert float(last_row(out)["kl"]) != 0.0


def test_a_raised_schedule_is_another_configuration(copied, tmp_path, capsys):
    """The second half of these runs looked as if all of it had this schedule."""
    agent, raised = copied
    shutil.copytree(raised, tmp_path / "twin")
    twin = RUNS[agent].read(tmp_path / "twin")
    assert resume(agent, raised, "--steps {4} --schedule-steps {4}") == 0
    one = RUNS[agent].read(raised)
    two = 2 * ROUND[agent]
    assert one.schedule_until == {str(two): two}
    require_comparable([one, replace(one, seed=9)])
    settings = {agent: getattr(one, agent)}
    straight = replace(twin, seed=9, steps=one.steps, **settings)
    for runs in ([one, straight], [straight, one]):
        with pytest.raises(ConfigError, match=f"schedule_until.{two} .*None"):
            require_comparable(runs)
    assert resume(agent, raised, "--steps {6} --schedule-steps {6}") == 0
    four = {str(2 * two): 2 * two}
    assert RUNS[agent].read(raised).schedule_until == one.schedule_until | four


def test_past_its_schedule_ddpg_stays_at_the_floor(data, tmp_path, capsys):
    assert train("ddpg", data, tmp_path, 2, 2) == 0
    assert resume("ddpg", tmp_path, "--steps {3}") == 0
    assert "ends at step 128: epsilon and noise" in capsys.readouterr().out
    assert last_row(tmp_path)["epsilon"] == "0.05"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--steps {1}", "they can only be raised"),
        ("--schedule-steps {1}", "they can only be raised"),
        ("--steps {4} --schedule-steps {1}", "they can only be raised"),
        ("--steps 0", "steps 0, schedule_steps"),
        ("--checkpoint-every 1", "a round"),
        ("--steps {4} --seed 9", "--seed 9 contradicts"),
        ("--steps {4} --hidden 9", "--hidden (9,) contradicts"),
    ],
)
def test_a_refused_resume_leaves_the_run_as_it_was(base, flags, words, capsys):
    agent, out = base
    if agent == "nstep":
        flags = flags.replace("--hidden 9", "--n 9")
        words = words.replace("--hidden (9,)", "--n 9")
    before = (out / "config.json").read_bytes()
    assert resume(agent, out, flags) == 1
    assert words in capsys.readouterr().err
    assert (out / "config.json").read_bytes() == before
    assert resume(agent, out) == 0


def test_a_ppo_run_past_its_schedule_is_refused_before_anything_is_stored(
    data, tmp_path, capsys
):
    """The refused resume stored its steps, so that a plain --resume failed, too."""
    out = tmp_path / "run"
    assert train("ppo", data, out, 2, 2) == 0
    before = (out / "config.json").read_bytes()
    assert resume("ppo", out, "--steps {4}") == 1
    said = capsys.readouterr().err
    assert "the schedule ends at step 256" in said
    assert "from step 384 on would learn nothing" in said
    assert "give all steps of the training as schedule_steps, too (--sch" in said
    assert (out / "config.json").read_bytes() == before
    assert resume("ppo", out) == 0
    assert train("ppo", data, tmp_path / "new", 3, 2) == 1
    assert not (tmp_path / "new").exists()


def test_what_only_the_training_finds_is_undone_too(copied, monkeypatch, capsys):
    def refuse(self, *args, **settings):
        raise ConfigError("a reward of 99")

    agent, out = copied
    path = out / "config.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    before = path.read_bytes()
    monkeypatch.setattr(AGENTS[agent], "train", refuse)
    assert resume(agent, out, "--steps {4} --schedule-steps {4}") == 1
    assert "a reward of 99" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "words", ["train qlearning --steps 50", "train vae --updates 2"]
)
def test_an_agent_that_cannot_be_resumed_keeps_its_run(words, tmp_path, capsys):
    tf.config.run_functions_eagerly(True)
    assert rlrec(words, "--out", tmp_path) == 0
    tf.config.run_functions_eagerly(False)
    before = (tmp_path / "config.json").read_bytes()
    assert rlrec(words, "--seed 5 --out", tmp_path) == 1
    said = capsys.readouterr().err
    assert "holds a run already" in said
    assert "--resume" not in said
    assert (tmp_path / "config.json").read_bytes() == before


# -- compiled listeners ----------------------------------------------------------------
def test_compiled_listeners_train_resume_and_evaluate(tmp_path, capsys):
    several = f"{FLAGS['ppo']} --compiled --schedule-steps 256 --steps"
    for folder in ("one", "two"):
        steps = 128 if folder == "one" else 256
        assert rlrec(f"train ppo {several} {steps} --out", tmp_path / folder) == 0
    assert rlrec("train ppo --resume --steps 256 --out", tmp_path / "one") == 0
    whole, resumed = arrays(tmp_path / "two"), arrays(tmp_path / "one")
    for name, array in whole.items():
        np.testing.assert_array_equal(resumed[name], array, name)
    run = PPORun.read(tmp_path / "two")
    assert (
        run.identity != replace(run, world=replace(run.world, compiled=False)).identity
    )
    agent = run.load(run.last_checkpoint()[1])
    seen = {"history": np.full((1, 20), -1), "feedback": np.zeros((1, 20, 3))}
    seen |= {"position": np.zeros((1, 1)), "candidates": np.arange(10)[None]}
    assert agent.recommend(seen).shape == (1, 1)


@pytest.mark.parametrize("flags", ["ppo --state belief", "nstep"])
def test_compiled_listeners_are_for_the_plain_ppo(flags, tmp_path, capsys):
    assert rlrec(f"train {flags} --compiled --out", tmp_path / "none") == 1
    assert "compiled" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


# -- several seeds ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("agent", "more"), [("ppo", ""), ("ppo", "--compiled"), ("nstep", "")]
)
def test_a_seed_among_others_is_as_it_would_be_alone(agent, more, tmp_path, capsys):
    """Two rounds; the first two seeds stop after one, the third has not begun then."""
    size = ROUND[agent]
    flags = f"{FLAGS[agent]} {more}"
    several = f"{flags} --schedule-steps {2 * size} --seed 4 --out {tmp_path}/all"
    assert rlrec(f"train {agent} --seeds 2 --steps {size}", several) == 0
    assert rlrec(f"train {agent} --seeds 3 --steps {2 * size} --resume", several) == 0
    assert capsys.readouterr().out.endswith("seed-*\n")
    alone = tmp_path / "alone"
    budget = f"--steps {2 * size} --schedule-steps {2 * size}"
    for seed in (5, 6):
        assert rlrec(f"train {agent} {flags} {budget} --seed {seed} --out", alone) == 0
        expected = arrays(alone)
        found = arrays(tmp_path / "all" / f"seed-{seed}")
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array, name)
        shutil.rmtree(alone)


def test_several_do_not_go_into_the_folder_of_one(copied, capsys):
    agent, out = copied
    assert rlrec(f"train {agent} --seeds 2 --out", out) == 1
    assert "holds one run" in capsys.readouterr().err
    assert not list(out.glob("seed-*"))


def test_no_seed_is_refused(tmp_path, capsys):
    assert rlrec("train ppo --seeds 0 --out", tmp_path / "none") == 1
    assert "seeds is 0" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
