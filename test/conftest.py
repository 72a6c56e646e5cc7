"""What all tests share: an isolated home, and a ROS domain of its own for each worker."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from rig_capture.profiles.dds_files import ONE_MACHINE, file_variables
from rig_capture.running.shared_memory import remove_leftovers
from test.parts import PulseNullSink, need_programs

_WORKER = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", "0"))) or 0)

# Before anything imports rclpy: domains 60 to 99 belong to tests, one for each parallel worker.
os.environ["ROS_DOMAIN_ID"] = str(60 + (os.getpid() * 7 + _WORKER) % 40)
os.environ |= file_variables(ONE_MACHINE)

# Nodes that earlier runs have killed would keep those of this one from finding each other.
remove_leftovers()

# A busy machine is no reason to fail.
hypothesis.settings.register_profile("rig", deadline=None)
hypothesis.settings.load_profile("rig")


_ONE_NODE = tuple(f"test/integration/test_{name}.py" for name in ("buttons", "camera_node", "estimator_node", "foxglove", "uploader_node"))
"""Of one node, with a few beside it at most: they disturb nobody."""


class RigsApart(LoadFileScheduling):  # type: ignore[misc]
    """Tests that start whole rigs run one after the other, beside those of the libraries: two rigs at once on two cores would measure
    each other. All others stay together by file, for the sake of what a file's fixtures share."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "rigs" if file.startswith(("test/integration/", "test/e2e/")) and file not in _ONE_NODE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> RigsApart:
    """What `pytest -n` calls."""
    return RigsApart(config, log)


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or changes the user's own profiles, sessions, catalog or credentials."""
    home = tmp_path_factory.mktemp("home")
    for variable in [name for name in os.environ if name.startswith(("RIG_CAPTURE_", "XDG_", "AWS_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ROS_LOG_DIR", str(home / "roslog"))
    return home


@pytest.fixture
def pulse_null_sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulseNullSink]:
    """A running PulseAudio with a null sink, for this test alone."""
    need_programs("pulseaudio pulseaudio-utils", "pulseaudio", "parec", "paplay")
    # Not tmp_path: with a long test name the path of the server's socket would be too long.
    sink = PulseNullSink(tmp_path_factory.mktemp("pulse"))
    try:
        sink.start()
        yield sink
    finally:
        sink.stop()
