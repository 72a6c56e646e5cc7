"""Reports tell how good a session is, and pages show it without loading or running anything."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rig_capture.health.events import Event, Severity
from rig_capture.recorder.images.reading import IMAGE
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK
from rig_capture.reporting.analyse import analyse_session
from rig_capture.reporting.models import SessionReport
from rig_capture.reporting.page import render_html
from rig_capture.reporting.timing import jitter
from rig_capture.session.clocks import ClockEntry
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import Gap, read_manifest, write_manifest
from test.playback.sessions import AUDIO, CAMERA, TOPIC, record_session
from test.recorder.messages import DEFINITIONS, IMU, START_NS, header, make, video
from test.recorder.pictures import image

Record = Callable[..., Path]

LEVEL = StreamSpec("topic", "mic/level", "rig_capture_msgs/msg/AudioLevel")
BATTERY = StreamSpec("topic", "battery", "sensor_msgs/msg/BatteryState")
CLOCK = StreamSpec("topic", "clock_status", "rig_capture_msgs/msg/ClockStatus")
DEPTH = StreamSpec("video", "/depth/image", IMAGE)
STEP_NS = 5_000_000
EVIL = "<script>alert('&\"')</script>"
MPU = {"imus": {"imu": {"driver": "mpu6050", "accel_range_g": 2, "gyro_range_dps": 250}}}


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Records messages as a session."""
    return partial(record_session, tmp_path / "sessions")


def changed(path: Path, **update: Any) -> Path:
    """A session with something else in its manifest."""
    write_manifest(path, read_manifest(path).model_copy(update=update))
    return path


def motion(count: int, *, accel: float = 0.02, gyro: float = 0.002, turning: float = 0.0, has_gyro: bool = True) -> list[bytes]:
    """Messages of an IMU at 200 Hz with noise of known size, over gravity and a turn."""
    DEFINITIONS.need(IMU)
    types, random = DEFINITIONS.store.types, np.random.default_rng(3)
    vector, turn = types["geometry_msgs/msg/Vector3"], types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0)
    none, zeros = np.array([-1.0, *[0.0] * 8]), np.zeros(9)
    messages = []
    for index in range(count):
        x, y, z = random.normal(scale=accel, size=3).tolist()
        a, b, c = random.normal(scale=gyro, size=3).tolist() if has_gyro else (0.0, 0.0, 0.0)
        messages.append(
            make(
                IMU,
                header=header(START_NS + index * STEP_NS),
                orientation=turn,
                orientation_covariance=none,
                angular_velocity=vector(x=a, y=b, z=c + turning * (index % 2)),
                angular_velocity_covariance=zeros if has_gyro else none,
                linear_acceleration=vector(x=x, y=y, z=z + 9.81),
                linear_acceleration_covariance=zeros,
            )
        )
    return messages


def tone(count: int, *, without: int = -1) -> list[bytes]:
    """Blocks of 50 ms at 48 kHz: 1 kHz at half of full scale on the left, silence on the right."""
    fields = {"sample_rate": 48000, "channels": 2, "format": "S16LE", "frames": 2400, "drift_ppm": 0.0, "segment": 0}
    samples = np.zeros((2400, 2), "<i2")
    samples[:, 0] = np.round(np.sin(np.arange(2400) * 2 * np.pi / 48) * 2**14)
    data = samples.view(np.uint8).ravel()
    return [
        make(AUDIO_CHUNK, header=header(START_NS + index * 50_000_000), seq=index, first_sample=index * 2400, data=data, **fields)
        for index in range(count)
        if index != without
    ]


def level(index: int, rms: float) -> bytes:
    """A message AudioLevel of one channel."""
    floats, flags = partial(np.array, dtype=np.float32), np.zeros(1, bool)
    return make(
        LEVEL.type,
        header=header(START_NS + index * 100_000_000),
        duration_s=0.1,
        rms_dbfs=floats([rms]),
        peak_dbfs=floats([rms + 3]),
        crest_db=floats([3]),
        dc_offset=floats([0]),
        clipping=flags,
        flatline=flags,
        low_signal=flags,
        speech=flags,
        correlation=float("nan"),
        correlated=[],
        overruns=0,
    )


