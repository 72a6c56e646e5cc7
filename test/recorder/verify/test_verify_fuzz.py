"""Verification and repair of garbage: they report, and never crash."""

import contextlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.repair.repair import repair_session
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.errors import SessionError
from test.recorder.messages import IMU, START_NS, audio, imu, video

SEED = 20261120
ROUNDS = 12
CONTENTS = ("bag/bag_0.mcap", "bag/metadata.yaml", "camera/00000.mkv", "camera/frames.csv", "audio/00000.mkv", "audio/frames.csv")
FILES = ("manifest.json", *CONTENTS)

Damage = Callable[[bytearray, random.Random], bytes]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole session, not to be changed."""
    context = RecordingContext(RecorderParameters(), tmp_path_factory.mktemp("whole"), {}, {}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), lambda name, failure: None)
    picture = recording.add_stream(StreamSpec("video", "camera/video", "rig_capture_msgs/msg/VideoPacket"), "/camera/video", [])
    sound = recording.add_stream(StreamSpec("audio", "audio/audio", "rig_capture_msgs/msg/AudioChunk"), "/audio/audio", [])
    motion = recording.add_stream(StreamSpec("topic", "imu/data_raw", IMU), "/imu/data_raw", [])
    for packet in video("h264", 30):
        picture.take(packet, START_NS)
    for index in range(10):
        sound.take(audio(index), START_NS)
    for index in range(100):
        motion.take(imu(START_NS + index), START_NS + index)
    session = recording.finish("complete", "stopped").path
    assert verify_session(session).whole
    return session


def flip_bits(data: bytearray, chance: random.Random) -> bytes:
    """A few bits, anywhere."""
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def flip_bits_ahead(data: bytearray, chance: random.Random) -> bytes:
    """A few bits where heads and lengths are."""
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(min(600, len(data)))] ^= 1 << chance.randrange(8)
    return bytes(data)


def cut(data: bytearray, chance: random.Random) -> bytes:
    """The end is missing."""
    return bytes(data[: chance.randrange(len(data))])


def zero_tail(data: bytearray, chance: random.Random) -> bytes:
    """The end is zeros, as a power cut may leave it."""
    at = chance.randrange(len(data))
    return bytes(data[:at]) + bytes(len(data) - at)


def garbage(data: bytearray, chance: random.Random) -> bytes:
    """Something else altogether."""
    return chance.randbytes(chance.randrange(2000))


@pytest.mark.parametrize("damage", [flip_bits, flip_bits_ahead, cut, zero_tail, garbage])
@pytest.mark.parametrize("name", FILES)
def test_damage_of_any_kind_is_reported_and_repair_survives_it(whole: Path, tmp_path: Path, name: str, damage: Damage) -> None:
    chance = random.Random(f"{SEED} {name} {damage.__name__}")
    for number in range(ROUNDS):
        session = tmp_path / f"s{number}"
        shutil.copytree(whole, session)
        data = (session / name).read_bytes()
        changed = damage(bytearray(data), chance)
        (session / name).write_bytes(changed)
        with contextlib.suppress(SessionError, RecordingError):
            verdict = verify_session(session)
            assert changed == data or name == "manifest.json" or not verdict.whole
            repair_session(session, anew=True)
            verify_session(session)
        shutil.rmtree(session)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_reported(whole: Path, tmp_path: Path, name: str) -> None:
    session = tmp_path / "s"
    shutil.copytree(whole, session)
    (session / name).unlink()
    if name == "manifest.json":
        with pytest.raises(SessionError):
            verify_session(session)
        return
    assert f"{name}: missing" in verify_session(session).damages
    repair_session(session, anew=True)
    verify_session(session)


def test_a_folder_in_the_place_of_a_file_is_reported(whole: Path, tmp_path: Path) -> None:
    for name in CONTENTS:
        session = tmp_path / "s"
        shutil.copytree(whole, session)
        (session / name).unlink()
        (session / name).mkdir()
        assert not verify_session(session).whole
        shutil.rmtree(session)
