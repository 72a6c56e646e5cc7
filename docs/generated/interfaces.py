"""The reference of ROS interfaces, out of their files, with the nodes that publish and serve them, out of the nodes' code."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parent.parent.parent
_MSG = _ROOT / "msg"
_NODES = _ROOT / "rig_capture" / "nodes"

_ROOMS = {"recording": "recorder", "overview": "status", "playing": "player"}
"""The node that the files of a room belong to."""
_SHARED = {"session_work": "estimator, uploader", "health": "all", "base": "all", "mount": "sensors with a place on the rig"}
"""The nodes that stand on what is in `common`."""
_CALLS = {"create_publisher": (0, "topic"), "create_service": (0, "service"), "ActionServer": (1, "action")}
"""Where the type stands among the arguments, which the name follows; and what is offered."""

_FIELD = re.compile(r"(?P<type>\S+)\s+(?P<name>\w+)(?:\s*=\s*(?P<value>[^#]*?))?\s*(?:#\s*(?P<comment>.*))?$")


@dataclass(frozen=True)
class Use:
    """A topic, service or action that a node offers."""

    type: str
    name: str
    node: str
    kind: str
    """``topic``, ``latched topic`` (who comes late gets what was published last), ``service`` or ``action``."""


@dataclass(frozen=True)
class Field:
    """A field or a constant."""

    type: str
    name: str
    value: str
    comment: str


def interfaces() -> str:
    """All of rig_capture_msgs, and the topics of standard types."""
    lines = ["## Topics and services", "", *_overview()]
    for title, end in (("Messages", ".msg"), ("Services", ".srv"), ("Actions", ".action")):
        lines += [f"## {title}", ""]
        for path in _files():
            if path.suffix == end:
                lines += _interface(path)
    return "\n".join(lines)


@cache
def uses() -> tuple[Use, ...]:
    """What all nodes offer, found in their code."""
    return tuple(sorted({use for path in sorted(_NODES.rglob("*.py")) for use in _uses_in(path)}, key=lambda use: (use.name, use.type)))


def _overview() -> Iterator[str]:
    yield from ("`NAME` is the name of the node. Names are relative to the rig's namespace, save those that begin with a slash.", "")
    yield from ("| name | | type | node |", "|---|---|---|---|")
    own = {path.stem for path in _files()}
    for use in uses():
        shown = f"[{use.type}](#{use.type.lower()})" if use.type in own else f"`{use.type}`"
        yield f"| `{use.name}` | {use.kind} | {shown} | {use.node} |"
    yield ""


def _interface(path: Path) -> Iterator[str]:
    text = path.read_text()
    lines = text.splitlines()
    intro = []
    while lines and lines[0].startswith("#"):
        intro.append(lines.pop(0).lstrip("# ").strip())
    yield from (f"### {path.stem}", "", *intro, "")
    offered = [f"`{use.name}` ({use.node})" for use in uses() if use.type == path.stem]
    parts = [f"[{other}](#{other.lower()})" for other in _holders(path.stem)]
    if offered:
        yield from (f"On: {', '.join(offered)}.", "")
    elif parts:
        yield from (f"Part of {', '.join(parts)}.", "")
    names = {".msg": [""], ".srv": ["Request", "Answer"], ".action": ["Goal", "Result", "Feedback"]}[path.suffix]
    for name, part in zip(names, "\n".join(["", *lines]).split("\n---"), strict=True):
        if name:
            yield from (f"**{name}**", "")
        yield from _fields(part)


def _fields(text: str) -> Iterator[str]:
    fields = [Field(*(found[key] or "" for key in ("type", "name", "value", "comment"))) for found in _lines(text)]
    if not fields:
        yield from ("Empty.", "")
        return
    yield from ("| field | type | |", "|---|---|---|")
    for field in sorted(fields, key=lambda each: bool(each.value)):
        name = f"`{field.name}` = `{field.value}`" if field.value else f"`{field.name}`"
        yield f"| {name} | `{field.type}` | {field.comment.replace('|', chr(92) + '|')} |"
    yield ""


def _lines(text: str) -> Iterator[re.Match[str]]:
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            found = _FIELD.match(line.strip())
            if found is None:
                raise ValueError(f"{line!r}: no field of an interface")
            yield found


def _holders(name: str) -> list[str]:
    """Interfaces with a field of a type."""
    return [path.stem for path in _files() if re.search(rf"^{name}(\[\])? ", path.read_text(), re.MULTILINE)]


@cache
def _files() -> list[Path]:
    return sorted(_MSG.glob("msg/*.msg")) + sorted(_MSG.glob("srv/*.srv")) + sorted(_MSG.glob("action/*.action"))


def _uses_in(path: Path) -> Iterator[Use]:
    node = _ROOMS.get(path.parent.name) or _SHARED.get(path.stem) or path.stem
    for call in ast.walk(ast.parse(path.read_text())):
        if not isinstance(call, ast.Call):
            continue
        called = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
        at, kind = _CALLS.get(called, (-1, ""))
        if not kind or not isinstance(call.args[at], ast.Name) or not call.args[at].id[0].isupper():  # type: ignore[attr-defined]
            continue
        name = _name(call.args[at + 1], path)
        if name:
            kind = "latched topic" if kind == "topic" and "state_qos" in ast.unparse(call) else kind
            yield Use(call.args[at].id, name, node, kind)  # type: ignore[attr-defined]


def _name(expression: ast.expr, path: Path) -> str:
    """The name that an expression stands for, as the table shows it; empty of one that is known at run time only."""
    if isinstance(expression, ast.Constant):
        return str(expression.value).replace("~", "NAME")
    if isinstance(expression, ast.JoinedStr):
        return "".join(_name(part, path) or "NAME" for part in expression.values)
    if isinstance(expression, ast.FormattedValue):
        return _name(expression.value, path)
    if isinstance(expression, ast.Name | ast.Attribute):
        return _constants().get(_module_of(expression, path), "")
    return "NAME" if ast.unparse(expression) == "self.get_name()" else ""


def _module_of(expression: ast.Name | ast.Attribute, path: Path) -> tuple[str, str]:
    """Module and name of a constant."""
    if isinstance(expression, ast.Attribute):
        return ast.unparse(expression.value).rpartition(".")[2], expression.attr
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.ImportFrom) and statement.module and expression.id in [each.name for each in statement.names]:
            return statement.module.rpartition(".")[2], expression.id
    return path.stem, expression.id


@cache
def _constants() -> dict[tuple[str, str], str]:
    """Texts that modules of nodes have as constants."""
    found: dict[tuple[str, str], str] = defaultdict(str)
    for path in _NODES.rglob("*.py"):
        for statement in ast.parse(path.read_text()).body:
            if (
                isinstance(statement, ast.Assign)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.targets[0], ast.Name)
            ):
                found[path.stem, statement.targets[0].id] = str(statement.value.value)
    return found
