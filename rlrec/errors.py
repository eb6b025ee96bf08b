"""Errors whose message says what was wrong, where, and what to do about it."""

import math
import sys
import warnings
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The smallest positive float: the lower end of a range that excludes 0.
ABOVE_ZERO = 5e-324
# The largest float below 1: the upper end of a range that excludes 1.
BELOW_ONE = math.nextafter(1.0, 0.0)
# The largest float: the upper end of a range that excludes infinity.
FINITE = sys.float_info.max
MOST_UNITS = 8_192  # of a hidden layer


class RlrecError(Exception):
    """Base class of the library's errors; their message is for the user."""


class DataError(RlrecError, ValueError):
    """A file or a row of it cannot be used; names file, row, column and remedy."""


class ConfigError(RlrecError, ValueError):
    """A setting is outside its range; names setting, value and range."""


class TensorFlowMissing(ConfigError, ModuleNotFoundError):
    """TensorFlow cannot be imported; says how to install it."""


class TrainingDiverged(RlrecError, RuntimeError):
    """A loss is NaN, or a critic predicts returns outside the possible range."""


class Notice(UserWarning):
    """Something that a user should know, and that stops nothing."""


def warn(message: str) -> None:
    """Report what stops nothing as a warning; the command prints it as a sentence."""
    warnings.warn(message, Notice, stacklevel=3)


def require_ranges(
    settings: object,
    ranges: Iterable[tuple[str, float, float]],
) -> None:
    """Raise ``ConfigError`` unless low <= value <= high for each attribute.

    ranges: (name of the attribute, low, high). `ABOVE_ZERO` as low excludes 0,
    `BELOW_ONE` as high excludes 1, `FINITE` excludes infinity, and with ``math.inf``
    there is no upper end.
    """
    for name, low, high in ranges:
        value = getattr(settings, name)
        if low <= value <= high:
            continue
        if high >= FINITE:
            wanted = "be above 0" if low == ABOVE_ZERO else f"be {low} or more"
            wanted += ", and finite" if high == FINITE else ""
        else:
            start = "(0" if low == ABOVE_ZERO else f"[{low}"
            end = "1)" if high == BELOW_ONE else f"{high}]"
            wanted = f"lie in {start}, {end}"
        raise ConfigError(f"{name} is {value}; it must {wanted}")


def require_layers(hidden: Sequence[int], least: int = 0) -> None:
    """Raise ``ConfigError`` unless ``least`` layers or more have 1..8,192 units each.

    >>> require_layers((64, 10**9))
    Traceback (most recent call last):
    rlrec.errors.ConfigError: hidden is (64, 1000000000); it needs 0 layers or more...
    """
    if len(hidden) < least or not all(1 <= units <= MOST_UNITS for units in hidden):
        raise ConfigError(
            f"hidden is {hidden}; it needs {least} layers or more, each of "
            f"1..{MOST_UNITS:,} units"
        )


def require_choice(
    settings: object,
    name: str,
    choices: Collection[str],
) -> None:
    """Raise ``ConfigError`` unless the attribute ``name`` is one of ``choices``."""
    value = getattr(settings, name)
    if value not in choices:
        raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(choices)}")


def require_same_shapes(**arrays: Any) -> None:
    """Raise ``ConfigError`` unless all arrays or tensors have the same shape.

    Shapes such as [batch] and [batch, 1] would silently broadcast to [batch, batch].
    """
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ConfigError(f"shapes must agree, got {shapes}")


def require_ids(name: str, ids: Any, count: float, low: int = -1) -> NDArray[np.int64]:
    """``ids`` as an array; ``ConfigError`` unless all are whole and low <= id < count.

    Unchecked, an id that is too large fails somewhere else or turns into another one,
    and a negative one counts from the end.

    >>> require_ids("history", [[-1, 2]], count=3).tolist()
    [[-1, 2]]
    >>> require_ids("history", [[-1, 2**32 + 1]], count=3)
    Traceback (most recent call last):
    rlrec.errors.ConfigError: history holds 4294967297, outside -1..2
    """
    found = np.asarray(ids)
    if found.dtype.kind not in "iu":
        raise ConfigError(f"{name} is {found.dtype}; need whole numbers")
    unknown = found[(found < low) | (found >= count)]
    if unknown.size:
        raise ConfigError(f"{name} holds {unknown[0]}, outside {low}..{count - 1}")
    return found.astype(np.int64, copy=False)
