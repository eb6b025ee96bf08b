"""TensorFlow is quiet, imported only where it is needed, and missed in one sentence."""

import subprocess
import sys

import pytest

from rlrec.errors import ConfigError, TensorFlowMissing

REFUSE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )


def test_the_import_and_a_compiled_call_write_nothing():
    code = """
from rlrec.nn.backend import tf
tf.function(lambda x: x * x, jit_compile=True)(tf.constant(2.0))
"""
    done = run(code)
    assert (done.stdout, done.stderr) == ("", "")


def test_errors_after_the_import_are_still_seen():
    code = "import sys, rlrec.nn.backend; print('careful', file=sys.stderr)"
    assert run(code).stderr == "careful\n"


def test_agents_and_embeddings_settings_do_without_tensorflow():
    code = """
import sys, rlrec, rlrec.agents, rlrec.agents.retrieval
import rlrec.collaborative.embeddings
import rlrec.agents.ddpg_config, rlrec.agents.ppo_config
print("tensorflow" in sys.modules)
"""
    assert run(code).stdout == "False\n"


@pytest.mark.parametrize("module", ["nn.backend", "agents.ddpg", "agents.ppo"])
def test_without_tensorflow_one_sentence_says_what_to_install(module):
    code = f"""{REFUSE}
from rlrec.errors import TensorFlowMissing
try:
    import rlrec.{module}
except TensorFlowMissing as error:
    print(error)
"""
    said = run(code).stdout
    assert "need TensorFlow" in said
    assert "No module named 'keras'" in said
    assert 'pip install "rlrec[deep]"' in said
    assert said.count("\n") == 1


def test_a_missing_tensorflow_is_caught_as_what_it_is():
    assert issubclass(TensorFlowMissing, ConfigError)
    assert issubclass(TensorFlowMissing, ModuleNotFoundError)
