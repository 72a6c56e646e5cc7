"""What the site's reference pages hold beside their own words: tables made from the code whenever the site is built.

A page asks for one with a line of its own, a comment that a git host does not show: `<!-- generated: settings -->`.
"""

import re
from collections.abc import Callable
from typing import Any

from docutils import nodes

from docs.generated.codes import exit_codes, health_codes
from docs.generated.commands import commands
from docs.generated.interfaces import interfaces
from docs.generated.settings import settings

_MAKERS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "interfaces": interfaces,
    "commands": commands,
    "health-codes": health_codes,
    "exit-codes": exit_codes,
}
_MARK = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401 - Sphinx's
    """Called by Sphinx."""
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _outdated)
    app.connect("doctree-resolved", _dashes)
    app.connect("autodoc-process-docstring", _whole, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(app: Any, page: str, source: list[str]) -> None:  # noqa: ANN401
    source[0] = _MARK.sub(lambda mark: _MAKERS[mark[1]](), source[0])


def _outdated(app: Any, environment: Any, *_: object) -> list[str]:  # noqa: ANN401
    """Pages that hang on more than their own file are always made anew."""
    return [page for page in environment.found_docs if _MARK.search(environment.doc2path(page).read_text())]


def _whole(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:  # noqa: ANN401
    """Keeps napoleon from taking the words of an attribute up to a colon for its type: ours have their types in the code."""
    if what in ("attribute", "data", "property") and lines:
        lines[0] = ": " + lines[0]


def _dashes(app: Any, tree: Any, page: str) -> None:  # noqa: ANN401
    """Sphinx puts two hyphens between a parameter and its words."""
    for text in list(tree.findall(lambda node: isinstance(node, nodes.Text) and node == " -- ")):
        text.parent.replace(text, nodes.Text(" – "))
