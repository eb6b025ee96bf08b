"""The study of lesson 11 over beta: figures of runs, summed up over seeds."""

import numpy as np
import pytest
from lab11_beta_study import study_betas

from rlrec.datasets import load_tracks
from rlrec.errors import ConfigError
from rlrec.runs.vae import measure_map, split
from rlrec.sound.vae import VAE, VAEConfig


def test_a_study_sums_up_over_seeds():
    lines = []
    config = VAEConfig(hidden=(16,), updates=30)
    found = study_betas(
        "generated",
        config,
        betas=(0.003, 0.3),
        seeds=(0, 1),
        command="c",
        say=lines.append,
    )
    assert [(part["scaling"], part["beta"]) for part in found["parts"]] == [
        ("fixed", 0.003),
        ("fixed", 0.3),
        ("min-max", 0.003),
    ]
    mse = found["parts"][0]["vae"]["mse"]
    assert mse["mean"] == pytest.approx(np.mean(mse["of_seeds"]))
    assert mse["low"] < mse["mean"] < mse["high"]
    known, new = split(load_tracks("generated").features, 1)
    model = VAE(config, 1)
    model.train(known)
    assert measure_map(model, known, new, 1).vae.mse == mse["of_seeds"][1]
    assert (found["seeds"], found["command"], len(lines)) == ([0, 1], "c", 3)


def test_one_seed_is_refused():
    with pytest.raises(ConfigError, match=r"\[3\]; .* 2 or more"):
        study_betas("generated", seeds=(3,))
