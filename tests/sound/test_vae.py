"""The map of sound: by hand, and against TensorFlow, autograd and the SVD."""

from dataclasses import fields, replace

import numpy as np
import pytest

from rlrec.datasets import load_tracks
from rlrec.errors import ConfigError, DataError, TrainingDiverged
from rlrec.nn.backend import tf
from rlrec.sound.vae import (
    INPUTS,
    PCA,
    VAE,
    VAEConfig,
    kl_to_normal,
    reconstruction_error,
)
from rlrec.sound.vae_training import fit, shared_trainer

SMALL = VAEConfig(dimensions=3, hidden=(16,), updates=54, batch_size=100)
TRACKS = load_tracks("generated").features
KNOWN, NEW = TRACKS[:1800], TRACKS[1800:]


@pytest.fixture(scope="module")
def trained():
    model = VAE(VAEConfig(hidden=(32,), updates=2000), seed=1)
    history = model.train(KNOWN)
    return model, history


# -- by hand ---------------------------------------------------------------------------
def test_kl_by_hand():
    """mu 1, variance .25: (1 + .25 - 1 + 1.386) / 2 = .818; a standard normal: 0."""
    assert kl_to_normal(1.0, np.log(0.25)) == pytest.approx((0.25 + np.log(4)) / 2)
    assert kl_to_normal(1.0, np.log(0.25)) == pytest.approx(0.818, abs=5e-4)
    assert kl_to_normal(0.0, 0.0) == 0.0
    z = 1.0 + 0.5 * np.random.default_rng(0).standard_normal(200_000)
    log_ratio = -((z - 1.0) ** 2) / 0.5 - np.log(0.5) + z**2 / 2
    assert log_ratio.mean() == pytest.approx(0.818, abs=0.01)


def one_number_map():
    """One dimension, no hidden layer: mu = x_0, log variance = log .25.

    The decoder gives sigmoid(z) for feature 0, and .5 for all others.
    """
    model = VAE(VAEConfig(dimensions=1, hidden=()))
    for values in model.weights.values():
        values[:] = 0.0
    model.weights["encoder_0"][0, 0] = 1.0
    model.weights["encoder_0_bias"][1] = np.log(0.25)
    model.weights["decoder_0"][0, 0] = 1.0
    return model


