"""TensorFlow is quiet, and nobody imports it who does not need it."""

import subprocess
import sys


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )


def test_the_import_and_a_compiled_call_write_nothing():
    code = "from rlrec.nn.backend import tf; tf.function(lambda x: x * x, jit_compile=True)(tf.constant(2.0))"
    done = run(code)
    assert (done.stdout, done.stderr) == ("", "")


def test_errors_after_the_import_are_still_seen():
    done = run("import sys; import rlrec.nn.backend; print('careful', file=sys.stderr)")
    assert done.stderr == "careful\n"


def test_agents_and_embeddings_settings_do_without_tensorflow():
    code = "import sys, rlrec, rlrec.agents, rlrec.collaborative.embeddings, rlrec.agents.retrieval; print('tensorflow' in sys.modules)"
    assert run(code).stdout == "False\n"
