"""`rig analyze`: what people did, out of estimates of their movement."""

import typer

from rig_capture.cli.analyze.angles import angles
from rig_capture.cli.analyze.classify import app as classify
from rig_capture.cli.analyze.dtw import dtw
from rig_capture.cli.analyze.features import features
from rig_capture.cli.analyze.segments import segments

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Compare, measure, cut up and classify movements.")
for command in (dtw, angles, features, segments):
    app.command()(command)
app.add_typer(classify, name="classify")
