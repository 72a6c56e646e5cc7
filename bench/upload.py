"""`./rig bench upload`: an ingest against `aws s3 sync` to the same server, and against `cp -r` with `sha256sum` into a folder.

Into a folder also from a process that is up ("warm"), as the uploader node is: of many small files the start is a third of the time.
"""

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from rig_capture.delivery.ingest import DataInterface
from rig_capture.delivery.rescue import ingest_all
from rig_capture.delivery.scan import scan_folder
from rig_capture.profiles.settings.rig import DeliverySettings
from test.delivery.services import ACCESS_KEY, SECRET_KEY, S3Server, s3_server
from test.delivery.sessions import make_session

_numbers = itertools.count()
_CASES = {"large": (5, 400_000_000), "small": (5000, 40_000)}
"""Number and bytes of files: 2 GB in 5, 200 MB in 5000."""


def main(
    *,
    runs: Annotated[int, typer.Option(help="Runs of each; medians are shown.")] = 3,
    scale: Annotated[float, typer.Option(help="Share of the bytes, for a quick look.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Time of an ingest as a ratio to the usual tools; below 1 is faster than they are."""
    folder = Path(tempfile.mkdtemp(prefix="rig_bench_"))
    try:
        results = [_case(folder, name, count, int(size * scale), runs) for name, (count, size) in _CASES.items()]
    finally:
        shutil.rmtree(folder)
    if as_json:
        typer.echo(json.dumps({"cases": [result for case in results for result in case]}, indent=1))
        return
    line = "{case:>6} {store:>12}: ingest {ingest_s:6.2f} s, {other} {other_s:6.2f} s, ratio {ratio:.2f}"
    for case in results:
        for result in case:
            typer.echo(line.format(**result))


def _case(folder: Path, name: str, count: int, size: int, runs: int) -> list[dict[str, object]]:
    session = make_session(folder / name / "rec_bench", {f"f{number:05d}": os.urandom(size) for number in range(count)})
    with s3_server(folder) as server:
        _sync(session, server)  # the server grows to its full size at the first round, whoever's it is
        pairs = _in_turns(lambda: _ingest_s3(folder, session, server), lambda: _sync(session, server), runs)
    copies = _in_turns(lambda: _ingest_folder(folder, session), lambda: _copy(folder, session), runs)
    warm = _in_turns(lambda: _ingest_warm(folder, session), lambda: _copy(folder, session), runs)
    other = "cp -r + sha256sum"
    return [_result(name, "s3", "aws s3 sync", pairs), _result(name, "folder", other, copies), _result(name, "folder, warm", other, warm)]


def _in_turns(own: Callable[[], float], theirs: Callable[[], float], runs: int) -> list[tuple[float, float]]:
    """Times of both, one after the other, each the first every other time."""
    pairs = []
    for run in range(runs):
        first, second = (own, theirs) if run % 2 == 0 else (theirs, own)
        times = (first(), second())
        pairs.append(times if run % 2 == 0 else times[::-1])
    return pairs


def _result(name: str, store: str, other: str, pairs: list[tuple[float, float]]) -> dict[str, object]:
    own, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(own / theirs for own, theirs in pairs)
    return {"case": name, "store": store, "other": other, "ingest_s": own, "other_s": theirs, "ratio": ratio}


def _ingest_s3(folder: Path, session: Path, server: S3Server) -> float:
    keys = {"RIG_CAPTURE_ACCESS_KEY_ID": ACCESS_KEY, "RIG_CAPTURE_SECRET_ACCESS_KEY": SECRET_KEY}
    return _in_bucket(server, lambda bucket: _ingest(folder, session, f"s3://{bucket}", {"RIG_CAPTURE_ENDPOINT_URL": server.url, **keys}))


def _ingest_folder(folder: Path, session: Path) -> float:
    return _ingest(folder, session, str(_new(folder, "store")), {})


def _ingest_warm(folder: Path, session: Path) -> float:
    """As the uploader does it: in a process that runs, without the start of one and its imports."""
    settings = DeliverySettings(store=str(_new(folder, "store")), catalog=str(_new(folder, "catalog.db")))
    os.sync()
    begin = time.perf_counter()
    with DataInterface.open(settings) as data:
        report = ingest_all(data, scan_folder(session.parent))
    assert report.failed == 0
    return time.perf_counter() - begin


def _ingest(folder: Path, session: Path, store: str, variables: dict[str, str]) -> float:
    command = [sys.executable, "-m", "rig_capture.cli", "ingest", "--path", str(session.parent), "--store", store, "--json"]
    return _timed(command, {"RIG_CAPTURE_DATA_DIR": str(_new(folder, "data")), **variables})


def _sync(session: Path, server: S3Server) -> float:
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": "us-east-1"}
    sync = [str(Path(sys.prefix) / "aws" / "bin" / "aws"), "s3", "sync", "--only-show-errors", "--endpoint-url", server.url]
    return _in_bucket(server, lambda bucket: _timed([*sync, str(session), f"s3://{bucket}/"], keys))


def _copy(folder: Path, session: Path) -> float:
    command = 'cp -r "$0" "$1" && find "$1" -type f -exec sha256sum {} + >"$2"'
    return _timed(["sh", "-c", command, str(session), str(_new(folder, "copy")), str(folder / "sums")], {})


def _new(folder: Path, name: str) -> Path:
    """A place for a copy, which stays to the end.

    For minutes after thousands of files are deleted, ext4 is several times slower to make new ones (`recently_deleted` in its
    ialloc.c), and whoever comes next would pay for it.
    """
    return folder / f"{name}{next(_numbers)}"


def _in_bucket(server: S3Server, job: Callable[[str], float]) -> float:
    """Runs a job with a bucket that is new and gone afterwards."""
    client, bucket = server.client(), f"bench-{time.monotonic_ns()}"
    client.create_bucket(Bucket=bucket)
    try:
        return job(bucket)
    finally:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": item["Key"]} for item in page.get("Contents", ())]})


def _timed(command: list[str], variables: dict[str, str]) -> float:
    os.sync()  # nothing that was written before is still on its way to the disk
    begin = time.perf_counter()
    subprocess.run(command, env=os.environ | variables, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


if __name__ == "__main__":
    typer.run(main)
