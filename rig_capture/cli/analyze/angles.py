"""`rig analyze angles`."""

import numpy as np

from rig_capture.cli.analyze.options import (
    MAX_GAP_S,
    MIN_SCORE,
    Choice,
    FromOption,
    GapOption,
    JointOption,
    LowPassOption,
    OutOption,
    PathArgument,
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
from rig_capture.estimation.analysis.angles import angles_of, joint_angles
from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.features import ANGLE_STATISTICS, angle_statistics
from rig_capture.estimation.analysis.gaps import seconds
from rig_capture.estimation.analysis.plots import plot_lines


def angles(
    path: PathArgument,
    *,
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
    """Angles at all joints with two bones or more, in degrees; with --joint only those at these joints.

    --out holds one row per frame: its stamp, and one column per angle.
    """
    check_outputs(out, plot)
    series = Choice(space, track, person, (), min_score, max_gap, rate, low_pass, from_, to).read(path)
    wanted = {series.index(name) for name in joint or series.names}
    found = [angle for angle in angles_of(len(series.names), series.edges) if angle.joint in wanted]
    if not found:
        raise AnalysisError(f"{path}: no joint that is meant has two bones, so there is no angle")
    names = [angle.name(series.names) for angle in found]
    degrees = joint_angles(series.poses, found)
    statistics = angle_statistics(degrees)
    notes = list(series.notes)
    if plot is not None:
        at = seconds(series.stamps_ns)
        notes += draw(plot, plot_lines(at, list(zip(names, degrees.T, strict=True)), "°"))
    shown = table(f"Angles, {series.space}, degrees", "angle", *ANGLE_STATISTICS)
    for row, name in enumerate(names):
        shown.add_row(name, f"{statistics['seen'][row]:.0%}", *(number(float(statistics[each][row])) for each in ANGLE_STATISTICS[1:]))
    result = {
        "space": series.space,
        "unit": "degrees",
        "frames": len(series.stamps_ns),
        "angles": {name: {each: float(statistics[each][row]) for each in ANGLE_STATISTICS} for row, name in enumerate(names)},
    }
    columns = {"stamp_ns": series.stamps_ns} | dict(zip(names, np.ascontiguousarray(degrees.T), strict=True))
    finish(result, shown, as_json=as_json, notes=notes, out=out, columns=columns)
