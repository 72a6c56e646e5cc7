"""Small plots as SVG for a page: colours come from its style sheet, text from files is escaped here."""

from collections.abc import Iterator, Sequence
from html import escape

from rig_capture.reporting.models import Axis, Jitter, Series, StreamQuality

_WIDTH, _LEFT, _RIGHT = 1000, 210, 12
_PLOT = _WIDTH - _LEFT - _RIGHT
_LANE, _LANE_FILL = 30, 22
_LONGEST_LABEL = 28
_COLOURS = 6
"""Classes c0 to c5 of the style sheet, each also with dashes of its own."""
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
_MOST_TICKS = 9


def timeline(streams: Sequence[StreamQuality], axis: Axis) -> str:
    """A lane per stream: its rate over time, as a share of its own largest, and its gaps with their reasons."""
    height = len(streams) * _LANE + 30
    parts = [*_time_ticks(axis, len(streams) * _LANE)]
    for number, stream in enumerate(streams):
        top = number * _LANE + 4
        parts.append(_label(stream.name, top + 15))
        parts.append(f'<rect class="lane" x="{_LEFT}" y="{top}" width="{_PLOT}" height="{_LANE_FILL}"/>')
        parts.append(f'<path class="rate" d="{_steps(stream.rates_hz, top)}"/>')
        for gap in stream.gaps:
            begin, end = (_x_of(stamp_ns, axis) for stamp_ns in (gap.from_ns, gap.to_ns))
            seconds = (gap.to_ns - gap.from_ns) / 1e9
            title = escape(f"{stream.name}: {seconds:.3f} s without data: {gap.reason}")
            parts.append(
                f'<rect class="gap" x="{begin:.1f}" y="{top}" width="{max(2.0, end - begin):.1f}" height="{_LANE_FILL}">'
                f"<title>{title}</title></rect>"
            )
    gaps = sum(len(stream.gaps) for stream in streams)
    told = f"{len(streams)} streams over {axis.duration_s:.1f} s, rate of each over time; {gaps} gaps, listed in the table below"
    return _svg(height, told, parts)


def line_chart(
    lines: Sequence[tuple[str, Series]], axis: Axis, unit: str, told: str, span: tuple[float, float] | None = None, *, bridged: bool = False
) -> str:
    """Values over time.

    Args:
        lines: labels and values.
        axis: the time.
        unit: of the values.
        told: what it shows, for those who can't see it.
        span: of the values that are shown; None: what there is.
        bridged: whether a line goes on where there is nothing, as is right for what comes less often than once per bin.
    """
    values = [value for _, line in lines for value in line if value is not None]
    if not values:
        return ""
    low, high = span or _span(values)
    plot = 150
    parts = [*_time_ticks(axis, plot), *_value_ticks(low, high, plot, unit)]
    for number, (label, line) in enumerate(lines):
        colour = f"c{number % _COLOURS}"
        for run in _runs(line, bridged=bridged):
            points = [(_LEFT + (place + 0.5) / axis.bins * _PLOT, plot - (value - low) / (high - low) * plot) for place, value in run]
            if len(points) == 1:
                parts.append(f'<circle class="dot {colour}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>')
            else:
                parts.append(f'<polyline class="line {colour}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>')
        y = 16 + number * 18
        parts.append(f'<line class="line {colour}" x1="0" x2="26" y1="{y - 4}" y2="{y - 4}"/>')
        parts.append(f'<text x="32" y="{y}">{escape(_short(label, 20))}</text>')
    return _svg(max(plot + 30, 18 * len(lines) + 12), told, parts)


def scatter(series: Sequence[tuple[str, Sequence[tuple[float, float]]]], unit: str, told: str) -> str:
    """Values at times of their own, in seconds from the beginning.

    Args:
        series: labels and points (s, value).
        unit: of the values.
        told: what it shows, for those who can't see it.
    """
    points = [point for _, row in series for point in row]
    if not points:
        return ""
    high = 1.05 * max(abs(value) for _, value in points) or 1.0
    low = -high
    axis, plot = Axis(start_ns=0, stop_ns=round(max(0.1, *(at_s for at_s, _ in points)) * 1.02e9), bins=1), 240
    parts = [*_time_ticks(axis, plot), *_value_ticks(low, high, plot, unit)]
    for number, (label, row) in enumerate(series):
        colour = f"c{number % _COLOURS}"
        for at_s, value in row:
            x, y = _x_of(round(at_s * 1e9), axis), plot - (value - low) / (high - low) * plot
            parts.append(
                f'<circle class="dot {colour}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{value:+.3f} {escape(unit)}</title></circle>'
            )
        y = plot + 46 + number * 18
        parts.append(f'<circle class="dot {colour}" cx="{_LEFT + 4}" cy="{y - 4}" r="4"/>')
        parts.append(f'<text x="{_LEFT + 16}" y="{y}">{escape(_short(label, 100))}</text>')
    return _svg(plot + 40 + 18 * len(series), told, parts)


