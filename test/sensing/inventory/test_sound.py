"""Sound sources as real sound servers tell them, and as ALSA's files and programs do."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig_capture.profiles.profile import Profile
from rig_capture.profiles.text import parse
from rig_capture.sensing.inventory import Places, take_inventory
from rig_capture.sensing.inventory.items import SoundSource
from test.parts import PulseNullSink, need_programs, wait_until

USB_STREAM = """\
C-Media USB Audio at usb-0000:00:14.0-2, full speed : USB Audio

Playback:
  Status: Stop
  Interface 1
    Altset 1
    Format: S16_LE
    Channels: 2
    Rates: 48000

Capture:
  Status: Stop
  Interface 2
    Altset 1
    Format: S16_LE
    Channels: 1
    Endpoint: 0x82 (2 IN) (ASYNC)
    Rates: 44100, 48000
  Interface 2
    Altset 2
    Format: S24_3LE
    Channels: 2
    Rates: 8000 - 96000 (continuous)
"""
LISTED = """\
**** List of CAPTURE Hardware Devices ****
card 0: PCH [HDA Intel PCH], device 0: ALC257 Analog [ALC257 Analog]
  Subdevices: 1/1
  Subdevice #0: subdevice #0
card 1: Device [USB Audio Device], device 0: USB Audio [USB Audio]
  Subdevices: 0/1
"""
DUMP = """\
Recording WAVE '/dev/null' : Unsigned 8 bit, Rate 8000 Hz, Mono
HW Params of device "hw:0,0":
--------------------
ACCESS:  MMAP_INTERLEAVED RW_INTERLEAVED
FORMAT:  S16_LE S32_LE
CHANNELS: [2 4]
RATE: [44100 192000]
--------------------
arecord: set_params:1352: Sample format non available
"""


def used_by_a_profile(source: SoundSource) -> dict[str, object]:
    """The settings of the microphone that the source's profile line makes."""
    profile = Profile.model_validate(parse(source.profile))
    return next(iter(profile.microphones.values())).model_dump()


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    asound = tmp_path / "proc/asound"
    for card, name in enumerate(("PCH", "Device")):
        status = asound / f"card{card}/pcm0c/sub0/status"
        status.parent.mkdir(parents=True)
        status.write_text("state: RUNNING\nowner_pid   : 7\n" if card else "closed\n")
        (asound / f"card{card}/id").write_text(f"{name}\n")
    (asound / "card1/stream0").write_text(USB_STREAM)
    (asound / "pcm").write_text(
        "00-00: ALC257 Analog : ALC257 Analog : playback 1 : capture 1\n00-03: HDMI 0 : HDMI 0 : playback 1\n"
        "01-00: USB Audio : USB Audio : playback 1 : capture 1\n"
    )
    (asound / "cards").write_text(
        " 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n                      HDA Intel PCH at 0x1\n"
        " 1 [Device         ]: USB-Audio - USB Audio Device\n                      C-Media USB Audio Device\n"
    )
    return tmp_path / "proc"


