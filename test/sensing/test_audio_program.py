"""Sound from recording programs: commands, loss, and an end without orphans."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.block import AudioBlock
from rig_capture.sensing.audio.program import ProgramAudio
from rig_capture.sensing.audio.tools import TOOLS, command_line
from rig_capture.sensing.device import DeviceError
from test.parts import alive, wait_until


def script(folder: Path, text: str) -> str:
    """A command that runs some shell lines."""
    file = folder / "source.sh"
    file.write_text(text)
    return f"sh {file}"


def settings(command: str = "", **more: object) -> AudioSettings:
    return AudioSettings.model_validate({"driver": "command", "command": command, "sample_rate": 8000} | more)


def read_all(driver: ProgramAudio) -> tuple[list[AudioBlock], str]:
    """All blocks until the source is lost, and what the loss said."""
    blocks: list[AudioBlock] = []
    driver.open()
    try:
        while True:
            block = driver.read()
            if block is not None:
                blocks.append(block)
    except DeviceError as error:
        return blocks, str(error)
    finally:
        driver.close()


@pytest.mark.parametrize(("sample_format", "size"), [("S16LE", 2), ("S24LE", 3), ("S32LE", 4), ("F32LE", 4)])
def test_every_byte_is_delivered_and_the_end_is_a_loss(tmp_path: Path, sample_format: str, size: int) -> None:
    sound = os.urandom(8000 * 2 * size + 2 * size)
    (tmp_path / "sound").write_bytes(sound)
    command = script(tmp_path, f"cat {tmp_path}/sound; echo first >&2; echo it broke >&2; exit 3")
    blocks, loss = read_all(ProgramAudio(settings(command, format=sample_format)))
    assert b"".join(block.data for block in blocks) == sound
    assert [block.frames for block in blocks] == [400] * 20 + [1]
    assert [block.first_sample for block in blocks] == [400 * number for number in range(21)]
    assert [block.stamp_ns - blocks[0].stamp_ns for block in blocks] == [50_000_000 * number for number in range(21)]
    assert "code 3" in loss
    assert "first | it broke" in loss


def test_placeholders_are_filled_in(tmp_path: Path) -> None:
    command = script(tmp_path, f'echo "$@" > {tmp_path}/told') + " {device} --rate={sample_rate} {format} {channels} {block_ms}"
    read_all(ProgramAudio(settings(command, device="hw:1", channels=4, format="S24LE")))
    assert (tmp_path / "told").read_text().split() == ["hw:1", "--rate=8000", "S24LE", "4", "50"]


def test_overruns_are_counted(tmp_path: Path) -> None:
    command = script(tmp_path, "echo 'overrun!!! (at least 3.2 ms long)' >&2; echo 'overrun!!!' >&2; sleep 0.2; head -c 8000 /dev/zero")
    blocks, _ = read_all(ProgramAudio(settings(command)))
    assert blocks[-1].overruns == 2


def test_a_stop_ends_the_program_and_its_children(tmp_path: Path) -> None:
    command = script(tmp_path, f"trap '' TERM; sleep 100 & echo $! > {tmp_path}/child; cat /dev/zero & wait; wait")
    driver = ProgramAudio(settings(command))
    driver.open()
    wait_until(lambda: driver.read() is not None, "sound")
    child = int((tmp_path / "child").read_text())
    driver.interrupt()
    driver.close()
    wait_until(lambda: not alive(child), "the child's end", 5)


def test_an_interrupt_ends_a_read_that_waits(tmp_path: Path) -> None:
    driver = ProgramAudio(settings(script(tmp_path, "exec sleep 100")))
    driver.open()
    results: list[AudioBlock | None] = []
    reader = threading.Thread(target=lambda: results.append(driver.read()))
    reader.start()
    driver.interrupt()
    reader.join(2)
    assert not reader.is_alive()
    assert results == [None]
    driver.close()


def test_a_killed_owner_takes_the_program_along(tmp_path: Path) -> None:
    command = script(tmp_path, f"echo $$ > {tmp_path}/pid; echo sound; exec sleep 100")
    code = f"""
import os, signal
from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.program import ProgramAudio
driver = ProgramAudio(AudioSettings(driver="command", command={command!r}))
driver.open()
while not driver._received:
    driver.read()
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(pid), "the program's end", 5)


@pytest.mark.parametrize("driver", ["pulse", "pipewire", "alsa", "jack"])
def test_a_missing_program_is_named_with_its_package(driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match=f"apt-get install {TOOLS[driver].package}"):
        command_line(AudioSettings.model_validate({"driver": driver}))


def test_each_sound_system_gets_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("parec", "arecord", "jack-stdout", "pw-record"):
        (tmp_path / program).write_text("#!/bin/sh\necho '  -a, --raw  RAW mode'\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def words(driver: str, **more: object) -> str:
        return " ".join(command_line(AudioSettings.model_validate({"driver": driver} | more)))

    assert "--device=@DEFAULT_SOURCE@ --format=float32le --rate=48000" in words("pulse", format="F32LE")
    assert "-D hw:2 -t raw -f S24_3LE -r 48000 -c 2" in words("alsa", format="S24LE", device="hw:2")
    assert words("jack", format="S24LE") == "jack-stdout -b 24 -e signed system:capture_1 system:capture_2"
    assert words("pipewire").startswith("pw-record --raw --target=auto --format=s16")


def test_a_format_the_program_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(DeviceError, match="S16LE, S24LE, F32LE"):
        command_line(AudioSettings(driver="jack", format="S32LE"))


@pytest.mark.parametrize("command", ["", "record {rate}", "record 'unclosed", "record {0}"])
def test_an_unusable_command_is_refused_by_the_settings(command: str) -> None:
    with pytest.raises(ValidationError, match="command"):
        settings(command)
