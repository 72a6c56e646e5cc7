"""The reference of the command `rig`, out of the commands themselves."""

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from rig_capture.cli import app


def commands() -> str:
    """All commands with their arguments and options, in the order of `rig --help`."""
    root: Any = get_command(app)
    context = root.make_context("rig", [], resilient_parsing=True)
    lines: list[str] = []
    for name in root.list_commands(context):
        # As when it is called: the help alone knows only its line.
        _, command, _ = root.resolve_command(context, [name])
        lines += _command(f"rig {name}", command, context, 2)
    return "\n".join(lines)


def _command(path: str, command: Any, parent: Any, level: int) -> Iterator[str]:  # noqa: ANN401 - typer's own click
    context = command.context_class(command, info_name=path.rpartition(" ")[2], parent=parent)
    yield from (f"{'#' * level} {path}", "", _prose(command.help or ""), "")
    children = getattr(command, "commands", {})
    if not children:
        pieces = " ".join(command.collect_usage_pieces(context))
        yield from ("```console", f"$ {path} {pieces}".rstrip(), "```", "")
        yield from _parameters(command, context)
    for name, child in children.items():
        if not child.hidden:
            yield from _command(f"{path} {name}", child, context, level + 1)


def _parameters(command: Any, context: Any) -> Iterator[str]:  # noqa: ANN401
    # A range stands behind the words already.
    records = [
        (record[0].replace(" range>", ">"), record[1])
        for parameter in command.params
        if (record := parameter.get_help_record(context)) is not None
    ]
    if records:
        yield from ("| | |", "|---|---|")
        yield from (f"| `{name.replace('|', chr(92) + '|')}` | {_cell(text)} |" for name, text in records)
        yield ""


def _prose(help_text: str) -> str:
    """A docstring's paragraphs, as Markdown."""
    text = re.sub(r"\n\n[ \t]*(Args|Raises|Returns):.*", "", help_text.replace("\f", "").replace("\b", ""), flags=re.DOTALL)
    return _escaped(text)


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Without what Markdown would take for markup, save code in backticks."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if piece.startswith("`") else re.sub(r"([*_<>\[\]{}$~])", r"\\\1", piece) for piece in pieces)