@pytest.fixture
def arecord(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `arecord` found first; there is no sound card here that the real one could list."""
    program = tmp_path / "bin/arecord"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nif [ \"$1\" = -l ]; then cat <<'E'\n{LISTED}E\nexit 0; fi\n"
        f"echo \"$@\" >>{tmp_path}/opened\ncat >&2 <<'E'\n{DUMP}E\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def test_usb_cards_tell_what_they_can_do_without_being_opened(proc: Path, arecord: Path, tmp_path: Path) -> None:
    internal, usb = take_inventory(Places(proc=proc)).alsa
    assert (usb.name, usb.device, usb.state) == ("USB Audio Device", "plughw:CARD=Device,DEV=0", "in use")
    assert usb.formats == ("S16_LE", "S24_3LE")
    assert (usb.rates_hz, usb.rates_are_range, usb.channels) == ((8000, 44100, 48000, 96000), True, (1, 2))
    assert (internal.name, internal.formats, internal.state) == ("HDA Intel PCH: ALC257 Analog", (), "idle")
    assert not (tmp_path / "opened").exists()
    settings = used_by_a_profile(usb)
    assert (settings["driver"], settings["sample_rate"], settings["channels"], settings["format"]) == ("alsa", 48000, 2, "S16LE")


def test_idle_cards_are_opened_on_request_and_busy_ones_never(proc: Path, arecord: Path, tmp_path: Path) -> None:
    (proc / "asound/card1/stream0").unlink()
    internal, usb = take_inventory(Places(proc=proc), probe=True).alsa
    assert (internal.formats, internal.rates_hz, internal.channels) == (("S16_LE", "S32_LE"), (44100, 192000), (2, 4))
    assert usb.formats == ()
    assert (tmp_path / "opened").read_text() == "-D hw:0,0 --dump-hw-params --samples=1 /dev/null\n"


def test_without_arecord_the_kernel_s_files_tell_the_same(proc: Path, arecord: Path) -> None:
    with_program = take_inventory(Places(proc=proc)).alsa
    arecord.write_text("#!/bin/sh\necho 'arecord: no soundcards found...' >&2\nexit 1\n")
    assert take_inventory(Places(proc=proc)).alsa == with_program


def test_pulseaudio_tells_its_sources(pulse_null_sink: PulseNullSink, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in pulse_null_sink.environment.items():
        monkeypatch.setenv(name, value)
    (source,) = take_inventory().pulse
    assert (source.device, source.monitors, source.is_default) == ("rig.monitor", "rig", True)
    assert (source.formats, source.rates_hz, source.channels) == (("s16le",), (48000,), (2,))
    settings = used_by_a_profile(source)
    assert (settings["driver"], settings["device"]) == ("pulse", "rig.monitor")


@pytest.fixture
def pipewire(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A PipeWire server of its own with one source."""
    need_programs("pipewire-bin", "pipewire", "pw-cli", "pw-dump")
    folder = tmp_path_factory.mktemp("pw")
    folder.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(["pipewire"], stdout=log, stderr=log)
    try:
        wait_until((folder / "pipewire-0").exists, "PipeWire's start")
        facts = 'factory.name=support.null-audio-sink node.name=rig_source node.description="Rig Source"'
        facts += " media.class=Audio/Source/Virtual object.linger=true audio.position=[FL FR]"
        subprocess.run(["pw-cli", "create-node", "adapter", f"{{ {facts} }}"], check=True, capture_output=True)
        yield
    finally:
        server.kill()
        server.wait()


@pytest.mark.usefixtures("pipewire")
def test_pipewire_tells_its_sources() -> None:
    wait_until(lambda: bool(take_inventory().pipewire), "the source")
    (source,) = take_inventory().pipewire
    assert (source.name, source.device, source.channels) == ("Rig Source", "rig_source", (2,))
    assert "F32LE" in source.formats
    settings = used_by_a_profile(source)
    assert (settings["driver"], settings["device"], settings["format"], settings["sample_rate"]) == (
        "pipewire", "rig_source", "F32LE", 48000,
    )  # fmt: skip


@pytest.fixture
def jack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A JACK server of its own, without hardware."""
    need_programs("jackd2", "jackd", "jack_lsp", "jack_samplerate")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", f"rig{os.getpid()}")
    command = ["jackd", "--no-realtime", "-n", f"rig{os.getpid()}", "-d", "dummy", "-r", "44100", "-C", "2", "-P", "1"]
    with (tmp_path / "jack.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.usefixtures("jack")
def test_jack_tells_its_capture_ports() -> None:
    wait_until(lambda: bool(take_inventory().jack), "JACK's start")
    (source,) = take_inventory().jack
    assert source.device == "system:capture_1 system:capture_2"
    assert (source.rates_hz, source.channels) == ((44100,), (2,))
    assert used_by_a_profile(source)["sample_rate"] == 44100


def test_a_sound_server_that_hangs_or_talks_nonsense_spoils_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program, script in (("pactl", "echo 'not JSON'"), ("pw-dump", "exec sleep 60"), ("jack_lsp", "echo no >&2; exit 3")):
        (tmp_path / program).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = take_inventory()
    assert "install a newer one" in found.problems["pulse"]
    assert "pw-dump gives no answer within 3 s" in found.problems["pipewire"]
    assert found.absent["jack"] == "jack_lsp: no"
    assert found.network
    assert found.took_s < 10


def test_a_machine_without_sound_programs_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    found = take_inventory()
    assert found.absent["pipewire"] == "pw-dump not found; where this machine should have it: sudo apt-get install pipewire-bin"
    assert "lsblk not found" in found.problems["volumes"]
