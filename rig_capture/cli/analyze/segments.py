"""`rig analyze segments`."""

from typing import Annotated

import numpy as np
import typer

from rig_capture.cli.analyze.options import (
    MAX_GAP_S,
    MIN_SCORE,
    Choice,
    FromOption,
    GapOption,
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
from rig_capture.estimation.analysis.plots import plot_repetitions
from rig_capture.estimation.analysis.segments import TurningPoint, period, repetitions
from rig_capture.estimation.analysis.signals import signal_of


def segments(
    path: PathArgument,
    *,
    signal: Annotated[
        str, typer.Option("--signal", "-s", help="JOINT.x, .y, .z or .speed, JOINT-JOINT (distance), or an angle such as left_knee.")
    ],
    turn: Annotated[TurningPoint, typer.Option("--turn", help="What lies in the middle of a repetition.")] = TurningPoint.HIGH,
    prominence: Annotated[
        float, typer.Option("--prominence", min=0.01, max=1, help="How far it stands out, as a share of the signal's range.")
    ] = 0.3,
    min_s: Annotated[
        float | None,
        typer.Option("--min", min=0, metavar="S", help="Least time between two; none: half the period, found by autocorrelation."),
    ] = None,
    max_s: Annotated[float | None, typer.Option("--max", min=0, metavar="S", help="Longer ones are left out.")] = None,
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
    """Cut a movement into its repetitions, by one signal of it.

    In pictures y points down: an arm that is lifted has its turning point low. --out holds the stamps at which each repetition starts and
    ends, and can be labelled for `rig analyze classify train`.
    """
    check_outputs(out, plot)
    series = Choice(space, track, person, (), min_score, max_gap, rate, low_pass, from_, to).read(path)
    chosen = signal_of(series, signal)
    found = repetitions(chosen.values, series.stamps_ns, turn=turn, prominence=prominence, min_s=min_s, max_s=max_s)
    repeats = period(chosen.values, series.stamps_ns)
    notes = list(series.notes)
    if repeats:
        notes.append(f"repeats itself every {repeats[0]:.3g} s, with {repeats[1]:.0%} likeness")
    if plot is not None:
        notes += draw(plot, plot_repetitions(chosen, series.stamps_ns, found))
    first = int(series.stamps_ns[0])
    shown = table(f"{len(found)} repetitions in {chosen.name}", "", "start s", "turn s", "end s", "takes s", f"amplitude {chosen.unit}")
    for at, each in enumerate(found, 1):
        stamps = (f"{(stamp - first) / 1e9:.3f}" for stamp in (each.start_ns, each.turn_ns, each.end_ns))
        shown.add_row(str(at), *stamps, f"{each.duration_s:.3f}", number(each.amplitude))
    rows = [
        {
            "start_ns": each.start_ns,
            "turn_ns": each.turn_ns,
            "end_ns": each.end_ns,
            "duration_s": each.duration_s,
            "amplitude": each.amplitude,
        }
        for each in found
    ]
    result = {
        "signal": chosen.name,
        "unit": chosen.unit,
        "period_s": repeats[0] if repeats else None,
        "likeness": repeats[1] if repeats else None,
        "repetitions": rows,
    }
    stamps_of = ("start_ns", "turn_ns", "end_ns")
    columns = {"path": [str(path.resolve())] * len(found)} | {
        name: np.array([row[name] for row in rows], dtype=np.int64) for name in stamps_of
    }
    columns |= {name: np.array([row[name] for row in rows], dtype=np.float64) for name in ("duration_s", "amplitude")}
    finish(result, shown, as_json=as_json, notes=notes, out=out, columns=columns)
