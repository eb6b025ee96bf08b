"""Types that the whole library shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ids = NDArray[np.int64]
Ids32 = NDArray[np.int32]
Bools = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]
Observations = dict[str, NDArray[Any]]  # what an environment shows of a batch
Say = Callable[[str], object]  # where a line of progress goes: print, or nowhere
Callback = Callable[[Any], bool | None]  # after each round; True stops the training
