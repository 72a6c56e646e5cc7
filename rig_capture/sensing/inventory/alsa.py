"""Capture devices of ALSA: from `arecord -l`, or /proc/asound where that is not installed; what they can do from /proc/asound.

Kernel documentation: Documentation/sound/designs/procfile.rst. USB devices list formats in stream<N>; others are asked by
opening them, which is done only on request, and never while one is in use.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rig_capture.sensing.inventory.items import SoundSource, profile_line
from rig_capture.sensing.inventory.places import PROGRAM_TIMEOUT_S, Absent, Places, Unreadable, ask, text_of
from rig_capture.sensing.inventory.sound import best_rate

_LISTED = re.compile(r"^card (\d+): (\S+) \[(.*?)\], device (\d+): .*?(?:\[(.*?)\])?$", re.MULTILINE)
_PCM = re.compile(r"^(\d+)-(\d+): (.*?) : .*\bcapture \d+", re.MULTILINE)
_OURS = {"S16_LE": "S16LE", "S24_3LE": "S24LE", "S32_LE": "S32LE", "FLOAT_LE": "F32LE"}


@dataclass(frozen=True)
class _Pcm:
    """A capture device of a card."""

    card: int
    card_id: str
    card_name: str
    device: int
    device_name: str


@dataclass(frozen=True)
class _Abilities:
    """What a device can deliver."""

    formats: tuple[str, ...] = ()
    rates_hz: tuple[int, ...] = ()
    rates_are_range: bool = False
    channels: tuple[int, ...] = ()


def alsa(places: Places, *, probe: bool) -> tuple[SoundSource, ...]:
    """All capture devices. Raises Absent, Unreadable."""
    return tuple(_source(places, pcm, probe=probe) for pcm in _listed(places.proc))


def _listed(proc: Path) -> list[_Pcm]:
    try:
        listing = ask("arecord", "-l", package="alsa-utils")
    except (Absent, Unreadable):
        return _from_proc(proc)  # it also exits with an error where there is no card at all
    return [_Pcm(int(card), card_id, name, int(device), what or name) for card, card_id, name, device, what in _LISTED.findall(listing)]


def _from_proc(proc: Path) -> list[_Pcm]:
    if not (proc / "asound").is_dir():
        raise Absent("no sound card is known to the kernel (there is no /proc/asound)")
    names = dict(re.findall(r"^ *(\d+) \[.*?\]: .*? - (.*)$", text_of(proc / "asound/cards"), re.MULTILINE))
    found = _PCM.findall(text_of(proc / "asound/pcm"))
    ids = {card: text_of(proc / f"asound/card{int(card)}/id") or str(int(card)) for card, _, _ in found}
    return [
        _Pcm(int(card), ids[card], names.get(str(int(card)), ids[card]).strip(), int(device), name.strip()) for card, device, name in found
    ]


def _source(places: Places, pcm: _Pcm, *, probe: bool) -> SoundSource:
    folder = places.proc / f"asound/card{pcm.card}"
    status = [text_of(file) for file in sorted(folder.glob(f"pcm{pcm.device}c/sub*/status"))]
    in_use = any(text != "closed" for text in status)
    can = _from_stream(text_of(folder / f"stream{pcm.device}"))
    if not can.formats and probe and not in_use:
        can = _by_opening(pcm)
    device = f"plughw:CARD={pcm.card_id},DEV={pcm.device}"
    ours = [_OURS[name] for name in can.formats if name in _OURS]
    settings = {
        "driver": "alsa",
        "device": device,
        "sample_rate": best_rate(can.rates_hz, is_range=can.rates_are_range),
        "channels": min(64, can.channels[-1]) if can.channels else 2,
        "format": ours[0] if ours else "S16LE",
    }
    name = pcm.card_name if pcm.device_name in pcm.card_name else f"{pcm.card_name}: {pcm.device_name}"
    return SoundSource(
        name=name,
        device=device,
        formats=can.formats,
        rates_hz=can.rates_hz,
        rates_are_range=can.rates_are_range,
        channels=can.channels,
        state="in use" if in_use else "idle",
        profile=profile_line("microphones", pcm.card_id, settings),
    )


def _from_stream(text: str) -> _Abilities:
    """The part "Capture:" of a USB device's stream<N>."""
    capture = text.partition("\nCapture:")[2].partition("\nPlayback:")[0]
    rates = set()
    is_range = False
    for line in re.findall(r"Rates: (.*)", capture):
        is_range = is_range or "continuous" in line
        rates |= {int(rate) for rate in re.findall(r"\d+", line)}
    return _Abilities(
        tuple(dict.fromkeys(word for line in re.findall(r"Format: (.*)", capture) for word in line.split())),
        tuple(sorted(rates)),
        is_range,
        tuple(sorted({int(count) for count in re.findall(r"Channels: (\d+)", capture)})),
    )


def _by_opening(pcm: _Pcm) -> _Abilities:
    """What `arecord --dump-hw-params` tells; it records one frame where its own default suits the device, and fails otherwise."""
    if shutil.which("arecord") is None:
        return _Abilities()
    command = ["arecord", "-D", f"hw:{pcm.card},{pcm.device}", "--dump-hw-params", "--samples=1", "/dev/null"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S, check=False).stderr
    except subprocess.TimeoutExpired:
        return _Abilities()
    facts = dict(re.findall(r"^([A-Z_]+): +(.*)$", said, re.MULTILINE))
    rates, channels = _numbers(facts.get("RATE", "")), _numbers(facts.get("CHANNELS", ""))
    return _Abilities(tuple(facts.get("FORMAT", "").split()), rates, len(rates) > 1, channels)


def _numbers(text: str) -> tuple[int, ...]:
    """A number, or the ends of an interval such as ``[44100 192000]`` or ``(22675 22676)``."""
    return tuple(int(number) for number in re.findall(r"\d+", text))
