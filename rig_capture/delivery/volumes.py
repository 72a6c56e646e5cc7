"""Disks that travel: mounted volumes of removable or external drives, as the system tells them (lsblk)."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig_capture.delivery.errors import DeliveryError

_COLUMNS = "NAME,MOUNTPOINTS,RM,HOTPLUG,TRAN,RO,SIZE,LABEL,MODEL"
_EXTERNAL = frozenset({"usb", "ieee1394"})


class VolumeError(DeliveryError):
    """There is no volume that may be written to, or it is not the one it was."""


@dataclass(frozen=True)
class Volume:
    """A mounted file system on a drive that travels."""

    mount: Path
    label: str
    model: str
    device: str
    """Name of the block device."""
    size: int
    """Bytes."""
    number: int
    """Device number of the file system; another one means that something else is mounted there now, or nothing."""

    @property
    def free(self) -> int:
        """Bytes."""
        return shutil.disk_usage(self.mount).free

    @property
    def text(self) -> str:
        """In one line."""
        return f"{self.mount} ({' '.join(filter(None, (self.label, self.model, self.device)))})"

    def check(self) -> None:
        """Raises VolumeError where it was unplugged or unmounted, so that nothing is written to the disk below."""
        try:
            there = self.mount.stat().st_dev == self.number
        except OSError:
            there = False
        if not there:
            raise VolumeError(f"{self.mount}: is no longer mounted; plug the disk in and run this again, which goes on where it was")


def find_volumes() -> list[Volume]:
    """Volumes that sessions may be moved to: never one of a disk that holds a part of the running system.

    Raises:
        VolumeError: the system can't be asked.
    """
    try:
        command = ["lsblk", "--json", "--bytes", "--output", _COLUMNS]
        answer = subprocess.run(command, capture_output=True, check=True, timeout=30)
        disks = json.loads(answer.stdout)["blockdevices"]
    except FileNotFoundError as error:
        raise VolumeError("lsblk not found, which tells removable disks from others; run: sudo apt-get install util-linux") from error
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise VolumeError(f"lsblk does not tell which disks there are: {error}") from error
    own = Path("/").stat().st_dev
    return [volume for disk in disks if not _is_of_system(disk) for volume in _volumes(disk, disk) if volume.number != own]


def choose_volume(volumes: list[Volume], place: Path) -> Volume:
    """The volume mounted at a path, or that a path lies on.

    Raises:
        VolumeError: it lies on none of them.
    """
    try:
        number = place.stat().st_dev
    except OSError as error:
        raise VolumeError(f"{place}: {error.strerror}; name the folder where the disk is mounted") from error
    for volume in volumes:
        if volume.number == number:
            return volume
    known = ", ".join(str(volume.mount) for volume in volumes) or "none is plugged in and mounted"
    raise VolumeError(f"{place}: is not on a removable or external disk, and sessions are moved to no other ({known})")


def _mounts(device: dict[str, Any]) -> Iterator[str]:
    yield from filter(None, device.get("mountpoints") or [])
    for child in device.get("children", ()):
        yield from _mounts(child)


def _is_of_system(disk: dict[str, Any]) -> bool:
    return any(mount in {"/", "/usr", "/var", "/home", "[SWAP]"} or mount.startswith("/boot") for mount in _mounts(disk))


def _volumes(device: dict[str, Any], disk: dict[str, Any]) -> Iterator[Volume]:
    travels = any(part.get("rm") or part.get("hotplug") or part.get("tran") in _EXTERNAL for part in (device, disk))
    mounts = [Path(mount) for mount in device.get("mountpoints") or [] if mount]
    if travels and not device.get("ro"):
        for mount in mounts:
            if mount.is_dir() and not os.statvfs(mount).f_flag & os.ST_RDONLY:
                label, model = device.get("label") or "", (disk.get("model") or "").strip()
                yield Volume(mount, label, model, device["name"], int(device.get("size") or 0), mount.stat().st_dev)
    for child in device.get("children", ()):
        yield from _volumes(child, disk)
