"""Run one lesson with its exercises solved, and move every control of every widget.

    python drive.py LESSON.ipynb SOLUTIONS.ipynb REPORT.json [--without-tensorflow]

A subprocess of the tests; --without-tensorflow refuses its import and reports it. Cells
that neither an exercise nor a widget rests on are left out: the comparison of outputs
runs them.
"""

import ast
import contextlib
import importlib.machinery
import io
import json
import os
import symtable
import sys
from pathlib import Path

import nbformat

EXERCISE = "# Exercise "


class NoTensorFlow:
    """Finds TensorFlow and Keras, but notes and refuses to import them."""

    def __init__(self):
        self.imported = []

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras"):
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec):
        self.imported.append(spec.name)
        raise ImportError(f"{spec.name} is not for this lesson")


def exercises(notebook):
    """First line -> source, of the exercise cells of a notebook."""
    return {
        cell.source.splitlines()[0]: cell.source
        for cell in notebook.cells
        if is_exercise(cell)
    }


def is_exercise(cell):
    return cell.cell_type == "code" and cell.source.startswith(EXERCISE)


def names_of(source):
    """The names that a cell defines, and those that it takes from cells before it."""
    defined = set()
    taken = set()
    for statement in ast.parse(source).body:
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
        if isinstance(statement, ast.For):
            defined |= names_in(statement.target)
        taken |= read_in(table) - defined
        if isinstance(statement, ast.AugAssign):
            taken |= names_in(statement.target)
        symbols = table.get_symbols()
        defined |= {
            one.get_name() for one in symbols if one.is_assigned() or one.is_imported()
        }
    return defined, taken


def names_in(node):
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def read_in(table):
    """Names of the cell's own scope that are read in it, or in functions in it."""
    whole = table.get_type() == "module"
    found = {
        one.get_name()
        for one in table.get_symbols()
        if one.is_referenced() and (whole or one.is_global())
    }
    return found.union(*map(read_in, table.get_children()))


def needed_cells(notebook):
    """Cells that show a widget or use an answer, and what those rest on, in order."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    names = [names_of(cell.source) for cell in cells]
    answers = set().union(
        *(names[n][0] for n, cell in enumerate(cells) if is_exercise(cell))
    )
    kept = []
    used = set()
    for cell, (defined, taken) in zip(cells[::-1], names[::-1], strict=True):
        shows = any("image/png" in one.get("data", {}) for one in cell.outputs)
        widget = shows and "ab(" in cell.source
        if is_exercise(cell) or widget or answers & taken or defined & used:
            kept.append(cell)
            used = (used - defined) | taken
    return kept[::-1]


def moves(control):
    """States to send to a control, as the browser does: extremes, or each option."""
    if hasattr(control, "index"):
        return [{"index": index} for index in range(len(control.options))]
    if isinstance(control.value, bool):
        return [{"value": not control.value}, {"value": control.value}]
    if isinstance(control.value, tuple):
        middle = (control.min + control.max) / 2
        return [{"value": [control.min, middle]}, {"value": [middle, control.max]}]
    if hasattr(control, "min"):
        return [{"value": control.min}, {"value": control.max}]
    return [{"value": control.value + 1}, {"value": control.value - 1}]


def drive(lab):
    """Move each control to its extremes and back: which of them changed nothing."""
    still = []
    for name, control in lab.controls.items():
        start = control.get_state("index" if hasattr(control, "index") else "value")
        before = {
            key: value for key, value in start.items() if key in ("index", "value")
        }
        seen = {(lab.line.value, lab.picture.value)}
        for state in [*moves(control), before]:
            control.set_state(state)
            seen.add((lab.line.value, lab.picture.value))
        if len(seen) == 1:
            still.append(name)
    return {
        "title": lab.title,
        "still": still,
    }


def main(lesson, solutions, report, refuse):
    os.environ |= {"MPLBACKEND": "Agg", "RLREC_STRICT_WIDGETS": "1"}
    guard = NoTensorFlow()
    if refuse:
        sys.meta_path.insert(0, guard)
    import matplotlib.pyplot as plt

    from rlrec.viz import widgets

    labs = []
    construct = widgets.Lab.__init__

    def constructed(lab, *args, **kwargs):
        construct(lab, *args, **kwargs)
        labs.append(lab)

    widgets.Lab.__init__ = constructed
    notebook = nbformat.read(lesson, 4)
    solved = {}
    if Path(solutions).exists():
        solved = exercises(nbformat.read(solutions, 4))
    namespace = {
        "__name__": "__main__",
        "display": lambda *shown, **_: [repr(thing) for thing in shown],
    }
    result = {"labs": [], "checks": {}}
    os.chdir(Path(lesson).parent)
    sys.path.insert(0, os.getcwd())  # as a kernel does, for the lesson's own module
    for number, cell in enumerate(needed_cells(notebook)):
        source = cell.source
        first = source.partition("\n")[0]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(
                compile(
                    solved.get(first, source),
                    f"cell {number} of {Path(lesson).name}",
                    "exec",
                ),
                namespace,
            )
        if first.startswith(EXERCISE):
            result["checks"][first] = printed.getvalue()
        result["labs"] += [drive(lab) for lab in labs]
        labs.clear()
        plt.close("all")
    result["tensorflow"] = guard.imported
    Path(report).write_text(json.dumps(result, indent=1), "utf-8")


if __name__ == "__main__":
    main(
        *(os.path.abspath(path) for path in sys.argv[1:4]),
        refuse="--without-tensorflow" in sys.argv,
    )
