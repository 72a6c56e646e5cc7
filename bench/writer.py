"""`./rig bench writer`: the bag writer against a plain write() of the same bytes, into the page cache and on to the disk.

The writer adds what a bag has and a plain file has not: an index, and a CRC-32 over each chunk.
"""

import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from rig_capture.nodes.common.memory import keep_large_buffers
from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.bag.bag import BagTopic
from rig_capture.recorder.bag.mcap_writer import McapBagWriter
from rig_capture.recorder.files import sync_file

_TOTAL = 400_000_000
_SIZES = (1_000, 100_000, 2_700_000)


def main(
    *,
    runs: Annotated[int, typer.Option(help="Runs of each; medians are shown.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Speed of the bag writer as a ratio to write(); 1 is as fast, a higher ratio is better."""
    keep_large_buffers()  # as the recorder's node does
    results = [_compare(size, runs) for size in _SIZES]
    if as_json:
        typer.echo(json.dumps({"sizes": results}, indent=1))
        return
    for result in results:
        typer.echo(
            "{size:>9} B: bag {bag_mb_s:6.0f} MB/s, write() {write_mb_s:6.0f} MB/s, ratio {ratio:.2f}; "
            "on the disk {bag_disk_mb_s:6.0f} and {write_disk_mb_s:6.0f} MB/s, ratio {disk_ratio:.2f}".format(**result)
        )


def _compare(size: int, runs: int) -> dict[str, float]:
    data = os.urandom(size)
    count = _TOTAL // size
    folder = Path(tempfile.mkdtemp(prefix="rig_bench_"))
    try:
        # In turn, so that a machine that grows slower is so to both.
        pairs = [(_bag(folder / f"bag{run}", data, count), _plain(folder / f"plain{run}", data, count)) for run in range(runs)]
    finally:
        shutil.rmtree(folder)
    bag, bag_disk, plain, plain_disk = (statistics.median(times) for times in zip(*(own + other for own, other in pairs), strict=True))
    speeds = {"bag_mb_s": bag, "write_mb_s": plain, "bag_disk_mb_s": bag_disk, "write_disk_mb_s": plain_disk}
    return {
        "size": size,
        **{name: _TOTAL / seconds / 1e6 for name, seconds in speeds.items()},
        "ratio": statistics.median(other[0] / own[0] for own, other in pairs),
        "disk_ratio": statistics.median(other[1] / own[1] for own, other in pairs),
    }


def _bag(folder: Path, data: bytes, count: int) -> tuple[float, float]:
    """Seconds until the bag is closed, and until it is on the disk."""
    writer = McapBagWriter(folder, RecorderSettings(), "rec_bench", "jazzy", lambda file: None)
    writer.add_topic(BagTopic("/data", "std_msgs/msg/ByteMultiArray", "byte[] data", "RIHS01_" + "0" * 64))
    begin = time.perf_counter()
    for number in range(count):
        writer.write("/data", data, number)
    writer.close()
    took = time.perf_counter() - begin
    sync_file(folder / f"{folder.name}_0.mcap")
    on_disk = time.perf_counter() - begin
    shutil.rmtree(folder)
    return took, on_disk


def _plain(path: Path, data: bytes, count: int) -> tuple[float, float]:
    begin = time.perf_counter()
    with path.open("wb", buffering=1024 * 1024) as file:
        for _ in range(count):
            file.write(data)
    took = time.perf_counter() - begin
    sync_file(path)
    on_disk = time.perf_counter() - begin
    path.unlink()
    return took, on_disk


if __name__ == "__main__":
    typer.run(main)