def battery(index: int, charge: float) -> bytes:
    """A message BatteryState."""
    none = np.empty(0, np.float32)
    numbers = dict.fromkeys(("temperature", "current", "charge", "capacity", "design_capacity"), float("nan"))
    states = dict.fromkeys(("power_supply_status", "power_supply_health", "power_supply_technology"), 0)
    texts = {"location": "", "serial_number": ""}
    stamp = header(START_NS + index * STEP_NS)
    lists = {"cell_voltage": none, "cell_temperature": none}
    return make(BATTERY.type, header=stamp, voltage=12.5, percentage=charge, present=True, **numbers, **states, **texts, **lists)


def clock(index: int, offset_ns: int) -> bytes:
    """A message ClockStatus."""
    facts = {"host": f"pc{EVIL}", "boot_id": "", "reference": "pc1", "round_trip_ns": 1, "probes": 8, "method": "ntp_exchange"}
    return make(CLOCK.type, header=header(START_NS + index * STEP_NS), offset_ns=offset_ns, **facts)


def known(series: tuple[float | None, ...]) -> list[float]:
    """The values there are."""
    return [value for value in series if value is not None]


def stream_of(report: SessionReport, name: str) -> Any:
    """A report's part about one stream."""
    return next(stream for stream in report.streams if stream.name == name)


def test_rates_and_counts_of_all_streams_are_those_that_were_recorded(record: Record) -> None:
    report = analyse_session(record({CAMERA: list(video("h264", 60)), AUDIO: tone(40), TOPIC: motion(400)}))
    assert report.whole
    assert [(stream.name, stream.messages, stream.read) for stream in report.streams] == [
        ("front", 60, 60),
        ("imu/data_raw", 400, 400),
        ("mic", 40, 40),
    ]
    for name, rate, messages in (("front", 30, 60), ("imu/data_raw", 200, 400), ("mic", 20, 40)):
        rates = stream_of(report, name).rates_hz
        assert len(rates) == report.axis.bins
        assert sum(rates) * report.axis.bin_s == pytest.approx(messages, rel=1e-4)
        assert rates[4] == pytest.approx(rate, abs=1 / report.axis.bin_s)
    jitter_of_motion = stream_of(report, "imu/data_raw").jitter
    assert (jitter_of_motion.nominal_ms, jitter_of_motion.largest_ms, sum(jitter_of_motion.counts)) == (5, 5, 399)


def test_jitter_is_told_against_the_median() -> None:
    steps = np.full(200, 10_000_000)
    steps[::20] += 2_000_000
    steps[100] = 500_000_000
    found = jitter(START_NS + np.cumsum(steps))
    assert found is not None
    assert (found.nominal_ms, found.p99_ms, found.largest_ms) == (10, 2, 500)
    assert len(found.counts) + 1 == len(found.edges_ms)
    assert (sum(found.counts), max(found.counts)) == (199, 190)
    assert found.counts[-1] == 1, "what is beyond is in the last bar"
    assert jitter(START_NS + np.arange(100) * 10**9) is None
    assert jitter(np.full(100, START_NS)) is None


def test_noise_is_that_of_an_imu_which_lies_still(record: Record) -> None:
    (still,) = analyse_session(record({TOPIC: motion(1000)})).motion
    assert still.accel_noise == pytest.approx([0.02] * 3, rel=0.15)
    assert still.gyro_noise == pytest.approx([0.002] * 3, rel=0.15)
    assert still.still_s > 4
    assert known(still.accel) == pytest.approx([9.81] * len(known(still.accel)), abs=0.02)
    assert (still.accel_limit, still.accel_saturated) == (None, None), "the range of a synthetic IMU is not known"
    (moved,) = analyse_session(record({TOPIC: motion(400, turning=1.0)})).motion
    assert (moved.still_s, moved.accel_noise, moved.gyro_noise) == (0, None, None)
    (half,) = analyse_session(record({TOPIC: motion(400, has_gyro=False)})).motion
    assert half.accel_noise is not None
    assert (half.gyro_noise, known(half.gyro)) == (None, [])


def test_samples_at_the_end_of_the_range_are_counted(record: Record) -> None:
    path = changed(record({TOPIC: motion(400, turning=4.3634)}), profile=MPU)
    (found,) = analyse_session(path).motion
    assert (found.accel_limit, found.gyro_limit) == pytest.approx((19.6133, 4.36332), rel=1e-5)
    assert found.accel_saturated == 0
    assert 150 < found.gyro_saturated <= 200  # type: ignore[operator]


