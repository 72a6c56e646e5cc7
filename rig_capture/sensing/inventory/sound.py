"""Sound sources as PulseAudio, PipeWire and JACK list them; ALSA is in a file of its own."""

import json
import re
from collections.abc import Iterator
from typing import Any

from rig_capture.sensing.inventory.items import SoundSource, profile_line
from rig_capture.sensing.inventory.places import Absent, Unreadable, ask

_SPA_FORMATS = {"S16LE": "S16LE", "S32LE": "S32LE", "F32LE": "F32LE", "F32P": "F32LE", "S16P": "S16LE", "S32P": "S32LE"}
_PULSE_FORMATS = {"s16le": "S16LE", "s24le": "S24LE", "s32le": "S32LE", "float32le": "F32LE"}
_RATES_ARE_TOO_WIDE = 1_000_000
"""Hz; a virtual source that takes any rate says so with the largest number it knows."""


def pulse() -> tuple[SoundSource, ...]:
    """Sources of the PulseAudio server. Raises Absent, Unreadable."""
    sources = _parsed(ask("pactl", "--format=json", "list", "sources", package="pulseaudio-utils"), "pactl")
    default = _parsed(ask("pactl", "--format=json", "info", package="pulseaudio-utils"), "pactl").get("default_source_name", "")
    return tuple(_pulse_source(source, default) for source in sources)


def _pulse_source(source: dict[str, Any], default: str) -> SoundSource:
    # "s16le 2ch 44100Hz"
    words = source["sample_specification"].split()
    rate, channels = int(words[2].removesuffix("Hz")), int(words[1].removesuffix("ch"))
    settings = {
        "driver": "pulse",
        "device": source["name"],
        "sample_rate": rate,
        "channels": channels,
        "format": _PULSE_FORMATS.get(words[0], "S16LE"),
    }
    monitors = source.get("monitor_source") or ""
    return SoundSource(
        name=source.get("description") or source["name"],
        device=source["name"],
        formats=(words[0],),
        rates_hz=(rate,),
        channels=(channels,),
        state=str(source.get("state", "")).lower(),
        is_default=source["name"] == default,
        monitors=monitors,
        profile=profile_line("microphones", source.get("description") or source["name"], settings),
    )


def pipewire() -> tuple[SoundSource, ...]:
    """Source nodes of the PipeWire server. Raises Absent, Unreadable."""
    objects = _parsed(ask("pw-dump", package="pipewire-bin"), "pw-dump")
    infos = [thing.get("info") or {} for thing in objects]
    sources = [info for info in infos if str((info.get("props") or {}).get("media.class", "")).startswith(("Audio/Source", "Audio/Duplex"))]
    return tuple(_pipewire_source(info) for info in sources)


def _pipewire_source(info: dict[str, Any]) -> SoundSource:
    props = info["props"]
    offers = [offer for offer in (info.get("params") or {}).get("EnumFormat") or () if offer.get("mediaSubtype") == "raw"]
    formats = _unique(value for offer in offers for value in _values(offer.get("format")))
    channels = _unique(int(value) for offer in offers for value in _values(offer.get("channels")))
    rates = _unique(int(value) for offer in offers for value in _values(offer.get("rate")))
    is_range = any(isinstance(offer.get("rate"), dict) and "max" in offer["rate"] for offer in offers)
    if is_range and rates[-1] > _RATES_ARE_TOO_WIDE:
        rates, is_range = (), False
    usable = [_SPA_FORMATS[value] for value in formats if value in _SPA_FORMATS]
    settings = {
        "driver": "pipewire",
        "device": props["node.name"],
        "sample_rate": best_rate(rates, is_range=is_range),
        "channels": channels[-1] if channels else 2,
        "format": "S16LE" if "S16LE" in usable or not usable else usable[0],
    }
    name = props.get("node.description") or props["node.name"]
    return SoundSource(
        name=name,
        device=props["node.name"],
        formats=formats,
        rates_hz=rates,
        rates_are_range=is_range,
        channels=channels,
        state=info.get("state") or "",
        profile=profile_line("microphones", name, settings),
    )


def _values(choice: object) -> list[Any]:
    """What a SPA choice allows: one value, an enumeration of alternatives, or the ends of a range."""
    if choice is None:
        return []
    if not isinstance(choice, dict):
        return [choice]
    if "max" in choice:
        return [choice["min"], choice["max"]]
    return [value for key, value in choice.items() if key.startswith("alt")] or [choice["default"]]


def jack() -> tuple[SoundSource, ...]:
    """Ports of the JACK server that deliver sound, those of one client together. Raises Absent, Unreadable."""
    listing = ask("jack_lsp", "-p", "-t", package="jackd2")
    rate = int(ask("jack_samplerate", package="jackd2").split()[0])
    ports: dict[str, list[str]] = {}
    for port in _jack_outputs(listing):
        ports.setdefault(port.partition(":")[0], []).append(port)
    return tuple(_jack_client(client, names, rate) for client, names in ports.items())


def _jack_outputs(listing: str) -> Iterator[str]:
    """Ports that deliver sound: each has its name, then its properties, then its type, indented."""
    for entry in re.split(r"\n(?=\S)", listing):
        port, *details = entry.splitlines() or [""]
        facts = " ".join(details)
        if re.search(r"properties:.*\boutput\b", facts) and "audio" in facts:
            yield port.strip()


def _jack_client(client: str, ports: list[str], rate: int) -> SoundSource:
    device = " ".join(ports)
    settings = {"driver": "jack", "device": device, "sample_rate": rate, "channels": len(ports), "format": "F32LE"}
    # Names with blanks can't be told apart in the setting `device`.
    line = profile_line("microphones", client, settings) if not any(" " in port for port in ports) else ""
    return SoundSource(name=client, device=device, formats=("F32LE",), rates_hz=(rate,), channels=(len(ports),), profile=line)


def best_rate(rates: tuple[int, ...], *, is_range: bool) -> int:
    """48 kHz where that is possible, else the nearest rate."""
    if not rates or (is_range and rates[0] <= 48_000 <= rates[-1]):
        return 48_000
    return min(rates, key=lambda rate: abs(rate - 48_000))


def _unique(values: Iterator[Any]) -> tuple[Any, ...]:
    return tuple(sorted(set(values)))


def _parsed(text: str, program: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except ValueError as error:
        if not text.strip():
            raise Absent(f"{program} says nothing; is the sound server running?") from error
        raise Unreadable(f"{program} does not write JSON as its newer versions do ({error}); install a newer one") from error
