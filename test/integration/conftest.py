"""What integration tests share."""

from collections.abc import Iterator

import pytest

from test.integration.nodes import Ear, fresh_namespace


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
