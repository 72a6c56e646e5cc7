"""What metering costs: processor time of one source's levels, as a share of one core in real time."""

import json
import time
from typing import Annotated

import numpy as np
import typer

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.block import AudioBlock, block_frames
from rig_capture.sensing.audio.levels import BlockMeter
from rig_capture.sensing.audio.synthetic import pack

LIMIT_PERCENT = 2.0


def main(
    seconds: Annotated[float, typer.Option(help="Of sound, per case.")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Measure levels, speech and correlation of noise, as the audio node does it, ten times a second."""
    cases = [(8, "S16LE"), (8, "S24LE"), (8, "S32LE"), (8, "F32LE"), (2, "S16LE")]
    costs = [round(_cost(channels, form, seconds), 3) for channels, form in cases]
    rows = [{"channels": channels, "format": form, "percent_of_core": cost} for (channels, form), cost in zip(cases, costs, strict=True)]
    well = all(cost < LIMIT_PERCENT for cost in costs)
    if as_json:
        print(json.dumps({"sample_rate": 48000, "limit_percent": LIMIT_PERCENT, "well": well, "cases": rows}, indent=1))
    else:
        for row in rows:
            print(f"{row['channels']} channels, {row['format']}, 48 kHz: {row['percent_of_core']:.2f} % of a core")
    raise typer.Exit(0 if well else 1)


def _cost(channels: int, sample_format: str, seconds: float) -> float:
    """Percent of one core, process time by the time that the sound lasts."""
    settings = AudioSettings.model_validate({"channels": channels, "format": sample_format})
    frames = block_frames(settings)
    wave = 0.1 * np.random.default_rng(0).standard_normal((frames, channels))
    data = pack(np.clip(wave, -1, 1), sample_format)
    meter = BlockMeter(settings)
    count = int(seconds * settings.sample_rate / frames)
    meter.add(AudioBlock(0, 0, frames, data, 0.0, 0, 0))
    begin = time.process_time()
    for number in range(1, count + 1):
        meter.add(AudioBlock(number, number * frames, frames, data, 0.0, 0, 0))
    return (time.process_time() - begin) / (count * frames / settings.sample_rate) * 100
