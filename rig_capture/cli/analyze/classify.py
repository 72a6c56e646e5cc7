"""`rig analyze classify`."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from rig_capture.cli.analyze.options import (
    MAX_GAP_S,
    MIN_SCORE,
    Choice,
    GapOption,
    JointOption,
    LowPassOption,
    OutOption,
    PersonOption,
    PlotOption,
    RateOption,
    ScoreOption,
    SpaceOption,
    TrackOption,
    check_outputs,
    draw,
    finish,
    table,
)
from rig_capture.cli.options import JsonOption
from rig_capture.estimation.analysis.classify import predict as predict_labels
from rig_capture.estimation.analysis.classify import train as train_model
from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.features import feature_vector
from rig_capture.estimation.analysis.model_file import Kind, load_model, save_model
from rig_capture.estimation.analysis.plots import plot_confusion
from rig_capture.estimation.analysis.series import Space

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train a classifier of movements, and use it.")

ModelOption = Annotated[Path, typer.Option("--model", "-m", help="File of the model (JSON; loading it runs no code).")]


@app.command()
def train(
    labels: Annotated[Path, typer.Argument(metavar="LABELS.csv", help="Columns path and label; also group, start_ns, end_ns.")],
    *,
    model: ModelOption,
    kind: Annotated[Kind, typer.Option("--kind", help="Of classifier.")] = Kind.LOGISTIC,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Of the cross-validation, at most.")] = 5,
    joint: JointOption = None,
    space: SpaceOption = None,
    track: TrackOption = None,
    person: PersonOption = None,
    min_score: ScoreOption = MIN_SCORE,
    max_gap: GapOption = MAX_GAP_S,
    rate: RateOption = None,
    low_pass: LowPassOption = None,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a classifier on labelled movements, and tell how well it does on ones that were held back.

    Paths are relative to the table. With a column `group`, such as the person, all movements of a group are held back together: the only
    honest measure where a model is to be used for others. --plot draws which labels were taken for which.
    """
    check_outputs(None, plot)
    choice = Choice(space, track, person, joint or (), min_score, max_gap, rate, low_pass)
    rows = _read_labels(labels)
    examples: list[Mapping[str, float]] = []
    spaces: set[str] = set()
    for row in rows:
        series = choice.read(labels.parent / row["path"], span_ns=(_stamp(row, "start_ns"), _stamp(row, "end_ns")))
        spaces.add(series.space)
        examples.append(feature_vector(series))
    if len(spaces) > 1:
        raise AnalysisError(f"{labels}: some movements have 2d poses only, others 3d; choose what all have with --space")
    groups = [row["group"] for row in rows] if "group" in rows[0] else None
    trained = train_model(examples, [row["label"] for row in rows], space=spaces.pop(), groups=groups, kind=kind, folds=folds)
    save_model(model, trained)
    measured = trained.cross_validation
    notes = [f"model in {model}"]
    if plot is not None:
        notes += draw(plot, plot_confusion(trained))
    missing = int(sum(np.isnan(list(example.values())).sum() for example in examples))
    if missing:
        notes.append(f"{missing} features missing, taken as the mean of the others")
    title = f"{measured.accuracy:.0%} told right when held back ({measured.balanced_accuracy:.0%} over labels), {measured.folds} folds"
    shown = table(title, "true label", *(f"told {label}" for label in trained.labels), "movements")
    for label, told in zip(trained.labels, measured.confusion, strict=True):
        shown.add_row(label, *map(str, told), str(trained.examples[label]))
    result = {
        "model": str(model),
        **trained.model_dump(mode="json", include={"labels", "examples", "libraries", "cross_validation", "space"}),
    }
    result |= {"features": len(trained.features), "missing": missing}
    finish(result, shown, as_json=as_json, notes=notes, out=None, columns={})


@app.command()
def predict(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Predictions, sessions, or a .csv with columns path, start_ns, end_ns.")
    ],
    *,
    model: ModelOption,
    joint: JointOption = None,
    track: TrackOption = None,
    person: PersonOption = None,
    min_score: ScoreOption = MIN_SCORE,
    max_gap: GapOption = MAX_GAP_S,
    rate: RateOption = None,
    low_pass: LowPassOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what movements are, with a trained model; prepare them as the examples were (--rate, --low-pass, ...)."""
    check_outputs(out, None)
    loaded = load_model(model)
    choice = Choice(Space(loaded.space), track, person, joint or (), min_score, max_gap, rate, low_pass)
    rows: list[dict[str, str]] = []
    for path in paths:
        if path.suffix == ".csv":
            rows += [row | {"path": str(path.parent / row["path"])} for row in _read_labels(path, labelled=False)]
        else:
            rows.append({"path": str(path)})
    every = [choice.read(Path(row["path"]), span_ns=(_stamp(row, "start_ns"), _stamp(row, "end_ns"))) for row in rows]
    told = predict_labels(loaded, [feature_vector(series) for series in every], space=loaded.space)
    shown = table(f"{len(told)} movements", "movement", "label", "probability", "missing")
    results = []
    for row, each in zip(rows, told, strict=True):
        shown.add_row(os.path.relpath(row["path"]), each.label, f"{each.probabilities[each.label]:.0%}", str(len(each.missing)))
        results.append({**row, "label": each.label, "probabilities": each.probabilities, "missing": list(each.missing)})
    columns = {"path": [row["path"] for row in rows], "label": [each.label for each in told]}
    chances = {f"p_{label}": np.array([each.probabilities[label] for each in told]) for label in loaded.labels}
    finish({"predictions": results}, shown, as_json=as_json, notes=[], out=out, columns={**columns, **chances})


def _read_labels(path: Path, *, labelled: bool = True) -> list[dict[str, str]]:
    """Rows of a table of movements. Raises AnalysisError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnalysisError(f"{path}: can't be read: {error}") from error
    needed = ["path", "label"] if labelled else ["path"]
    for number, row in enumerate(rows, 2):
        lacking = [name for name in needed if not row.get(name)]
        if lacking:
            raise AnalysisError(f"{path}: line {number} lacks {' and '.join(lacking)}; its columns are path,label[,group,start_ns,end_ns]")
    if not rows:
        raise AnalysisError(f"{path}: no movements; its columns are path,label[,group,start_ns,end_ns]")
    return rows


def _stamp(row: Mapping[str, str], name: str) -> int | None:
    text = row.get(name) or ""
    if not text:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise AnalysisError(f"{name} {text!r} of {row['path']} is no stamp in ns") from error
