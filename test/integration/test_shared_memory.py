"""What nodes that were killed have left in shared memory, and nodes that live."""

import os
from pathlib import Path

from sensor_msgs.msg import Imu

from rig_capture.running.shared_memory import remove_leftovers
from test.integration.nodes import Ear, NodeProcess, fresh_namespace, running

SHARED_MEMORY = Path("/dev/shm")


def locks_of(node: NodeProcess) -> set[Path]:
    """Those that it holds on segments and ports."""
    opened = {Path(os.path.realpath(link)) for link in Path(f"/proc/{node.process.pid}/fd").iterdir()}
    return {path for path in opened if path.parent == SHARED_MEMORY and path.name.endswith("_el")}


def test_what_a_killed_node_left_goes_and_one_that_lives_is_still_heard(tmp_path: Path, ear: Ear, namespace: str) -> None:
    other = fresh_namespace()
    living, killed = ear.hear(Imu, f"{namespace}/imu/data_raw"), ear.hear(Imu, f"{other}/imu/data_raw")
    with running("imu", namespace, tmp_path) as first, running("imu", other, tmp_path) as second:
        ear.until(lambda: bool(living) and bool(killed), "both")
        kept, left = locks_of(first), locks_of(second)
        second.kill()

        def gone() -> bool:
            remove_leftovers(young_s=2)
            return not any(path.exists() for path in left)

        assert left
        # The others let go of its port when DDS takes it for dead, after 20 s at the latest.
        ear.until(gone, "what the killed one has left", 60)
        assert all(path.exists() for path in kept)
        count = len(living)
        ear.until(lambda: len(living) > count + 100, "the one that lives, still")
