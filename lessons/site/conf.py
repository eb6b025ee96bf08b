"""Sphinx's settings for the site; build.py copies the pages and calls Sphinx."""

from __future__ import annotations

import html
import os
import re
from typing import Any

from docutils import nodes

import rlrec

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

project = "rlrec"
author = "The rlrec authors"
copyright = author
version = release = rlrec.__version__
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["_static", "colab"]

nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, Any] = {}  # they would be fetched
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "html_image", "tasklist"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python"]

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "exclude-members": "svds",  # of SciPy
}
autodoc_preserve_defaults = True
autodoc_type_aliases = {
    name: name for name in ("ArrayLike", "Bools", "Floats", "Floats32", "Ids")
}

html_theme = "furo"
html_title = "rlrec"
html_css_files = ["katex/katex.min.css", "site.css"]
html_js_files = [
    ("katex/katex.min.js", {"defer": "defer"}),
    ("katex/auto-render.min.js", {"defer": "defer"}),
    ("site.js", {"defer": "defer"}),
    ("lab.js", {"defer": "defer"}),
    ("belief.js", {"defer": "defer"}),
    ("listener.js", {"defer": "defer"}),
    ("exercises.js", {"defer": "defer"}),
]
html_show_sphinx = False
html_copy_source = False
html_show_search_summary = False  # it would be fetched: not possible from a folder
html_math_renderer = "katex"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def inline_math(writer: Any, node: Any) -> None:
    """A formula in a line, as text for KaTeX (site.js)."""
    writer.body.append(f'<span class="tex">{html.escape(node.astext())}</span>')
    raise nodes.SkipNode


def display_math(writer: Any, node: Any) -> None:
    """A formula of its own, as text for KaTeX (site.js)."""
    writer.body.append(f'<div class="tex">{html.escape(node.astext())}</div>')
    raise nodes.SkipNode


def literal_blocks(lines: list[str]) -> list[str]:
    """A docstring with `::` before each indented block, so that formulas stay lines.

    >>> literal_blocks(["The update:", "", "    new = old"])
    ['The update:', '', '::', '', '    new = old']
    """
    found: list[str] = []
    literal = None  # how far the last line before the block is indented
    before = ""
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if literal is not None and line.strip() and indent <= literal:
            literal = None
        outer = len(before) - len(before.lstrip())
        begins = line.strip() and found and not found[-1].strip() and indent > outer
        if begins and literal is None and not is_list_item(before):
            literal = outer
            found += [" " * outer + "::", ""]
        escaped = re.sub(r"(?<!`)\|(\w)", r"\\|\1", line)  # |x| is no substitution
        found.append(escaped if literal is None else line)
        before = line if line.strip() else before
    return found


def is_list_item(line: str) -> bool:
    return line.lstrip().startswith(("- ", "* ", ">>>", "1.", "2.", "3.", "4."))


def setup(app: Any) -> None:
    """Formulas for KaTeX; docstrings as they are written here."""
    app.add_html_math_renderer("katex", (inline_math, None), (display_math, None))

    def rewrite(
        _app: Any,
        _what: str,
        _name: str,
        _object: object,
        _options: Any,
        lines: list[str],
    ) -> None:
        lines[:] = literal_blocks(lines)

    app.connect("autodoc-process-docstring", rewrite)
