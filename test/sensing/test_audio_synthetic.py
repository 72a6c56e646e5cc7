"""The made-up sound source."""

import numpy as np
import pytest

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.block import SAMPLE_BYTES, SECOND_NS, AudioBlock
from rig_capture.sensing.audio.synthetic import CLICK_LEVEL, SyntheticAudio, pack


def read(settings: AudioSettings, count: int) -> list[AudioBlock]:
    driver = SyntheticAudio(settings)
    driver.open()
    blocks = [block for block in (driver.read() for _ in range(count)) if block is not None]
    driver.close()
    return blocks


def test_it_clicks_at_every_whole_second_of_the_clock() -> None:
    blocks = read(AudioSettings(format="F32LE", channels=1, block_ms=100), 12)
    samples = np.frombuffer(b"".join(block.data for block in blocks), "<f4")
    in_click = np.isclose(samples, CLICK_LEVEL)
    starts = [n for n in range(1, len(samples)) if in_click[n] and not in_click[n - 1]]
    assert starts
    for start in starts:
        after_second = (blocks[0].stamp_ns + start * SECOND_NS // 48000) % SECOND_NS
        assert min(after_second, SECOND_NS - after_second) < 2 * SECOND_NS // 48000


def test_blocks_follow_each_other_without_a_gap() -> None:
    blocks = read(AudioSettings(sample_rate=44100, block_ms=20), 10)
    assert [block.first_sample for block in blocks] == [882 * number for number in range(10)]
    assert [block.stamp_ns for block in blocks] == [blocks[0].stamp_ns + 20_000_000 * number for number in range(10)]


@pytest.mark.parametrize("sample_format", list(SAMPLE_BYTES))
def test_samples_are_packed_little_endian(sample_format: str) -> None:
    data = pack(np.array([[0.5, -0.5], [1.0, 0.0]]), sample_format)
    size = SAMPLE_BYTES[sample_format]
    assert len(data) == 4 * size
    if sample_format == "F32LE":
        assert np.frombuffer(data, "<f4").tolist() == [0.5, -0.5, 1.0, 0.0]
    else:
        full = 2 ** (8 * size - 1) - 1
        values = [int.from_bytes(data[at : at + size], "little", signed=True) for at in range(0, 4 * size, size)]
        assert values == [pytest.approx(full / 2, abs=1), pytest.approx(-full / 2, abs=1), full, 0]
