"""The machine's disks and what is mounted of them, as the system tells (lsblk, the table of mounts)."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_COLUMNS = "NAME,MOUNTPOINTS,RM,HOTPLUG,TRAN,RO,SIZE,LABEL,MODEL,FSTYPE"
_EXTERNAL = frozenset({"usb", "ieee1394"})
_OF_SYSTEM = frozenset({"/", "/usr", "/var", "/home", "[SWAP]"})
_OVER_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "glusterfs", "fuse.sshfs", "fuse.rclone", "fuse.glusterfs"})


class DisksUnknown(Exception):
    """The system can't be asked; the message says why and what to do."""


@dataclass(frozen=True)
class MountedVolume:
    """A mounted file system on a disk."""

    mount: Path
    device: str
    """Name of the block device."""
    size: int
    """Bytes of the device."""
    label: str
    model: str
    """Of the disk."""
    filesystem: str
    travels: bool
    """Its disk is removable or external."""
    of_system: bool
    """Its disk holds a part of the running system."""
    read_only: bool
    """The device is; the file system may be where the device is not."""


def is_on_network(path: Path) -> bool:
    """Whether a folder, which need not exist yet, is on another machine's disk."""
    mounts = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    place = path.resolve()
    return next((mounts[folder] for folder in (place, *place.parents) if folder in mounts), "") in _OVER_NETWORK


def mounted_volumes() -> list[MountedVolume]:
    """All mounted file systems on disks.

    Raises:
        DisksUnknown: there is no lsblk, or it failed.
    """
    try:
        answer = subprocess.run(["lsblk", "--json", "--bytes", "--output", _COLUMNS], capture_output=True, check=True, timeout=30)
        disks = json.loads(answer.stdout)["blockdevices"]
    except FileNotFoundError as error:
        raise DisksUnknown("lsblk not found, which tells removable disks from others; run: sudo apt-get install util-linux") from error
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise DisksUnknown(f"lsblk does not tell which disks there are: {error}") from error
    return [volume for disk in disks for volume in _volumes(disk, disk)]


def _volumes(device: dict[str, Any], disk: dict[str, Any]) -> Iterator[MountedVolume]:
    for mount in filter(None, device.get("mountpoints") or []):
        yield MountedVolume(
            Path(mount),
            device["name"],
            int(device.get("size") or 0),
            device.get("label") or "",
            (disk.get("model") or "").strip(),
            device.get("fstype") or "",
            any(part.get("rm") or part.get("hotplug") or part.get("tran") in _EXTERNAL for part in (device, disk)),
            any(mount in _OF_SYSTEM or mount.startswith("/boot") for mount in _mounts(disk)),
            bool(device.get("ro")),
        )
    for child in device.get("children", ()):
        yield from _volumes(child, disk)


def _mounts(device: dict[str, Any]) -> Iterator[str]:
    yield from filter(None, device.get("mountpoints") or [])
    for child in device.get("children", ()):
        yield from _mounts(child)
