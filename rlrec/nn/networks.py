"""Small pieces that agents with networks share: layers, targets, copies, optimisers.

Each is one formula with a number to check it by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rlrec.errors import ConfigError, require_same_shapes
from rlrec.nn.backend import keras, tf
from rlrec.types import Arrays, Floats32

Tensor = Any
Variable = Any  # tf.Variable or a Keras one
Model = Any  # keras.Model
Batch = dict[str, Tensor]  # name -> [batch, ...]
Layers = list[tuple[Floats32, Floats32]]  # weights [inputs, units], biases [units]


def mlp(
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    rng: np.random.Generator,
    *,
    last_scale: float = 1.0,
    bias: bool = True,
) -> Model:
    """Multilayer perceptron: [batch, inputs] -> [batch, outputs].

    Hidden layers apply ReLU, the last layer is linear. Weights are initialised
    as by Glorot and Bengio (2010), from seeds that ``rng`` draws. ``last_scale`` >= 0
    multiplies the last layer's weights; at 0 the network starts at 0. ``bias=False``
    leaves the last layer without a bias.
    """
    layers = [keras.Input((inputs,))]
    for units in hidden:
        layers.append(
            keras.layers.Dense(units, "relu", kernel_initializer=_glorot(rng))
        )
    last = keras.layers.Dense(outputs, use_bias=bias, kernel_initializer=_glorot(rng))
    model = keras.Sequential([*layers, last])
    last.kernel.assign(last.kernel * last_scale)
    return model


def _glorot(rng: np.random.Generator) -> Any:
    return keras.initializers.GlorotUniform(seed=int(rng.integers(2**31)))


def mlp_layers(model: Model) -> Layers:
    """The weights of each layer of an ``mlp``, for ``mlp_forward``."""
    return [(one.kernel.numpy(), one.bias.numpy()) for one in model.layers]


def mlp_forward(network: Layers, x: Floats32) -> Floats32:
    """Output [..., outputs] of an ``mlp`` for x [..., inputs], in NumPy.

    Microseconds for a batch, where a call of TensorFlow costs a millisecond.
    """
    *hidden, (last, last_bias) = network
    for weights, bias in hidden:
        x = np.maximum(x @ weights + bias, 0.0)
    return np.asarray(x @ last + last_bias)


def td_target(
    reward: Tensor,
    terminated: Tensor,
    next_value: Tensor,
    discount: float,
    low: float = -np.inf,
    high: float = np.inf,
) -> Tensor:
    """TD target [batch]: ``clip(r + gamma (1 - terminated) Q'(s', a'), low, high)``.

    reward, terminated (0 or 1), next_value: [batch]. ``discount``: gamma, 0..1. A time
    limit (truncation) is no termination: the value of the next state still counts.
    Raises ``ConfigError`` for shapes that differ.

    >>> r, q = tf.constant([1.0, 1.0]), tf.constant([2.0, 2.0])
    >>> target = td_target(r, tf.constant([0.0, 1.0]), q, discount=0.9)
    >>> [round(float(one), 3) for one in target]
    [2.8, 1.0]
    """
    require_same_shapes(reward=reward, terminated=terminated, next_value=next_value)
    target = reward + discount * (1.0 - terminated) * next_value
    return tf.clip_by_value(target, low, high)


def polyak(
    targets: Sequence[Variable],
    sources: Sequence[Variable],
    tau: float,
) -> None:
    """Move each target towards its source: t <- t + tau (s - t), ``tau`` in 0..1.

    >>> target, source = tf.Variable(1.0), tf.Variable(2.0)
    >>> polyak([target], [source], tau=0.005)
    >>> round(float(target), 6)
    1.005
    """
    for target, source in zip(targets, sources, strict=True):
        target.assign(target + tau * (source - target))


def copy_weights(targets: Sequence[Variable], sources: Sequence[Variable]) -> None:
    """Make each target variable bit-identical to its source."""
    for target, source in zip(targets, sources, strict=True):
        target.assign(source)


def kernel_penalty(models: Sequence[Model]) -> Tensor:
    """L2 penalty: the sum of all squared weights, biases left out."""
    squares = []
    for model in models:
        for layer in model.layers:
            squares.append(tf.reduce_sum(tf.square(layer.kernel)))
    return tf.add_n(squares)


class Adam:
    """Adam (Kingma and Ba, 2015), bias corrected in the step size (section 2).

        m <- .9 m + .1 g
        v <- .999 v + .001 g^2
        w <- w - rate sqrt(1 - .999^t) / (1 - .9^t) m / (sqrt(v) + 1e-8)

    A gradient whose norm exceeds ``largest_norm`` is scaled down to it. All weights
    form one long vector: a compiled loop over many small ones is slow. ``variables``:
    the optimiser's state, for a checkpoint.
    """

    def __init__(
        self,
        learning_rate: float | Variable,
        weights: Sequence[Variable],
        largest_norm: float = np.inf,
    ) -> None:
        self.learning_rate = learning_rate
        self.weights = list(weights)
        self.largest_norm = largest_norm
        self.sizes = [int(np.prod(weight.shape)) for weight in self.weights]
        self.first = tf.Variable(tf.zeros(sum(self.sizes)))
        self.second = tf.Variable(tf.zeros(sum(self.sizes)))
        self.step = tf.Variable(0.0)
        self.variables = [self.first, self.second, self.step]

    def descend(self, tape: Any, loss: Tensor) -> None:
        """One step down the gradient of ``loss``, recorded on ``tape``."""
        gradients = tape.gradient(loss, self.weights)
        flat = [tf.reshape(part, [-1]) for part in gradients]
        gradient = tf.concat(flat, axis=0)  # [weights]
        norm = tf.maximum(tf.norm(gradient), 1e-12)
        gradient *= tf.minimum(1.0, self.largest_norm / norm)
        self.step.assign_add(1.0)
        self.first.assign(0.9 * self.first + 0.1 * gradient)
        self.second.assign(0.999 * self.second + 0.001 * tf.square(gradient))
        correction = tf.sqrt(1.0 - 0.999**self.step)
        rate = self.learning_rate * correction / (1.0 - 0.9**self.step)
        move = rate * self.first / (tf.sqrt(self.second) + 1e-8)
        parts = tf.split(move, self.sizes)
        for weight, part in zip(self.weights, parts, strict=True):
            weight.assign(weight - tf.reshape(part, weight.shape))


class SGD:
    """Gradient descent, ``w <- w - rate g``: steps that can be checked by hand."""

    def __init__(self, learning_rate: float, weights: Sequence[Variable]) -> None:
        self.learning_rate = learning_rate
        self.weights = list(weights)

    def descend(self, tape: Any, loss: Tensor) -> None:
        """One step down the gradient of ``loss``, recorded on ``tape``."""
        gradients = tape.gradient(loss, self.weights)
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.assign(weight - self.learning_rate * gradient)


class Checkpointed:
    """A learner whose weights and optimiser state are stored and restored by name.

    ``stored``: group -> variables, such as {"online": ..., "optimiser": ...}.
    ``given``: variables that it reads and does not learn, such as vectors of items.
    """

    config: Any
    stored: Mapping[str, Sequence[Variable]]
    given: Sequence[Variable] = ()

    @property
    def kind(self) -> str:
        """What its compiled updates depend on: settings, and shapes of variables."""
        variables = [*self._named(), *enumerate(self.given)]
        shapes = [(name, tuple(one.shape)) for name, one in variables]
        return repr((type(self), self.config, shapes))  # settings may hold lists

    def state(self) -> Arrays:
        """Weights and optimiser state: arrays GROUP_0, GROUP_1, ..."""
        return {name: variable.numpy().copy() for name, variable in self._named()}

    def restore(self, arrays: Arrays) -> None:
        """Assign what ``state`` returned.

        Raises ``ConfigError`` when an array is missing or its shape differs.
        """
        for name, variable in self._named():
            array = arrays.get(name)
            needed = tuple(variable.shape)
            found = None if array is None else array.shape
            if found != needed:
                raise ConfigError(
                    f"{name} has shape {found}, this agent needs {needed}: "
                    "was it stored with other settings?"
                )
            variable.assign(array)

    def _named(self) -> Iterator[tuple[str, Variable]]:
        for group, variables in self.stored.items():
            for i, variable in enumerate(variables):
                yield f"{group}_{i}", variable
