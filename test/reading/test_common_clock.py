"""Stamps of several hosts on one clock: lines through what was measured, and readers that apply them."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.reading.common_clock import ClockFit, fit_clock
from rig_capture.reading.errors import NoCommonClock
from rig_capture.reading.session import open_session
from rig_capture.session.clocks import ClockEntry, ClockReading, thinned
from rig_capture.session.manifest import manifest_bytes, read_manifest, write_manifest
from test.exporting.parts import call
from test.playback.sessions import AUDIO, CAMERA, TOPIC, record_session
from test.recorder.messages import START_NS, audio, imu, video

OFFSET_NS, DRIFT_PPM = -250_000_000, 40.0


def measured(count: int, every_s: float = 10.0, noise_ns: float = 0.0) -> ClockEntry:
    """A host whose clock is ahead, and slow."""
    noise = np.random.default_rng(2)
    series = []
    for index in range(count):
        since_ns = round(index * every_s * 1e9)
        wrong_ns = noise.uniform(-noise_ns, noise_ns)
        offset_ns = OFFSET_NS + round(since_ns * DRIFT_PPM * 1e-6 + wrong_ns)
        series.append(ClockReading(at_ns=START_NS + since_ns, offset_ns=offset_ns, round_trip_ns=round(2 * abs(wrong_ns)) + 100_000))
    return ClockEntry(method="ntp_exchange", reference="/rig/clock", start=series[0], end=series[-1], series=tuple(series))


def test_drift_is_found_through_noise() -> None:
    fit = fit_clock("left", measured(60, noise_ns=1_000_000))
    assert fit is not None
    assert fit.is_line
    assert fit.drift_ppm == pytest.approx(DRIFT_PPM, abs=1)
    for since_s in (0, 300, 600):
        stamp_ns = START_NS + since_s * 10**9
        true_ns = stamp_ns + OFFSET_NS + round(since_s * 1e9 * DRIFT_PPM * 1e-6)
        assert fit.to_common(stamp_ns) == pytest.approx(true_ns, abs=200_000)
    assert fit.residual_ns < 1_200_000


def test_too_few_readings_give_a_constant_and_none_gives_nothing() -> None:
    few = fit_clock("left", measured(2))
    short = fit_clock("left", measured(20, every_s=0.1))
    for fit in (few, short):
        assert fit is not None
        assert (fit.is_line, fit.drift_ppm) == (False, 0.0)
        assert fit.to_common(START_NS) == pytest.approx(START_NS + OFFSET_NS, abs=500_000)
    assert fit_clock("left", ClockEntry()) is None
    assert fit_clock("left", ClockEntry(method="ntp_exchange", reference="/rig/clock")) is None
    reference = fit_clock("lead", ClockEntry(method="reference"))
    assert reference is not None
    assert reference.to_common(START_NS) == START_NS


@given(st.integers(-(10**12), 10**12), st.floats(-500, 500), st.integers(0, 10**14))
def test_the_way_back_leads_to_the_first_stamp_that_is_not_before(offset_ns: int, drift_ppm: float, since_ns: int) -> None:
    fit = ClockFit("left", "", START_NS, float(offset_ns), drift_ppm, is_line=True, uncertainty_ns=0.0, residual_ns=0.0)
    common_ns = START_NS + since_ns
    host_ns = fit.to_host(common_ns)
    assert fit.to_common(host_ns - 1) < common_ns <= fit.to_common(host_ns)
    assert fit.to_common(np.array([host_ns])).tolist() == [fit.to_common(host_ns)]


def test_a_long_series_is_thinned_to_its_surer_half() -> None:
    series = list(measured(2001).series)
    kept = thinned(series)
    assert 1000 <= len(kept) <= 1002
    assert (kept[0], kept[-1]) == (series[0], series[-1])
    assert thinned(kept) == kept


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A session whose camera and sound are of a host that is 250 ms ahead, and whose motion is of the reference."""
    streams = {
        CAMERA: list(video("h264", 30)),
        AUDIO: [audio(index) for index in range(20)],
        TOPIC: [imu(START_NS + n * 5_000_000) for n in range(200)],
    }
    made = partial(record_session, tmp_path / "sessions")(streams)
    manifest = read_manifest(made)
    hosts = {"front": "left", "mic": "left", "imu/data_raw": "lead"}
    entries = {name: entry.model_copy(update={"host": hosts[name]}) for name, entry in manifest.streams.items()}
    clocks = {"lead": ClockEntry(method="reference"), "left": measured(60)}
    write_manifest(made, manifest.model_copy(update={"streams": entries, "clock": clocks, "node_hostname": "lead"}))
    return made


def test_readers_give_stamps_on_the_common_clock(path: Path) -> None:
    host, common = open_session(path), open_session(path, clock="common")
    fit = host.clocks["left"]
    assert fit is not None
    frames = [frame.stamp_ns for frame in common.video("front")]
    assert frames == [fit.to_common(frame.stamp_ns) for frame in host.video("front")]
    assert common.video("front").table["stamp_ns"].tolist() == frames == [packet.stamp_ns for packet in common.video("front").packets()]
    assert common.video("front").entry.first_stamp_ns == frames[0]
    assert [frame.stamp_ns for frame in common.video("front").frames(frames[7], frames[21])] == frames[7:21]
    (sound,) = common.audio("mic").slices(START_NS + OFFSET_NS + 100_000_000, START_NS + OFFSET_NS + 300_000_000)
    assert sound.stamp_ns == pytest.approx(START_NS + OFFSET_NS + 100_000_000, abs=30_000)
    assert len(sound.samples) == pytest.approx(9600, abs=1)
    assert [each.stamp_ns for each in common.topic("imu/data_raw")] == [each.stamp_ns for each in host.topic("imu/data_raw")]
    assert common.topic("imu/data_raw").clock is not None


def test_where_nothing_was_measured_it_is_said(path: Path) -> None:
    manifest = read_manifest(path)
    write_manifest(path, manifest.model_copy(update={"clock": {"lead": ClockEntry(method="reference")}}))
    with pytest.raises(NoCommonClock, match="the clock of left was not measured"):
        open_session(path, clock="common")
    lenient = open_session(path, clock="common", strict=False)
    assert lenient.video("front").entry.first_stamp_ns == START_NS
    assert lenient.video("front").clock is None


def test_exports_say_by_which_clock_they_are(path: Path, tmp_path: Path) -> None:
    code, told, _ = call(path, "--format", "wav", "--out", tmp_path / "out", "--clock", "common")
    assert code == 0
    assert told["sessions"][0]["clock"] == "common"
    assert call(path, "--format", "foxglove", "--out", tmp_path / "other", "--clock", "common")[0] == 2


def test_clocks_of_early_versions_count_as_not_measured(path: Path) -> None:
    text = (
        manifest_bytes(read_manifest(path)).decode().replace('"method": "reference"', '"method": "recorder\'s own clock", "offset_ns": 0')
    )
    (path / "manifest.json").write_text(text)
    assert read_manifest(path).clock["lead"] == ClockEntry()
