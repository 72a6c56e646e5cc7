"""What tests of profiles share: writing a user's profile."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rig_capture.profiles.load import user_profiles_dir

WriteProfile = Callable[[str, str], Path]


@pytest.fixture
def write_profile(isolated_home: Path) -> WriteProfile:
    """Writes a profile of the user's own."""

    def write(name: str, text: str) -> Path:
        path = user_profiles_dir() / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write
