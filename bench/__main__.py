"""Entry point of `./rig bench`."""

import typer

from bench import bandwidth, console, disk, metering, play, recorder, scaling, upload, video, writer

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command("recorder")(recorder.main)
app.command("writer")(writer.main)
app.command("video")(video.main)
app.command("upload")(upload.main)
app.command("disk")(disk.main)
app.command("bandwidth")(bandwidth.main)
app.command("metering")(metering.main)
app.command("play")(play.main)
app.command("scaling")(scaling.main)
app.command("console")(console.main)

if __name__ == "__main__":
    app(prog_name="rig bench")