def test_levels_come_from_their_topic_or_else_from_the_samples(record: Record) -> None:
    (measured,) = analyse_session(record({AUDIO: tone(40)})).sound
    assert (measured.stream, measured.source, len(measured.channels)) == ("mic", "samples", 2)
    assert known(measured.channels[0].rms_dbfs) == pytest.approx([-9.03] * len(known(measured.channels[0].rms_dbfs)), abs=0.01)
    assert max(known(measured.channels[0].peak_dbfs)) == pytest.approx(-6.02, abs=0.01)
    assert set(known(measured.channels[1].rms_dbfs)) == {-120.0}
    levels = [level(index, -30.0) for index in range(9)] + [level(9, float("-inf")), level(10, 350.0), level(11, float("nan"))]
    (told,) = analyse_session(record({AUDIO: tone(20), LEVEL: levels})).sound
    assert (told.stream, told.source) == ("mic", "mic/level")
    assert min(known(told.channels[0].rms_dbfs)) == -120
    assert max(known(told.channels[0].rms_dbfs)) == pytest.approx(-30, abs=0.01)
    assert max(known(told.channels[0].peak_dbfs)) == pytest.approx(-27, abs=0.01)


def test_pictures_tell_brightness_and_sharpness(record: Record) -> None:
    checks = np.indices((48, 64)).sum(axis=0) % 2 * 255
    sharp = [image(index, np.repeat(checks[..., None], 3, axis=2).astype(np.uint8), "rgb8") for index in range(2)]
    board = StreamSpec("video", "/board/image", IMAGE)
    distance = [image(index, np.full((48, 64), 1500, np.uint16), "mono16") for index in range(2)]
    path = record({CAMERA: list(video("h264", 60)), board: sharp, DEPTH: distance}, images="video", image_encoder="pyav")
    plain, checked, depth = sorted(
        analyse_session(path).pictures, key=lambda sheet: ("front", "board.image", "depth.image").index(sheet.stream)
    )
    assert [picture.stamp_ns for picture in plain.pictures] == [START_NS + index * 333_333_330 for index in range(6)]
    for number, picture in enumerate(plain.pictures):
        yuv = av.VideoFrame.from_ndarray(np.full((240 * 3 // 2, 320), 16 + number * 30, np.uint8), format="yuv420p")
        luma = yuv.to_ndarray(format="rgb24")[100, 100] @ (0.299, 0.587, 0.114)
        assert picture.brightness == pytest.approx(luma, abs=3)
        assert picture.sharpness is not None
        assert picture.sharpness < 5
        assert picture.jpeg.startswith(b"\xff\xd8")
    assert checked.pictures[0].sharpness is not None
    assert checked.pictures[0].sharpness > 10_000
    assert (depth.pictures[0].brightness, depth.pictures[0].sharpness) == (None, None)


def test_batteries_and_clocks_over_time(record: Record) -> None:
    charges = [battery(index, 0.8 if index < 100 else float("nan")) for index in range(200)]
    report = analyse_session(record({BATTERY: charges, CLOCK: [clock(index, -2_500_000) for index in range(200)]}))
    (found,) = report.batteries
    assert set(known(found.charge_percent)) == {80.0}
    assert found.charge_percent[-2] is None
    assert set(known(found.voltage)) == {12.5}
    (offset,) = report.clocks
    assert (offset.reference, offset.largest_ms, set(known(offset.offset_ms))) == ("pc1", 2.5, {-2.5})


def test_damaged_sessions_are_told_as_far_as_they_can_be_read(record: Record, tmp_path: Path) -> None:
    path = record({CAMERA: list(video("h264", 45)), AUDIO: tone(30), TOPIC: motion(20_000)})
    bag, layout = path / "bag" / "bag_0.mcap", SessionLayout(path)
    bag.write_bytes(bag.read_bytes()[: bag.stat().st_size // 2])
    sorted((path / "mic").glob("*.mkv"))[-1].unlink()
    table = layout.frames("front")
    table.write_bytes(table.read_bytes()[:-30] + b"\xff\n")
    layout.health.write_text("nonsense\n", encoding="utf-8")
    report = analyse_session(path)
    assert not report.whole
    for part in ("bag_0.mcap", "cut off", "frames.csv", "is damaged", "mic", "no health event"):
        assert any(part in problem for problem in report.problems), part
    assert 1_000 < stream_of(report, "imu/data_raw").read < 20_000
    assert 40 <= stream_of(report, "front").read < 45
    assert known(report.sound[0].channels[0].rms_dbfs)
    assert "What is wrong" in render_html(report)
    with pytest.raises(SessionError):
        analyse_session(tmp_path)


def test_stamps_of_another_time_are_told(record: Record) -> None:
    path = changed(record({CAMERA: list(video("h264", 45))}), started_at="2020-01-01T00:00:00+00:00", ended_at="2020-01-01T00:00:10+00:00")
    report = analyse_session(path)
    assert any("front" in problem and "clock" in problem for problem in report.problems)
    assert report.axis.duration_s == 10
    assert render_html(report)


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "rect", "path", "line", "circle", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "path"):
            assert self.open.pop() == tag


@pytest.fixture
def hostile(record: Record) -> Path:
    """A session with markup wherever there is text."""
    path = record({CAMERA: list(video("h264", 30)), AUDIO: tone(20), TOPIC: motion(200), CLOCK: [clock(0, 1)], BATTERY: [battery(0, 0.5)]})
    event = Event(stamp_ns=START_NS, node=EVIL, family="disk", code=EVIL, severity=Severity.ERROR, message=EVIL)
    SessionLayout(path).health.write_text(event.line() + "\n", encoding="utf-8")
    manifest = read_manifest(path)
    gap = Gap(from_ns=START_NS, to_ns=START_NS + 10**8, reason=EVIL)
    streams = {name: entry.model_copy(update={"note": EVIL, "gaps": (gap,), "codec": EVIL}) for name, entry in manifest.streams.items()}
    streams[EVIL] = manifest.streams["imu/data_raw"]
    texts = dict.fromkeys(("recording_id", "label", "participant", "rig", "node_hostname", "site", "started_at_text", "state_text"), EVIL)
    texts = {name: text for name, text in texts.items() if not name.endswith("_text")}
    return changed(
        path,
        streams=streams,
        tags=(EVIL,),
        clock={EVIL: ClockEntry(method="ntp_exchange", reference=EVIL, source=EVIL)},
        software={EVIL: EVIL},
        **texts,
    )


def test_text_from_files_is_never_markup_and_nothing_is_loaded(hostile: Path) -> None:
    html = render_html(analyse_session(hostile))
    page = _Page(html)
    assert not page.open, "everything is closed"
    assert page.tags["script"] == 0
    assert "<script" not in html
    assert html.count("&lt;script&gt;") > 20
    for tag, attributes in page.attributes:
        assert not [name for name in attributes if name.startswith("on") or name in ("href", "srcset", "action")], tag
        assert (attributes.get("src") or "data:").startswith("data:image/jpeg;base64,"[:5])
    assert "url(" not in html
    assert "@import" not in html
    assert any(
        attributes.get("content", "") == "default-src 'none'; img-src data:; style-src 'unsafe-inline'" for _, attributes in page.attributes
    )


def test_pages_can_be_used_without_seeing_them(hostile: Path) -> None:
    html = render_html(analyse_session(hostile))
    page = _Page(html)
    assert page.tags["h1"] == 1
    assert page.tags["h2"] >= 8
    assert page.tags["table"] == page.tags["caption"] > 2
    for tag, attributes in page.attributes:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
        if tag == "img":
            assert attributes["alt"]
        if tag == "html":
            assert attributes["lang"] == "en"
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_have_contrast(theme: int) -> None:
    from rig_capture.reporting.style import STYLE

    block = STYLE.split(":root {")[theme + 1].split("}")[0]
    colours = {name: value for name, _, value in (part.strip().partition(": ") for part in block.split(";")) if name.startswith("--")}

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((light(one), light(other)))
        return (high + 0.05) / (low + 0.05)

    for name in ("--text", "--soft", "--good", "--bad"):
        assert contrast(colours[name], colours["--back"]) >= 4.5, name
    for name in ("--fill", "--gap", *(f"--c{number}" for number in range(6))):
        assert contrast(colours[name], colours["--back"]) >= 3, name
    assert contrast(colours["--fill"], colours["--lane"]) >= 3


def test_sessions_without_streams_have_a_page(record: Record) -> None:
    report = analyse_session(record({}))
    assert "Nothing was recorded." in render_html(report)


def test_sessions_that_were_interrupted_are_told_and_shown_as_far_as_they_go(record: Record) -> None:
    path = changed(record({CAMERA: list(video("h264", 30)), TOPIC: motion(400)}), state="recording", ended_at=None, files=())
    SessionLayout(path).complete_mark.unlink()
    report = analyse_session(path)
    assert not report.whole
    assert any("without finishing it" in problem for problem in report.problems)
    assert (stream_of(report, "front").read, stream_of(report, "imu/data_raw").read) == (30, 400)
    assert report.axis.duration_s > 1.9
    assert "not known" in render_html(report)
