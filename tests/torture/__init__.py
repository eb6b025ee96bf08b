"""What must not happen to files, tried many times: `python -m tests.torture`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
