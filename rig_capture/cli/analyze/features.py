"""`rig analyze features`."""

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
from rig_capture.estimation.analysis.features import JOINT_STATISTICS, joint_statistics, speed
from rig_capture.estimation.analysis.gaps import seconds
from rig_capture.estimation.analysis.plots import plot_features

_SHOWN = {
    "path_length": "path",
    "extent": "extent",
    "speed_mean": "speed",
    "speed_peak": "peak",
    "acceleration_peak": "peak acc.",
    "sparc": "SPARC",
    "log_dimensionless_jerk": "ln jerk",
}
"""What fits a terminal, and its heading; the rest stands in --json and --out."""


def features(
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
    """How far, how fast and how smoothly each joint moved.

    Lengths are in mm or px, speeds per second, accelerations per second squared. Speeds of poses with jitter are too high without
    --low-pass (6 Hz is usual for people).
    """
    check_outputs(out, plot)
    series = Choice(space, track, person, joint or (), min_score, max_gap, rate, low_pass, from_, to).read(path)
    statistics = joint_statistics(series.poses, series.stamps_ns)
    notes = list(series.notes)
    if plot is not None:
        fast = speed(series.poses, series.stamps_ns)
        notes += draw(plot, plot_features(seconds(series.stamps_ns), fast, series.names, series.unit, statistics["sparc"]))
    shown = table(f"Movement, {series.unit} and s", "joint", "seen", *_SHOWN.values())
    for row, name in enumerate(series.names):
        shown.add_row(name, f"{statistics['seen'][row]:.0%}", *(number(float(statistics[each][row])) for each in _SHOWN))
    result = {
        "space": series.space,
        "unit": series.unit,
        "frames": len(series.stamps_ns),
        "joints": {name: {each: float(statistics[each][row]) for each in JOINT_STATISTICS} for row, name in enumerate(series.names)},
    }
    columns = {"joint": list(series.names)} | {each: np.asarray(statistics[each]) for each in JOINT_STATISTICS}
    finish(result, shown, as_json=as_json, notes=notes, out=out, columns=columns)
