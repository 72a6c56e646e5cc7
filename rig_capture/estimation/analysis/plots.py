"""What people would rather look at, as pictures: PNG, SVG or PDF by the name of the file."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rig_capture.estimation.analysis.dtw import Alignment
from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.extra import load
from rig_capture.estimation.analysis.gaps import Floats, Stamps
from rig_capture.estimation.analysis.model_file import MovementModel
from rig_capture.estimation.analysis.segments import Repetition
from rig_capture.estimation.analysis.signals import Signal
from rig_capture.session.atomic import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".svg", ".pdf")

_ONE, _OTHER, _FAINT = "#1f6feb", "#d9730d", "#8b949e"


def check_plot(path: Path) -> None:
    """Raises AnalysisError where a plot can't have this name, ExtraMissing where none can be made."""
    if path.suffix not in _SUFFIXES:
        raise AnalysisError(f"{path}: plots are {', '.join(_SUFFIXES)} files; give it such a name")
    load("matplotlib.figure")


def save_plot(path: Path, figure: "Figure") -> None:
    """Writes a figure atomically. Raises AnalysisError."""
    out = BytesIO()
    figure.savefig(out, format=path.suffix[1:], dpi=140)
    try:
        write_atomic(path, out.getvalue())
    except OSError as error:
        raise AnalysisError(f"{path}: can't be written: {error}") from error


def plot_alignment(
    names: tuple[str, str], at: tuple[Floats, Floats], found: Alignment, apart: Floats, unit: str, joints: Sequence[tuple[str, float]]
) -> "Figure":
    """Which moment of one movement matches which of the other, how far apart they are there, and which joints differ most.

    Args:
        names: of the two movements.
        at: (T,) and (S,) seconds of their frames.
        found: the match.
        apart: (P,) distance at each step of its path.
        unit: of distances.
        joints: names and distances, where joints were matched by themselves.
    """
    figure = _figure(11 if joints else 7.5, 6)
    left, *right = figure.subfigures(1, 2, squeeze=False, width_ratios=(2, 1)).flat if joints else [figure]
    upper, lower = left.subplots(2, 1, height_ratios=(2, 1))
    first, second = at[0][found.path[:, 0]], at[1][found.path[:, 1]]
    ends = min(at[0][-1], at[1][-1])
    upper.plot([0, ends], [0, ends], color=_FAINT, lw=1, ls="--", label="same tempo")
    upper.plot(first, second, color=_ONE, lw=2, label="best match")
    upper.set(xlabel=f"{names[0]}, s", ylabel=f"{names[1]}, s", title=f"Root mean square distance {found.rms:.4g} {unit}")
    upper.legend()
    lower.fill_between(first, apart, color=_OTHER, alpha=0.35, lw=0)
    lower.plot(first, apart, color=_OTHER, lw=1.2)
    lower.set(xlabel=f"{names[0]}, s", ylabel=f"apart, {unit}", ylim=(0, None))
    if joints:
        _bars(right[0].subplots(), joints, f"each joint by itself, {unit}")
    return figure


def plot_lines(at: Floats, columns: Sequence[tuple[str, Floats]], unit: str) -> "Figure":
    """Signals one above the other on one scale over the same time, (T,) s."""
    figure = _figure(9, max(2.5, min(1.3, 24 / len(columns)) * len(columns) + 0.6))
    axes = np.atleast_1d(figure.subplots(len(columns), 1, sharex=True, sharey=True))
    for each, (name, values) in zip(axes, columns, strict=True):
        each.plot(at, values, color=_ONE, lw=1.3)
        each.set_title(name, loc="left", fontsize="small", pad=3)
        each.set_ylabel(unit)
    axes[-1].set_xlabel("s")
    return figure


def plot_features(at: Floats, speeds: Floats, names: Sequence[str], unit: str, smoothness: Floats) -> "Figure":
    """How fast each joint moved when, (T, J), and how smoothly, (J,) SPARC."""
    figure = _figure(11, max(4, 0.28 * len(names) + 1.5))
    left, right = figure.subplots(1, 2, width_ratios=(2.2, 1), sharey=True)
    edges = np.append(at, at[-1] + (at[-1] - at[-2]))
    shown = left.pcolormesh(edges, np.arange(len(names) + 1) - 0.5, speeds.T, cmap="viridis", vmin=0)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set(xlabel="s", title="Speed")
    figure.colorbar(shown, ax=left, label=f"{unit}/s", pad=0.02)
    right.barh(range(len(names)), np.nan_to_num(smoothness), color=_ONE)
    right.set(xlabel="SPARC, nearer to 0 is smoother", title="Smoothness")
    return figure


def plot_repetitions(signal: Signal, stamps_ns: Stamps, found: Sequence[Repetition]) -> "Figure":
    """A signal with its repetitions."""
    figure = _figure(10, 3.8)
    axes = figure.subplots()
    at = (stamps_ns - stamps_ns[0]) / 1e9
    axes.plot(at, signal.values, color=_ONE, lw=1.4)
    for number, each in enumerate(found, 1):
        start, turn, end = ((stamp - stamps_ns[0]) / 1e9 for stamp in (each.start_ns, each.turn_ns, each.end_ns))
        axes.axvspan(start, end, color=_OTHER, alpha=0.22 if number % 2 else 0.1, lw=0)
        axes.plot(turn, signal.values[np.searchsorted(stamps_ns, each.turn_ns)], "o", color=_OTHER, ms=5)
        axes.annotate(str(number), ((start + end) / 2, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom")
    axes.set(xlabel="s", ylabel=f"{signal.name}, {signal.unit}", xlim=(at[0], at[-1]))
    axes.set_title(f"{len(found)} repetitions", pad=16, loc="left")
    return figure


def plot_confusion(model: MovementModel) -> "Figure":
    """Which labels were taken for which in cross-validation."""
    table = np.array(model.cross_validation.confusion)
    side = max(4.2, 0.7 * len(model.labels) + 2.5)
    figure = _figure(side, side)
    axes = figure.subplots()
    axes.imshow(table / np.maximum(table.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        dark = count > table[row].sum() / 2
        axes.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(model.labels)), model.labels, rotation=30, ha="right")
    axes.set_yticks(range(len(model.labels)), model.labels)
    axes.set(xlabel="told", ylabel="true", title=f"{model.cross_validation.accuracy:.0%} told right when held back")
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _figure(width: float, height: float) -> "Figure":
    """A figure of its own, without matplotlib's global state and without a screen; inches."""
    figure: Figure = load("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    load("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    return figure


def _bars(axes: "Axes", rows: Sequence[tuple[str, float]], label: str) -> None:
    ordered = sorted(rows, key=lambda row: row[1])
    axes.barh([name for name, _ in ordered], [value for _, value in ordered], color=_OTHER)
    axes.set(xlabel=label)
