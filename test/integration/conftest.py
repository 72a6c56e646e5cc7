"""What integration tests share."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from test.integration.nodes import Ear, NodeProcess, fresh_namespace, running
from test.integration.recorders import Call, Start


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Hears what nodes publish."""
    listener = Ear()
    yield listener
    listener.close()


@pytest.fixture
def namespace() -> str:
    """A ROS namespace for this test alone."""
    return fresh_namespace()


@pytest.fixture
def call(ear: Ear, namespace: str) -> Call:
    """Calls one of the recorder's services and returns the answer."""

    def ask(service: Any, name: str, **fields: Any) -> Any:
        client = ear.node.create_client(service, f"{namespace}/{name}")
        ear.until(client.service_is_ready, f"service {name}")
        answer = client.call_async(service.Request(**fields))
        ear.until(answer.done, f"the answer of {name}", 60)
        return answer.result()

    return ask


@pytest.fixture
def recorder(namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a recorder of the given streams."""
    started = []

    def start(*streams: str, root: Path | None = None, **parameters: Any) -> NodeProcess:
        values = {"storage_path": str(root or tmp_path / "sessions"), "streams": json.dumps(streams)} | parameters
        context = running("recorder", namespace, tmp_path, values)
        started.append(context)
        return context.__enter__()

    yield start
    for context in started:
        context.__exit__(None, None, None)


@pytest.fixture
def sensors(namespace: str, tmp_path: Path) -> Iterator[None]:
    """A synthetic camera, sound and IMU."""
    camera = {"width": 320, "height": 240, "fps": 30.0}
    with running("camera", namespace, tmp_path, camera), running("audio", namespace, tmp_path), running("imu", namespace, tmp_path):
        yield
