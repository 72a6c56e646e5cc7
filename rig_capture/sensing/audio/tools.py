"""The recording programs of the sound systems, and the command line each one wants."""

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.device import DeviceError


@dataclass(frozen=True)
class Tool:
    """A recording program that writes interleaved samples to its standard output."""

    template: str
    package: str
    """Debian package that brings the program."""
    default_device: str
    formats: Mapping[str, str]
    """Our names of sample formats to the program's; what is missing it can't deliver."""


OUR_FORMATS = {name: name for name in ("S16LE", "S24LE", "S32LE", "F32LE")}

TOOLS: Mapping[str, Tool] = {
    "pulse": Tool(
        "parec --raw --device={device} --format={format} --rate={sample_rate} --channels={channels}"
        " --latency-msec={block_ms} --client-name=rig_capture",
        "pulseaudio-utils",
        "@DEFAULT_SOURCE@",
        {"S16LE": "s16le", "S24LE": "s24le", "S32LE": "s32le", "F32LE": "float32le"},
    ),
    "pipewire": Tool(
        "pw-record --target={device} --format={format} --rate={sample_rate} --channels={channels} --latency={block_ms}ms -",
        "pipewire-bin",
        "auto",
        {"S16LE": "s16", "S32LE": "s32", "F32LE": "f32"},
    ),
    "alsa": Tool(
        "arecord -q -D {device} -t raw -f {format} -r {sample_rate} -c {channels} --period-time={block_us} --buffer-time={buffer_us}",
        "alsa-utils",
        "default",
        {"S16LE": "S16_LE", "S24LE": "S24_3LE", "S32LE": "S32_LE", "F32LE": "FLOAT_LE"},
    ),
    # The sample rate is the JACK server's own; where it differs from the setting, drift shows it.
    "jack": Tool(
        "jack-stdout {format} {device}",
        "jack-stdio",
        "",
        {"S16LE": "-b 16 -e signed", "S24LE": "-b 24 -e signed", "F32LE": "-e float"},
    ),
    "command": Tool("", "", "default", OUR_FORMATS),
}


def command_line(settings: AudioSettings) -> list[str]:
    """The recording program and its arguments.

    A placeholder that stands alone becomes as many arguments as its value has words (JACK's ports are several).

    Raises:
        DeviceError: the program is not installed, or can't deliver the format.
    """
    tool = TOOLS[settings.driver]
    if settings.format not in tool.formats:
        raise DeviceError(f"{settings.driver} delivers no {settings.format}; set format to one of {', '.join(tool.formats)}")
    values = _values(settings, tool)
    words: list[str] = []
    for word in shlex.split(settings.command or tool.template):
        filled = word.format(**values)
        words += filled.split() if word in ("{device}", "{format}") else [filled]
    _check_installed(words[0], "" if settings.command else tool.package)
    return words if settings.command or settings.driver != "pipewire" else _raw_output(words)


def _values(settings: AudioSettings, tool: Tool) -> dict[str, object]:
    device = settings.device or tool.default_device
    if settings.driver == "jack" and not device:
        device = " ".join(f"system:capture_{channel + 1}" for channel in range(settings.channels))
    block_us = round(settings.block_ms * 1000)
    return {
        "device": device,
        "format": tool.formats[settings.format],
        "sample_rate": settings.sample_rate,
        "channels": settings.channels,
        "block_ms": max(1, round(settings.block_ms)),
        "block_us": block_us,
        "buffer_us": max(500_000, 4 * block_us),
    }


def _check_installed(program: str, package: str) -> None:
    if shutil.which(program) is None:
        hint = f"; install it: sudo apt-get install {package}" if package else "; install it, or correct the setting `command`"
        raise DeviceError(f"the recording program {program} was not found{hint}")


def _raw_output(words: Sequence[str]) -> list[str]:
    """pw-record of newer versions wraps what goes to standard output in a container unless told not to; older ones don't know that."""
    help_text = subprocess.run([words[0], "--help"], capture_output=True, text=True, timeout=10, check=False)
    raw = "--raw" in help_text.stdout + help_text.stderr
    return [words[0], *(["--raw"] if raw else []), *words[1:]]
