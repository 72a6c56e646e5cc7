"""Where a folder's disk is decides how many files are put into it at once."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from rig_capture.delivery.folder_store import FolderStore
from rig_capture.disks import is_on_network


@pytest.fixture
def mount(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces the system's table of mounts."""

    def replace(**kinds: str) -> None:
        table = [SimpleNamespace(mountpoint=place, fstype=kind) for place, kind in kinds.items()]
        monkeypatch.setattr(psutil, "disk_partitions", lambda *, all: table)  # noqa: A006 - psutil's name

    return replace


def test_the_nearest_mount_decides_also_for_what_does_not_exist_yet(mount: Callable[..., None], tmp_path: Path) -> None:
    mount(**{"/": "ext4", str(tmp_path): "nfs4", str(tmp_path / "usb"): "exfat"})
    assert is_on_network(tmp_path / "lab" / "store")
    assert FolderStore(tmp_path / "lab" / "store").waits
    assert not is_on_network(tmp_path / "usb" / "store")
    assert not is_on_network(Path("/"))


def test_a_link_is_where_it_leads_to(mount: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "nas").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nas")
    mount(**{"/": "ext4", str(tmp_path / "nas"): "cifs"})
    assert is_on_network(tmp_path / "link")


def test_a_folder_here_is_on_no_network(tmp_path: Path) -> None:
    assert not is_on_network(tmp_path)
    assert not FolderStore(tmp_path).waits
