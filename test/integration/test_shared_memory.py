"""What nodes that were killed have left in shared memory, and nodes that live."""

from pathlib import Path

from sensor_msgs.msg import Imu

from rig_capture.running.shared_memory import remove_leftovers
from test.integration.nodes import Ear, fresh_namespace, running

SHARED_MEMORY = Path("/dev/shm")


def names() -> set[str]:
    return {path.name for path in SHARED_MEMORY.iterdir()}


def test_what_a_killed_node_left_goes_and_one_that_lives_is_still_heard(tmp_path: Path, ear: Ear, namespace: str) -> None:
    other = fresh_namespace()
    living, killed = ear.hear(Imu, f"{namespace}/imu/data_raw"), ear.hear(Imu, f"{other}/imu/data_raw")
    with running("imu", namespace, tmp_path):
        ear.until(lambda: len(living) > 0, "the one that lives")
        before = names()
        with running("imu", other, tmp_path) as node:
            ear.until(lambda: len(killed) > 0, "the one to be killed")
            made = names() - before
            node.kill()
            ear.until(lambda: remove_leftovers(young_s=2) > 0, "what it has left")
        assert any(name.endswith("_el") for name in made - names())
        count = len(living)
        ear.until(lambda: len(living) > count + 100, "the one that lives, still")
