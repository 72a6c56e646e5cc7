"""`./rig bench writer`: the bag writer against a plain write() of the same bytes to the same disk."""

import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from rig_capture.profiles.settings import RecorderSettings
from rig_capture.recorder.bag.bag import BagTopic
from rig_capture.recorder.bag.foxglove_writer import FoxgloveBagWriter

_TOTAL = 400_000_000
_SIZES = (1_000, 100_000, 2_700_000)


def main(
    *,
    runs: Annotated[int, typer.Option(help="Runs of each; medians are shown.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Speed of the bag writer as a ratio to write(); 1 is as fast, a higher ratio is better."""
    results = [_compare(size, runs) for size in _SIZES]
    if as_json:
        typer.echo(json.dumps({"sizes": results}, indent=1))
        return
    for result in results:
        typer.echo("{size:>9} B: bag {bag_mb_s:6.0f} MB/s, write() {write_mb_s:6.0f} MB/s, ratio {ratio:.2f}".format(**result))


def _compare(size: int, runs: int) -> dict[str, float]:
    data = os.urandom(size)
    count = _TOTAL // size
    folder = Path(tempfile.mkdtemp(prefix="rig_bench_"))
    try:
        # In turn, so that a machine that grows slower is so to both.
        pairs = [(_bag(folder / f"bag{run}", data, count), _plain(folder / f"plain{run}", data, count)) for run in range(runs)]
    finally:
        shutil.rmtree(folder)
    bag, plain = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(other / own for own, other in pairs)
    return {"size": size, "bag_mb_s": _TOTAL / bag / 1e6, "write_mb_s": _TOTAL / plain / 1e6, "ratio": ratio}


def _bag(folder: Path, data: bytes, count: int) -> float:
    writer = FoxgloveBagWriter(folder, RecorderSettings(), "rec_bench", "jazzy", lambda file: None)
    writer.add_topic(BagTopic("/data", "std_msgs/msg/ByteMultiArray", "byte[] data", "RIHS01_" + "0" * 64))
    begin = time.perf_counter()
    for number in range(count):
        writer.write("/data", data, number)
    writer.close()
    took = time.perf_counter() - begin
    shutil.rmtree(folder)
    return took


def _plain(path: Path, data: bytes, count: int) -> float:
    begin = time.perf_counter()
    with path.open("wb", buffering=1024 * 1024) as file:
        for _ in range(count):
            file.write(data)
    took = time.perf_counter() - begin
    path.unlink()
    return took


if __name__ == "__main__":
    typer.run(main)
