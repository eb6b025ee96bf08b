"""The `rlrec` command in this process: words as a person types them."""

import shlex

from rlrec.cli import main


def words(*parts):
    """Arguments of a command line: strings are split as by a shell, paths are not."""
    arguments = []
    for part in parts:
        arguments += shlex.split(part) if isinstance(part, str) else [str(part)]
    return arguments


def rlrec(*parts):
    """Run a command; its exit status."""
    return main(words(*parts))
