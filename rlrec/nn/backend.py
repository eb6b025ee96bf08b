"""TensorFlow and Keras, imported once and quietly; everything here that needs them takes them from this module.

TensorFlow writes start-up notes to descriptor 2 from C++, past Python's ``sys.stderr``, at its import and again at the
first compiled operation. Both happen here with that descriptor turned to the null device, so that no notebook shows
them. On a GPU memory is taken as it is needed, not whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rlrec.errors import ConfigError


@contextmanager
def quiet() -> Iterator[None]:
    """Send what is written to descriptor 2 to the null device meanwhile; Python errors still reach the reader."""
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _load() -> tuple[Any, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras  # type: ignore[import-untyped]
    import tensorflow as tf  # type: ignore[import-untyped]

    tf.get_logger().setLevel(
        "ERROR"
    )  # no advice on compiling anew: several agents in one notebook do
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    return tf, keras


with quiet():
    tf, keras = _load()


def first_operation() -> float:
    """Compile and run 1 + 1: whatever the compiler has to say at its first call it says here."""
    return float(tf.function(lambda x: x + x, jit_compile=True)(tf.constant(1.0)))


with quiet():
    first_operation()


def set_threads(count: int) -> None:
    """Let TensorFlow use ``count`` >= 1 threads; only before its first operation, so call it in a fresh process.

    Raises ``ConfigError`` for a count below 1 or when TensorFlow has started already.
    """
    if count < 1:
        raise ConfigError(f"count is {count}; it must be 1 thread or more")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(count)
    except RuntimeError:
        raise ConfigError(
            "TensorFlow is running already; set TF_NUM_INTRAOP_THREADS before the start"
        ) from None


def deterministic() -> None:
    """Ask TensorFlow for kernels that give the same bits each time (needed on a GPU; the CPU ones here do already)."""
    tf.config.experimental.enable_op_determinism()
