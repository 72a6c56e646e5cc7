"""`rig estimate models`: which models there are."""

import json
from dataclasses import asdict

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rig_capture.cli.options import JsonOption
from rig_capture.profiles.places import models_dir


def models(*, as_json: JsonOption = False) -> None:
    """List the models, with whether they can be used and what they need."""
    from rig_capture.estimation.models.registry import find_models

    found = find_models()
    if as_json:
        rows = [asdict(model) | {"usable": not model.problem} for model in found]
        typer.echo(json.dumps({"folder": str(models_dir()), "models": rows}, indent=1))
        return
    table = Table(box=box.SIMPLE_HEAD, title="Models", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("model", style="cyan", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    table.add_column("use", overflow="fold")
    for model in found:
        table.add_row(model.name, model.summary, Text("ready", "green") if not model.problem else Text(model.problem, "yellow"))
    Console().print(table)
    typer.echo(f"model folder: {models_dir()}")