def histogram(jitter: Jitter, name: str) -> str:
    """How far times between stamps are from their median; the height of a bar is the square root of its count, so that few are seen too."""
    width, plot = 320, 90
    largest = max(jitter.counts) ** 0.5
    step = width / len(jitter.counts)
    bars = [
        f'<rect class="bar" x="{number * step:.1f}" y="{plot - count**0.5 / largest * plot:.1f}" width="{step - 0.6:.1f}"'
        f' height="{count**0.5 / largest * plot:.1f}"/>'
        for number, count in enumerate(jitter.counts)
        if count
    ]
    ticks = [
        f'<line class="tick" x1="0" x2="{width}" y1="{plot}" y2="{plot}"/>',
        f'<text x="0" y="{plot + 16}">{jitter.edges_ms[0]:.3g}</text>',
        f'<text x="{width / 2}" y="{plot + 16}" text-anchor="middle">0</text>',
        f'<text x="{width}" y="{plot + 16}" text-anchor="end">+{jitter.edges_ms[-1]:.3g} ms</text>',
    ]
    told = f"{name}: times between stamps against {jitter.nominal_ms} ms; 99 % are within {jitter.p99_ms} ms"
    return _svg(plot + 22, told, [*bars, *ticks], width)


def _svg(height: int, told: str, parts: Sequence[str], width: int = _WIDTH) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(told)}">{"".join(parts)}</svg>'


def _label(text: str, y: int) -> str:
    return f'<text x="0" y="{y}">{escape(_short(text, _LONGEST_LABEL))}<title>{escape(text)}</title></text>'


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _x_of(stamp_ns: int, axis: Axis) -> float:
    share = (stamp_ns - axis.start_ns) / (axis.stop_ns - axis.start_ns)
    return _LEFT + min(1.0, max(0.0, share)) * _PLOT


def _steps(rates: Sequence[float], top: int) -> str:
    largest = max(rates, default=0.0) or 1.0
    width, bottom = _PLOT / max(1, len(rates)), top + _LANE_FILL
    steps = "".join(f"V{bottom - rate / largest * _LANE_FILL:.1f}H{_LEFT + (place + 1) * width:.1f}" for place, rate in enumerate(rates))
    return f"M{_LEFT},{bottom}{steps}V{bottom}Z"


def _time_ticks(axis: Axis, bottom: int) -> Iterator[str]:
    step = next((step for step in _STEPS_S if axis.duration_s / step <= _MOST_TICKS), axis.duration_s / _MOST_TICKS)
    for number in range(int(axis.duration_s / step) + 1):
        x = _LEFT + number * step / axis.duration_s * _PLOT
        yield f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom + 4}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{_clock(number * step, step)}</text>'


def _clock(seconds: float, step: float) -> str:
    """``12 s``, ``3:05``, ``1:00:00``."""
    if seconds < 60 and step < 60:
        return f"{seconds:.1f} s" if step < 1 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _value_ticks(low: float, high: float, plot: int, unit: str) -> Iterator[str]:
    for share in (0.0, 0.5, 1.0):
        y = plot - share * plot
        yield f'<line class="tick" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        text = f"{low + share * (high - low):.4g} {unit}"
        yield f'<text x="{_LEFT - 6}" y="{min(max(y + 4, 12), plot):.1f}" text-anchor="end">{escape(text)}</text>'


def _span(values: Sequence[float]) -> tuple[float, float]:
    """What there is and a little more, also where all is the same."""
    low, high = min(values), max(values)
    margin = (high - low) * 0.05 or abs(high) * 0.01 or 1.0
    return low - margin, high + margin


def _runs(line: Series, *, bridged: bool) -> Iterator[list[tuple[int, float]]]:
    run: list[tuple[int, float]] = []
    for place, value in enumerate(line):
        if value is not None:
            run.append((place, value))
        elif run and not bridged:
            yield run
            run = []
    if run:
        yield run
