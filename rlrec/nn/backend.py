"""TensorFlow and Keras, imported once and quietly; everybody takes them from here.

TensorFlow's C++ code writes start-up notes to file descriptor 2, past ``sys.stderr``:
at its import, and again at the first compiled operation. Both happen here while that
descriptor points to the null device, so that no notebook shows them.
On a GPU, memory is taken as it is needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rlrec.errors import TensorFlowMissing


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what is written to descriptor 2; Python's exceptions pass through."""
    sys.stderr.flush()
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _load() -> tuple[Any, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras  # type: ignore[import-untyped]
        import tensorflow as tf  # type: ignore[import-untyped]
    except ImportError as error:
        raise TensorFlowMissing(
            "agents with neural networks need TensorFlow, which cannot be imported "
            f'({error}); install it with: pip install "rlrec[deep]"'
        ) from None
    # No advice about retracing: several agents in one notebook retrace rightly.
    tf.get_logger().setLevel("ERROR")
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    # The compiler writes its own notes at the first call.
    tf.function(lambda x: x + x, jit_compile=True)(tf.constant(1.0))
    return tf, keras


with quiet():
    tf, keras = _load()
