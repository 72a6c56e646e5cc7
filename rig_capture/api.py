"""The Python API: recordings from a user's own script.

import rig_capture

with rig_capture.recording("lab", participant="p01") as session:
    ...  # the rig records
print(session.path)
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rig_capture.nodes.clients.errors import NoAnswer
from rig_capture.nodes.clients.rig import RigClient
from rig_capture.profiles.dds import dds_variables
from rig_capture.profiles.files import check_files
from rig_capture.profiles.host import on_this_machine
from rig_capture.profiles.hosts import host_namespace
from rig_capture.profiles.load import LoadedProfile, load_profile
from rig_capture.profiles.profile import Profile
from rig_capture.running.errors import NotRunning
from rig_capture.running.folder import RigFolder, RigRecord, domain_of
from rig_capture.running.rig import Rig, find_rig, start_rig

UP_TIMEOUT_S = 60.0
"""Longest wait for all nodes of a rig that has to be started."""


@dataclass(frozen=True)
class RunningSession:
    """A session that is being recorded, or was."""

    recording_id: str
    path: Path


LAUNCHED_S = 3.0
"""Longest wait for a sign of a rig that was not started by `rig up`."""


@dataclass(frozen=True)
class UsedRig:
    """A rig that is up, whoever started it."""

    client: RigClient
    rig: Rig | None
    """None of one that `ros2 launch` started."""
    started_here: bool = False


@contextmanager
def rig_of(loaded: LoadedProfile, stop: threading.Event | None = None) -> Iterator[UsedRig]:
    """The rig of a profile, while the block runs; it is started first where it is not up, and then stopped afterwards.

    Args:
        loaded: the profile.
        stop: to be set by who wants to wait no longer for the nodes; the block is entered then all the same.

    Raises:
        ProfileError: the profile can't be used.
        RunningError: the rig did not start; names the node that failed, with its last lines.
    """
    loaded = on_this_machine(loaded)
    with ExitStack() as ending:
        rig = _running_rig(loaded)
        if rig is not None:
            yield UsedRig(ending.enter_context(client_of(rig.record)), rig)
            return
        check_files(loaded)
        client = ending.enter_context(client_for(loaded.profile))
        if _is_launched(client):
            yield UsedRig(client, None)
            return
        rig = start_rig(loaded)
        ending.callback(rig.stop)
        rig.wait_until_up(client, UP_TIMEOUT_S, stop)
        yield UsedRig(client, rig, started_here=True)


@contextmanager
def recording(
    profile: str | None = None,
    *,
    label: str = "",
    participant: str = "",
    testing_mode: bool = False,
    topics: Sequence[str] = (),
    settings: dict[str, object] | None = None,
) -> Iterator[RunningSession]:
    """Records while the block runs; the rig is started first where it is not up, and then stopped afterwards.

    The session is stopped and complete on disk when the block is left, also by an exception.

    Args:
        profile: name or file; None: $RIG_CAPTURE_PROFILE, else the default one.
        label: what is recorded.
        participant: who is recorded.
        testing_mode: marks the recording as a test.
        topics: to record beside those of the profile.
        settings: over the profile, with dotted keys, such as ``{"cameras.camera_front.fps": 15}``; they count only for a
            rig that is started here.

    Yields:
        The session.

    Raises:
        ProfileError: the profile can't be used.
        RunningError: the rig did not start; names the node that failed, with its last lines.
        ClientError: the recorder refused, with the reason per device, or did not answer.
    """
    with rig_of(load_profile(profile, overrides=settings)) as used:
        client = used.client
        started = client.start_recording(label=label, participant=participant, testing_mode=testing_mode, topics=topics)
        try:
            yield RunningSession(started.recording_id, Path(started.path))
        finally:
            client.stop_recording()


def client_of(record: RigRecord) -> RigClient:
    """A client of a rig that `rig up` started on this machine; to be entered."""
    return RigClient(record.namespace, record.domain_id, variables=record.variables, own_namespace=record.own_namespace)


def client_for(profile: Profile) -> RigClient:
    """A client of the rig that a profile describes, wherever it runs and whoever started it; to be entered."""
    own = host_namespace(profile, profile.host)
    return RigClient(profile.namespace, domain_of(profile), variables=dds_variables(profile), own_namespace=own)


def _running_rig(loaded: LoadedProfile) -> Rig | None:
    try:
        return find_rig(RigFolder.of_profile(loaded.profile))
    except NotRunning:
        return None


def _is_launched(client: RigClient) -> bool:
    """Whether a recorder is there; two in one place would take each other's devices and names."""
    try:
        client.recorder_status(LAUNCHED_S)
    except NoAnswer:
        return False
    return True
