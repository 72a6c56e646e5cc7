"""`./rig bench disk`: an ingest of a disk whose sessions are all in already, for disks of growing size: time, requests, memory."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from test.delivery.services import ACCESS_KEY, SECRET_KEY, S3Server, s3_server
from test.delivery.sessions import make_session

_FILES = 5
"""Of each session."""


def main(
    *,
    sessions: Annotated[int, typer.Option(min=4, max=6000, help="Of the largest disk; the others have a quarter and half of it.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """What it costs to find that nothing is to be done."""
    folder = Path(tempfile.mkdtemp(prefix="rig_bench_"))
    results: list[dict[str, object]] = []
    try:
        with s3_server(folder) as server:
            server.client().create_bucket(Bucket="bucket")
            made = 0
            for count in (sessions // 4, sessions // 2, sessions):
                _make(folder / "disk", made, count)
                made = count
                _ingest(folder, server)
                requests = server.log.count("HTTP/1.1")
                seconds, peak_mb = _ingest(folder, server)
                requests = server.log.count("HTTP/1.1") - requests
                results.append({"sessions": count, "seconds": seconds, "requests": requests, "peak_mb": peak_mb})
    finally:
        shutil.rmtree(folder)
    if as_json:
        typer.echo(json.dumps({"disks": results}, indent=1))
        return
    line = "{sessions:>5} sessions: {seconds:5.1f} s, {requests} requests, peak {peak_mb:.0f} MB"
    for result in results:
        typer.echo(line.format(**result))


def _make(disk: Path, begin: int, end: int) -> None:
    for number in range(begin, end):
        recording_id = f"rec_20260501_{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}_{number:04x}"
        files = {f"camera/{index:05d}.mkv": os.urandom(300) for index in range(_FILES)}
        make_session(disk / recording_id, files, recording_id=recording_id)


def _ingest(folder: Path, server: S3Server) -> tuple[float, float]:
    """Seconds, and the most memory in megabytes."""
    keys = {"RIG_CAPTURE_ACCESS_KEY_ID": ACCESS_KEY, "RIG_CAPTURE_SECRET_ACCESS_KEY": SECRET_KEY}
    environment = os.environ | {"RIG_CAPTURE_DATA_DIR": str(folder / "data"), "RIG_CAPTURE_ENDPOINT_URL": server.url} | keys
    command = [sys.executable, "-m", "rig_capture.cli", "ingest", "--path", str(folder / "disk"), "--store", "s3://bucket", "--json"]
    begin = time.perf_counter()
    peak_mb = 0.0
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            # What wait4 tells begins with the memory of this process, out of which the other came.
            peak_mb = max(peak_mb, _peak_mb(process.pid))
            time.sleep(0.02)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - begin, peak_mb


def _peak_mb(pid: int) -> float:
    """The most memory that a process had so far; 0 of one that ends."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    typer.run(main)
