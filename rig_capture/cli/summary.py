"""How a session is shown to a person: streams with rates and losses, files, and the verdict."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rig_capture.profiles.units import format_bytes
from rig_capture.reading.listing import duration_s
from rig_capture.recorder.verify.verify import Verdict
from rig_capture.session.manifest import Manifest, StreamEntry


def format_duration(seconds: float | None) -> str:
    """Such as ``12.3 s`` or ``1:02:03``."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def stream_table(manifest: Manifest) -> Table:
    """One row per stream: rate, messages, losses, gaps, size."""
    table = Table(box=box.SIMPLE_HEAD, title="Streams", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("stream", style="cyan", no_wrap=True, min_width=20)
    table.add_column("what", no_wrap=True, overflow="ellipsis")
    for heading, width in (("rate", 8), ("messages", 8), ("lost", 4), ("gaps", 4), ("size", 8)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
    for name, stream in sorted(manifest.streams.items(), key=lambda item: ("video", "audio", "topic").index(item[1].kind)):
        lost = stream.loss.total
        table.add_row(
            name,
            _what(stream),
            "–" if stream.rate_hz is None else f"{stream.rate_hz:.1f} Hz",
            f"{stream.messages:,}",
            Text(str(lost), style="bold red" if lost else "green"),
            Text(str(len(stream.gaps)), style="bold red" if stream.gaps else "green"),
            format_bytes(stream.bytes),
        )
    return table


def streams_json(manifest: Manifest) -> dict[str, Any]:
    """What --json says of each stream: kind, messages, bytes, rate, losses by where they came about, number of gaps."""
    return {
        name: {"kind": stream.kind, "messages": stream.messages, "bytes": stream.bytes, "rate_hz": stream.rate_hz}
        | {"lost": stream.loss.model_dump(), "gaps": len(stream.gaps)}
        for name, stream in manifest.streams.items()
    }


def file_table(manifest: Manifest) -> Table:
    """One row per file: what it is, size, the beginning of its hash."""
    table = Table(box=box.SIMPLE_HEAD, title="Files", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("file", style="cyan", no_wrap=True)
    table.add_column("kind")
    table.add_column("size", justify="right")
    table.add_column("sha256", style="dim")
    for entry in manifest.files:
        table.add_row(entry.path, entry.kind.replace("_", " "), format_bytes(entry.size), entry.sha256[:12])
    return table


def session_summary(manifest: Manifest, verdict: Verdict, places: Sequence[tuple[str, str]]) -> RenderableType:
    """The whole picture of one session.

    Args:
        manifest: of the session.
        verdict: of verifying it.
        places: rows of (what, where) for the reader to go on from; never wrapped, so that they can be copied.
    """
    style = "green" if verdict.whole else "red"
    title = (
        f"[bold]{manifest.recording_id}[/]  {manifest.rig} · {format_duration(duration_s(manifest))} · {format_bytes(manifest.total_bytes)}"
    )
    words = Text(verdict.line.partition(": ")[2], style=style)
    headline = Panel(
        Text("✔ " if verdict.whole else "✘ ", style=f"bold {style}") + words, title=title, title_align="left", border_style=style
    )
    damages = [Text(f"  {damage}", style="red") for damage in verdict.damages]
    where = [Text(f"{what:<12}", style="bold", no_wrap=True, overflow="ignore").append(place, style="not bold") for what, place in places]
    return Group(headline, *damages, stream_table(manifest), file_table(manifest), *where)


def _what(stream: StreamEntry) -> str:
    settings = stream.settings
    if stream.kind == "video":
        return f"{stream.codec} {settings.get('width', '?')}×{settings.get('height', '?')}"
    if stream.kind == "audio":
        return f"{stream.codec} {settings.get('sample_rate', 0) / 1000:g} kHz × {settings.get('channels', '?')}"
    return stream.type.rpartition("/")[2]
