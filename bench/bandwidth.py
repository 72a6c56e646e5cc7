"""`./rig bench bandwidth`: how well a bandwidth limit holds over files that are sent at once."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from rig_capture.delivery.ingest import DataInterface
from rig_capture.profiles.settings.rig import DeliverySettings
from test.delivery.services import ACCESS_KEY, SECRET_KEY, s3_server
from test.delivery.sessions import make_session


def main(
    *,
    limit: Annotated[int, typer.Option(help="Bytes per second.")] = 5_000_000,
    files: Annotated[int, typer.Option(help="Sent at once.")] = 4,
    seconds: Annotated[int, typer.Option(help="How long it should take.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """The mean rate of an upload as a ratio to its limit."""
    os.environ |= {"RIG_CAPTURE_ACCESS_KEY_ID": ACCESS_KEY, "RIG_CAPTURE_SECRET_ACCESS_KEY": SECRET_KEY}
    with tempfile.TemporaryDirectory(prefix="rig_bench_") as name, s3_server(Path(name)) as server:
        server.client().create_bucket(Bucket="bucket")
        session = make_session(Path(name) / "rec_bench", {f"f{number}": os.urandom(limit * seconds // files) for number in range(files)})
        settings = DeliverySettings(
            store="s3://bucket",
            catalog=str(Path(name) / "catalog.db"),
            endpoint_url=server.url,
            bandwidth_limit=limit,
            concurrent_uploads=files,
        )
        with DataInterface.open(settings) as data:
            begin = time.perf_counter()
            result = data.ingest(manifest_path=session / "manifest.json", source_dir=session)
            taken = time.perf_counter() - begin
    rate = result.bytes_uploaded / taken
    if as_json:
        typer.echo(json.dumps({"limit": limit, "files": files, "seconds": taken, "bytes_per_s": rate, "ratio": rate / limit}, indent=1))
        return
    typer.echo(f"{files} files at once, limit {limit} B/s: {rate:.0f} B/s over {taken:.1f} s, ratio {rate / limit:.3f}")


if __name__ == "__main__":
    typer.run(main)