def test_a_map_of_one_number_by_hand():
    model, track = one_number_map(), np.full((1, INPUTS), 0.5, np.float32)
    track[0, 0] = 1.0
    means, log_variances = model.posterior(track)
    assert (means.item(), np.exp(log_variances).item()) == (1.0, pytest.approx(0.25))
    assert model.kl(track) == pytest.approx([0.818], abs=5e-4)
    found = model.decode(model.encode(track))
    assert found[0, 0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert found[0, 1:] == pytest.approx(np.full(10, 0.5))
    assert reconstruction_error(model, track) == pytest.approx(
        (1 - 0.731059) ** 2 / 11, rel=1e-4
    )


def test_the_parts_of_the_loss_by_hand():
    """Noise 2: z = 1 + .5 * 2 = 2; error (1 - sigmoid 2)^2; KL .818; both are sums."""
    trainer, model = shared_trainer(1, ()), one_number_map()
    trainer.start(model.weights, 0.0)
    tracks = np.full((2, INPUTS), 0.5, np.float32)
    tracks[:, 0] = 1.0
    tracks[1, 1] = 0.0  # one more feature off by .5
    error, kl = trainer.parts(tf.constant(tracks), tf.constant([[2.0], [2.0]]))
    first = (1 - 1 / (1 + np.exp(-2.0))) ** 2
    assert float(error) == pytest.approx((first + first + 0.25) / 2, rel=1e-5)
    assert float(kl) == pytest.approx(0.818, abs=5e-4)


def test_latents_by_hand():
    model = one_number_map()
    model.low, model.high = np.array([0.2], np.float32), np.array([0.6], np.float32)
    tracks = np.zeros((3, INPUTS), np.float32)
    tracks[:, 0] = [0.3, 0.0, 1.0]
    assert model.latents(tracks)[:, 0] == pytest.approx([0.25, 0.0, 1.0])  # clipped
    assert model.to_means([[0.25]])[0, 0] == pytest.approx(0.3)
    model.active = np.array([False])
    assert model.latents(tracks)[:, 0].tolist() == [0.5, 0.5, 0.5]


# -- against a second opinion ----------------------------------------------------------
def test_numpy_and_tensorflow_say_the_same(trained):
    model, _ = trained
    trainer = shared_trainer(5, (32,))
    trainer.start(model.weights, 0.0)
    error, kl = trainer.parts(tf.constant(NEW), tf.zeros((len(NEW), 5)))
    assert float(error) == pytest.approx(
        INPUTS * reconstruction_error(model, NEW), rel=1e-4
    )
    assert float(kl) == pytest.approx(model.kl(NEW).sum(), rel=1e-4)


def test_one_step_against_written_out_adam():
    """Adam's first step moves each weight by the step size, against its gradient."""
    config = replace(SMALL, updates=1, batch_size=400, learning_rate=0.01, beta=0.5)
    model, tracks = VAE(config, 3), KNOWN[:400]
    after, history = fit(model.weights, tracks, config, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    batch = tracks[rng.permutation(400)]
    noise = rng.standard_normal((1, 400, 3), np.float32)[0]
    w = {name: tf.Variable(values) for name, values in model.weights.items()}
    with tf.GradientTape() as tape:
        hidden = tf.nn.relu(batch @ w["encoder_0"] + w["encoder_0_bias"])
        mu, log_variance = tf.split(
            hidden @ w["encoder_1"] + w["encoder_1_bias"], 2, axis=1
        )
        z = mu + tf.exp(log_variance / 2) * noise
        found = tf.sigmoid(
            tf.nn.relu(z @ w["decoder_0"] + w["decoder_0_bias"]) @ w["decoder_1"]
            + w["decoder_1_bias"]
        )
        error = tf.reduce_sum((batch - found) ** 2) / 400
        kl = tf.reduce_sum(mu**2 + tf.exp(log_variance) - 1 - log_variance) / 800
        loss = error + 0.5 * kl
    for name, gradient in zip(w, tape.gradient(loss, list(w.values())), strict=True):
        moved = after[name] - model.weights[name]
        clear = np.abs(gradient) > 1e-4
        np.testing.assert_allclose(
            moved[clear], -0.01 * np.sign(gradient)[clear], atol=1e-4
        )
    assert history.squared_error[0] == pytest.approx(float(error), rel=1e-4)
    assert history.kl[0] == pytest.approx(float(kl), rel=1e-4)


@pytest.mark.parametrize("dimensions", [1, 5, 11])
def test_pca_against_the_singular_value_decomposition(dimensions):
    model = PCA(dimensions)
    model.train(KNOWN)
    mean = KNOWN.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(KNOWN - mean, full_matrices=False)[2][:dimensions]
    expected = mean + (NEW - mean) @ axes.T @ axes
    np.testing.assert_allclose(model.decode(model.encode(NEW)), expected, atol=1e-5)
    assert reconstruction_error(model, NEW) == pytest.approx(
        np.mean((expected - NEW) ** 2), abs=1e-6
    )
    assert model.encode(NEW).shape == (200, dimensions)


# -- what it is for --------------------------------------------------------------------
def test_it_beats_pca_on_tracks_it_never_saw(trained):
    model, history = trained
    linear = PCA(5)
    linear.train(KNOWN)
    assert reconstruction_error(model, NEW) < 0.95 * reconstruction_error(linear, NEW)
    assert history.squared_error[-1] < 0.2 * history.squared_error[0]
    assert model.active.all()


def test_a_large_beta_collapses_and_says_so():
    model = VAE(VAEConfig(hidden=(32,), updates=500, beta=2.0))
    history = model.train(KNOWN)
    assert not model.active.any()
    assert (model.latents(NEW) == 0.5).all()
    assert history.kl[-1] < 0.02


def test_latents_lie_in_the_unit_box_and_lead_back(trained):
    model, _ = trained
    latents = model.latents(KNOWN)
    assert (latents.min(axis=0), latents.max(axis=0)) == (
        pytest.approx(np.zeros(5)),
        pytest.approx(np.ones(5)),
    )
    np.testing.assert_allclose(model.to_means(latents), model.encode(KNOWN), atol=1e-4)
    assert (model.latents(np.ones((1, INPUTS))) <= 1).all()


# -- the same bits; storing ------------------------------------------------------------
def test_same_seed_same_bits_whatever_was_trained_between():
    found = []
    for seed in (1, 2, 1):
        model = VAE(SMALL, seed)
        model.train(KNOWN)
        found.append(model.encode(NEW))
    np.testing.assert_array_equal(found[0], found[2])
    assert (found[0] != found[1]).any()


CHANGES = {
    "dimensions": 2,
    "hidden": (8,),
    "beta": 0.5,
    "learning_rate": 0.1,
    "updates": 20,
    "batch_size": 64,
}


@pytest.mark.parametrize("name", [field.name for field in fields(VAEConfig)])
def test_each_hyperparameter_is_read(name):
    found = []
    for config in (SMALL, replace(SMALL, **{name: CHANGES[name]})):
        model = VAE(config)
        model.train(KNOWN)
        found.append(model.encode(NEW))
    assert found[0].shape != found[1].shape or (found[0] != found[1]).any()


def test_save_and_load(tmp_path, trained):
    model, _ = trained
    model.save(tmp_path)
    twin = VAE.load(tmp_path)
    np.testing.assert_array_equal(twin.latents(NEW), model.latents(NEW))
    np.testing.assert_array_equal(
        twin.decode(twin.to_means(twin.latents(NEW))),
        model.decode(model.to_means(model.latents(NEW))),
    )
    assert (twin.config, twin.seed) == (model.config, model.seed)
    with pytest.raises(DataError, match="is this the folder of a run"):
        VAE.load(tmp_path / "nowhere")
    replaced = (
        (tmp_path / "vae.json")
        .read_text()
        .replace('"dimensions": 5', '"dimensions": 4')
    )
    (tmp_path / "vae.json").write_text(replaced)
    with pytest.raises(DataError, match="another shape"):
        VAE.load(tmp_path)


def test_fewer_tracks_than_a_batch_and_whole_passes():
    model = VAE(replace(SMALL, batch_size=1000))
    assert model.train(KNOWN[:7]).kl.shape == (54,)
    assert model.train(KNOWN).kl.shape == (54,)  # one batch a pass
    assert VAE(replace(SMALL, updates=19)).train(KNOWN).kl.shape == (
        2,
    )  # 18 batches a pass


def broken(value):
    features = NEW.copy()
    features[3, 4] = value
    return features


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: VAEConfig(dimensions=12), r"must lie in \[1, 11\]"),
        (lambda: VAEConfig(updates=0), "updates is 0"),
        (lambda: VAEConfig(hidden=(8, 0)), "each of 1..8,192 units"),
        (lambda: VAEConfig(beta=-1.0), "beta is -1.0"),
        (lambda: VAEConfig(learning_rate=np.inf), "learning_rate is inf"),
        (lambda: PCA(0), "dimensions is 0"),
        (lambda: VAE(SMALL).encode(NEW[:, :4]), r"must be \[tracks, 11\]"),
        (lambda: VAE(SMALL).encode(broken(1.5)), "scale them to"),
        (lambda: VAE(SMALL).train(broken(np.nan)), "scale them to"),
        (lambda: VAE(SMALL).train(NEW[:0]), "no tracks"),
        (lambda: VAE(SMALL).decode(np.zeros((2, 5))), r"must be \[points, 3\]"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ConfigError, match=words):
        call()


def test_a_training_that_diverges_says_so():
    with pytest.raises(TrainingDiverged, match="smaller learning_rate"):
        VAE(replace(SMALL, learning_rate=1e6)).train(KNOWN)


def test_a_loss_of_your_own_takes_the_place_of_the_librarys():
    """A mean over eleven features instead of a sum: the map collapses.

    Beta counts eleven times as much.
    """

    def mean_error(features, found, means, log_variances):
        kl = 0.5 * tf.reduce_sum(
            tf.square(means) + tf.exp(log_variances) - 1.0 - log_variances, axis=1
        )
        return tf.reduce_mean(tf.square(features - found)), tf.reduce_mean(kl)

    config = VAEConfig(hidden=(32,), updates=800, beta=0.06)
    right, wrong = VAE(config), VAE(config)
    right.train(KNOWN)
    wrong.train(KNOWN, mean_error)
    assert right.active.sum() >= 2
    assert not wrong.active.any()
