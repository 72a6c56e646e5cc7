"""Pages: nothing is loaded from elsewhere, nothing needs JavaScript, and all text is escaped here, save where it says content."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from rig_capture.reporting.style import STYLE

_LONGEST_LINE = 45
"""Characters in a cell of a table that are not broken."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""A browser holds to it that nothing is loaded, and that no script runs."""


def document(title: str, content: Iterable[str], footer: str) -> str:
    """A whole page; of the content, parts that are empty are left out."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in content if part)
        + f"\n</main>\n<footer>{escape(footer)}</footer>\n</body>\n</html>\n"
    )


def section(title: str, content: str) -> str:
    """A section with its title; `content` is HTML."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def wide(svg: str) -> str:
    """A plot that may be wider than the page; empty where there is none."""
    return f'<div class="wide">{svg}</div>' if svg else ""


def figure(content: str, told: str) -> str:
    """HTML with what it shows; empty where there is none."""
    return f"<figure>{content}<figcaption>{escape(told)}</figcaption></figure>" if content else ""


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, whose first column names its rows."""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = "".join(f"<tr>{''.join(_cells(row))}</tr>" for row in rows)
    return (
        f'<div class="wide" tabindex="0"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(row: Sequence[object]) -> Iterator[str]:
    yield f'<th scope="row">{escape(str(row[0]))}</th>'
    for value in row[1:]:
        text = str(value)
        kind = "number" if isinstance(value, int) else "long" if len(text) > _LONGEST_LINE else "short"
        yield f'<td class="{kind}">{escape(text)}</td>'


def count(number: int, what: str) -> str:
    """``1 gap``, ``2 gaps``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
