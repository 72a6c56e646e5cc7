"""`rig analyze dtw`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from rig_capture.cli.analyze.options import (
    MAX_GAP_S,
    MIN_SCORE,
    Choice,
    FromOption,
    GapOption,
    JointOption,
    LowPassOption,
    OutOption,
    PersonOption,
    PlotOption,
    RateOption,
    ScoreOption,
    SpaceOption,
    ToOption,
    TrackOption,
    check_outputs,
    draw,
    finish,
    number,
    table,
)
from rig_capture.cli.options import JsonOption
from rig_capture.estimation.analysis.dtw import Alignment, Relation, align, align_joints, matched_distances, relation
from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.gaps import Floats, seconds
from rig_capture.estimation.analysis.normalize import Normalisation, Turn, normalised
from rig_capture.estimation.analysis.plots import plot_alignment
from rig_capture.estimation.analysis.series import PoseSeries
from rig_capture.estimation.analysis.signals import pair_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SAME_RATE = 0.02
"""Share by which rates may differ before the second movement is resampled to the first one's."""

FirstArgument = Annotated[Path, typer.Argument(metavar="A", help="Predictions (.json, .parquet), or a session with estimates.")]
SecondArgument = Annotated[Path, typer.Argument(metavar="B", help="What it is compared with.")]


def dtw(
    first: FirstArgument,
    second: SecondArgument,
    *,
    window: Annotated[float | None, typer.Option("--window", min=0, metavar="S", help="How far matches may lie off the diagonal.")] = None,
    per_joint: Annotated[bool, typer.Option("--per-joint", help="Match each joint by itself as well.")] = False,
    pair: Annotated[str | None, typer.Option("--pair", metavar="JOINT-JOINT", help="Compare what two joints are to each other.")] = None,
    by: Annotated[
        Relation, typer.Option("--by", help="Of the pair: how far apart, or where the second is from the first.")
    ] = Relation.DISTANCE,
    centre: Annotated[bool, typer.Option("--centre/--no-centre", help="Leave out where the person is.")] = True,
    root: Annotated[list[str] | None, typer.Option("--root", help="Joint at the centre; may be repeated. None: the middle of all.")] = None,
    scale: Annotated[bool, typer.Option("--scale", help="Leave out how large the person is.")] = False,
    turn: Annotated[
        Turn, typer.Option("--turn", help="Leave out where the person faces: once for the whole, or in each frame.")
    ] = Turn.NONE,
    joint: JointOption = None,
    space: SpaceOption = None,
    track: TrackOption = None,
    person: PersonOption = None,
    min_score: ScoreOption = MIN_SCORE,
    max_gap: GapOption = MAX_GAP_S,
    rate: RateOption = None,
    low_pass: LowPassOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    out: OutOption = None,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """How far two movements are apart when either may run faster or slower: dynamic time warping.

    --out holds the matched frames: their stamps in A and B, and how far they are apart. --from and --to hold for both.
    """
    check_outputs(out, plot)
    choice = Choice(space, track, person, joint or (), min_score, max_gap, rate, low_pass, from_, to)
    a, b = _fitting(choice.read(first), choice.read(second), choice)
    how = Normalisation(centre, tuple(a.index(name) for name in root or ()), scale, turn)
    unit = "body sizes" if scale else a.unit
    movements = normalised(a.poses, b.poses, how) if pair is None or scale or turn is not Turn.NONE else (a.poses, b.poses)
    joints: dict[str, Alignment | None] = {}
    frames = None if window is None else round(window * a.rate_hz)
    if pair is not None:
        one, other = pair_of(a, pair)
        movements = (relation(movements[0], one, other, by), relation(movements[1], one, other, by))
    elif per_joint:
        joints = dict(zip(a.names, align_joints(*movements, window=frames), strict=True))
    found = align(*movements, window=frames)
    apart = matched_distances(*movements, found.path)
    notes = [f"{name}: {note}" for name, series in ((first.name, a), (second.name, b)) for note in series.notes]
    if any(found.left_out):
        notes.append(f"{found.left_out[0]} and {found.left_out[1]} frames left out that lack a joint")
    if plot is not None:
        notes += draw(plot, _figure(first, second, a, b, found, apart, unit, joints))
    result = {
        "distance": found.distance,
        "rms": found.rms,
        "unit": unit,
        "frames": [len(a.stamps_ns), len(b.stamps_ns)],
        "left_out": list(found.left_out),
        "window_frames": frames,
        "matches": len(found.path),
        "pair": pair,
        "joints": {name: None if each is None else {"distance": each.distance, "rms": each.rms} for name, each in joints.items()},
    }
    shown = table(f"{first.name} and {second.name}, {unit}", "", "rms", "distance", "matches")
    for name, each in {pair or "whole poses": found, **joints}.items():
        cells = ("–", "–", "–") if each is None else (number(each.rms), number(each.distance), str(len(each.path)))
        shown.add_row(name, *cells)
    columns = {
        "stamp_a_ns": a.stamps_ns[found.path[:, 0]],
        "stamp_b_ns": b.stamps_ns[found.path[:, 1]],
        "frame_a": found.path[:, 0],
        "frame_b": found.path[:, 1],
        "distance": apart,
    }
    finish(result, shown, as_json=as_json, notes=notes, out=out, columns=columns)


def _fitting(a: PoseSeries, b: PoseSeries, choice: Choice) -> tuple[PoseSeries, PoseSeries]:
    """The second with the joints of the first in their order, and at its rate. Raises AnalysisError where they can't be compared."""
    if a.space != b.space:
        raise AnalysisError(f"one has {a.space} poses, the other {b.space} ones; choose what both have with --space")
    if set(a.names) != set(b.names):
        both = [name for name in a.names if name in b.names]
        raise AnalysisError(
            f"they are of different skeletons, with {len(both)} joints in common; choose joints with --joint: {', '.join(both) or 'none'}"
        )
    b = b.only(list(a.names))
    if abs(a.rate_hz / b.rate_hz - 1) <= _SAME_RATE:
        return a, b
    return a, b.prepared(max_gap_s=choice.max_gap_s, rate_hz=a.rate_hz)


def _figure(
    first: Path, second: Path, a: PoseSeries, b: PoseSeries, found: Alignment, apart: Floats, unit: str, joints: dict[str, Alignment | None]
) -> "Figure":
    at = (seconds(a.stamps_ns), seconds(b.stamps_ns))
    bars = [(name, each.rms) for name, each in joints.items() if each is not None]
    return plot_alignment((first.name, second.name), at, found, np.asarray(apart), unit, bars)
