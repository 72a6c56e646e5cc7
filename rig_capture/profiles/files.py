"""The files a profile names: that they are there, and that secrets are kept from others."""

import stat
from pathlib import Path

from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.hosts import part_of
from rig_capture.profiles.load import LoadedProfile
from rig_capture.profiles.text import KeyPath


def check_credentials_file(text: str) -> None:
    """Checks that a credentials file is there and nobody else may read it.

    Raises:
        ProfileError: it is missing, or its mode is wider than 600.
    """
    if not text:
        return
    path = Path(text).expanduser()
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise ProfileError(f"credentials_file: {path}: can't be read: {error.strerror}") from error
    if mode & 0o077:
        raise ProfileError(f"credentials_file: {path}: others may read it (mode {mode:o}); run `chmod 600 {path}`")


def check_files(loaded: LoadedProfile) -> None:
    """Checks that the files a profile names are there: videos, calibrations, certificates, credentials.

    Raises:
        ProfileError: naming each file that is missing, with the line that names it.
    """
    profile = loaded.profile
    if profile.host:
        profile = part_of(profile, profile.host)
    check_credentials_file(profile.credentials_file)
    named: list[tuple[KeyPath, str]] = [(("ca_bundle",), profile.ca_bundle)]
    for name, camera in profile.cameras.items():
        named.append((("cameras", name, "calibration"), camera.calibration))
        if camera.driver == "file":
            named.append((("cameras", name, "source"), camera.source))
            if not camera.source:
                raise ProfileError(f"{_place(loaded, ('cameras', name, 'driver'))}: driver file needs a source, the path of a video file")
    for section in ("console", "foxglove"):
        settings = getattr(profile, section)
        if settings is not None:
            named += [((section, key), getattr(settings, key)) for key in ("certificate", "certificate_key")]
    missing = [
        f"{_place(loaded, key)}: {file}: no such file"
        for key, file in named
        if file and "://" not in file and not Path(file).expanduser().is_file()
    ]
    if missing:
        raise ProfileError("\n".join(missing))


def _place(loaded: LoadedProfile, path: KeyPath) -> str:
    return f"{loaded.origin(path)}: {'.'.join(path)}"
