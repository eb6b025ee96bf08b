"""Small pieces that the value-based agents share: networks, targets, copies, with a formula and a number for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError
from rlrec.nn.backend import keras, tf

Tensor = Any
Model = Any  # keras.Model


def mlp(
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    rng: np.random.Generator,
    *,
    last_scale: float = 1.0,
    bias: bool = True,
) -> Model:
    """Dense layers with ReLU, the last one linear: [batch, inputs] -> [batch, outputs].

    Weights are drawn as Glorot and Bengio (2010) do, from seeds that ``rng`` gives; ``last_scale`` >= 0 multiplies
    those of the last layer, so that 0 starts the network at 0. ``bias=False`` leaves the last layer without one.
    """
    layers = [
        keras.layers.Dense(units, "relu", kernel_initializer=_glorot(rng))
        for units in hidden
    ]
    last = keras.layers.Dense(outputs, use_bias=bias, kernel_initializer=_glorot(rng))
    model = keras.Sequential([keras.Input((inputs,)), *layers, last])
    last.kernel.assign(last.kernel * last_scale)
    return model


def _glorot(rng: np.random.Generator) -> Any:
    return keras.initializers.GlorotUniform(seed=int(rng.integers(2**31)))


def td_target(
    reward: Tensor,
    terminated: Tensor,
    next_value: Tensor,
    discount: float,
    low: float = -np.inf,
    high: float = np.inf,
) -> Tensor:
    """``r + gamma Q'(s', a')``, and ``r`` alone where the episode terminated; clipped to [low, high]: [batch].

    A time limit (truncation) is no termination: the value of the next state stays. Raises ``ConfigError`` for shapes
    that differ, such as [batch] and [batch, 1], which would silently broadcast to [batch, batch].

    >>> r, q = tf.constant([1.0, 1.0]), tf.constant([2.0, 2.0])
    >>> [round(float(target), 3) for target in td_target(r, tf.constant([0.0, 1.0]), q, discount=0.9)]
    [2.8, 1.0]
    """
    if not reward.shape == terminated.shape == next_value.shape:
        raise ConfigError(
            f"reward {reward.shape}, terminated {terminated.shape}, value {next_value.shape}: must agree"
        )
    return tf.clip_by_value(
        reward + discount * (1.0 - terminated) * next_value, low, high
    )


def polyak(targets: Sequence[Any], sources: Sequence[Any], tau: float) -> None:
    """Move each target variable the share ``tau`` (0..1) towards its source: ``t <- t + tau (s - t)``.

    >>> target, source = tf.Variable(1.0), tf.Variable(2.0)
    >>> polyak([target], [source], tau=0.005)
    >>> round(float(target), 6)
    1.005
    """
    for target, source in zip(targets, sources, strict=True):
        target.assign(target + tau * (source - target))


def copy_weights(targets: Sequence[Any], sources: Sequence[Any]) -> None:
    """Make each target variable equal to its source, to the bit."""
    for target, source in zip(targets, sources, strict=True):
        target.assign(source)


def kernel_penalty(models: Sequence[Model]) -> Tensor:
    """The sum of squared weights, biases left out (L2)."""
    kernels = [
        variable
        for model in models
        for variable in model.trainable_variables
        if len(variable.shape) == 2
    ]
    return tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels])


class Adam:
    """Adam (Kingma and Ba, 2015, algorithm 1) on one long vector of all weights, with the gradient's length limited.

        m <- .9 m + .1 g,  v <- .999 v + .001 g^2,  w <- w - rate sqrt(1 - .999^t) / (1 - .9^t) m / (sqrt(v) + 1e-8)

    One long vector because a compiled loop over many small ones spends its time between them.
    """

    def __init__(
        self, learning_rate: float, weights: Sequence[Any], largest_norm: float = np.inf
    ) -> None:
        self.learning_rate, self.largest_norm, self.weights = (
            learning_rate,
            largest_norm,
            list(weights),
        )
        self.sizes = [int(np.prod(variable.shape)) for variable in self.weights]
        self.first, self.second = (
            tf.Variable(tf.zeros(sum(self.sizes))) for _ in range(2)
        )
        self.step = tf.Variable(0.0)

    @property
    def variables(self) -> list[Any]:
        """What has to be stored."""
        return [self.first, self.second, self.step]

    def descend(self, tape: Any, loss: Tensor) -> None:
        """One step down the gradient of ``loss``, which is shortened to ``largest_norm`` if it is longer."""
        gradients = tape.gradient(loss, self.weights)
        gradient = tf.concat(
            [tf.reshape(part, [-1]) for part in gradients], axis=0
        )  # [weights]
        gradient *= tf.minimum(
            1.0, self.largest_norm / tf.maximum(tf.norm(gradient), 1e-12)
        )
        self.step.assign_add(1.0)
        self.first.assign(0.9 * self.first + 0.1 * gradient)
        self.second.assign(0.999 * self.second + 0.001 * tf.square(gradient))
        rate = (
            self.learning_rate
            * tf.sqrt(1.0 - 0.999**self.step)
            / (1.0 - 0.9**self.step)
        )
        move = tf.split(rate * self.first / (tf.sqrt(self.second) + 1e-8), self.sizes)
        for weight, part in zip(self.weights, move, strict=True):
            weight.assign(weight - tf.reshape(part, weight.shape))


class SGD:
    """Plain gradient descent, ``w <- w - rate g``; steps of the size that one works out by hand."""

    def __init__(
        self, learning_rate: float, weights: Sequence[Any], largest_norm: float = np.inf
    ) -> None:
        self.learning_rate, self.largest_norm, self.weights = (
            learning_rate,
            largest_norm,
            list(weights),
        )
        self.variables: list[Any] = []

    def descend(self, tape: Any, loss: Tensor) -> None:
        """One step down the gradient of ``loss``, which is shortened to ``largest_norm`` if it is longer."""
        gradients = tape.gradient(loss, self.weights)
        shrink = tf.minimum(
            1.0, self.largest_norm / tf.maximum(tf.linalg.global_norm(gradients), 1e-12)
        )
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.assign(weight - self.learning_rate * shrink * gradient)


def to_arrays(name: str, variables: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """The variables as arrays ``name_0``, ``name_1`` .. for a checkpoint."""
    return {
        f"{name}_{i}": variable.numpy().copy() for i, variable in enumerate(variables)
    }


def from_arrays(
    name: str, variables: Sequence[Any], arrays: dict[str, NDArray[Any]]
) -> None:
    """Take over what ``to_arrays`` gave. Raises ``ConfigError`` when a shape differs or an array is missing."""
    for i, variable in enumerate(variables):
        stored = arrays.get(f"{name}_{i}")
        if stored is None or stored.shape != tuple(variable.shape):
            found = "missing" if stored is None else str(stored.shape)
            raise ConfigError(
                f"{name}_{i} is {found}, this agent needs {tuple(variable.shape)}: other settings?"
            )
        variable.assign(stored)
