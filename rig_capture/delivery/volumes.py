"""Disks that travel: mounted volumes of removable or external drives, as the system tells them (lsblk)."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from rig_capture.delivery.errors import DeliveryError
from rig_capture.disks import DisksUnknown, MountedVolume, mounted_volumes


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
        mounted = mounted_volumes()
    except DisksUnknown as error:
        raise VolumeError(str(error)) from error
    own = Path("/").stat().st_dev
    fit = [volume for volume in mounted if volume.travels and not volume.of_system and _is_writable(volume)]
    found = [Volume(v.mount, v.label, v.model, v.device, v.size, v.mount.stat().st_dev) for v in fit]
    return [volume for volume in found if volume.number != own]


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


def _is_writable(volume: MountedVolume) -> bool:
    return not volume.read_only and volume.mount.is_dir() and not os.statvfs(volume.mount).f_flag & os.ST_RDONLY
