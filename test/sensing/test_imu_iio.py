"""The IIO driver on a sysfs tree, with a pipe in the place of the character device."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig_capture.profiles.settings.devices import ImuSettings
from rig_capture.sensing.device import DeviceError
from rig_capture.sensing.imu.iio import IioImu
from rig_capture.sensing.imu.iio_scan import ScanLayout, ScanType
from rig_capture.sensing.imu.sample import ImuSample

ACCEL_SCALE, GYRO_SCALE = 0.000598, 0.001064724


def write(folder: Path, files: dict[str, object]) -> None:
    for name, value in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{value}\n")


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """An inertial unit as the kernel's inv_mpu6050 shows it, without buffer."""
    write(tmp_path / "sys/bus/iio/devices/iio:device0", {"name": "adc", "in_voltage0_raw": 5})
    folder = tmp_path / "sys/bus/iio/devices/iio:device1"
    write(folder, {"name": "mpu6050", "in_accel_scale": ACCEL_SCALE, "in_anglvel_scale": GYRO_SCALE, "sampling_frequency": 50})
    write(folder, {"sampling_frequency_available": "10 20 50 100 200 500", "in_temp_raw": -521, "in_temp_offset": 12421})
    write(folder, {"in_temp_scale": 2.941176})
    for number, axis in enumerate("xyz"):
        write(folder, {f"in_accel_{axis}_raw": 1000 * (number + 1), f"in_anglvel_{axis}_raw": -100 * (number + 1)})
    (tmp_path / "dev").mkdir()
    return folder


@pytest.fixture
def buffer(device: Path, tmp_path: Path) -> Iterator[int]:
    """The same with a buffer; gives the writing end of what stands in for /dev/iio:device1."""
    channels = ["accel_x", "accel_y", "accel_z", "temp", "anglvel_x", "anglvel_y", "anglvel_z"]
    for index, channel in enumerate(channels):
        write(device / "scan_elements", {f"in_{channel}_en": 0, f"in_{channel}_index": index, f"in_{channel}_type": "be:s16/16>>0"})
    write(device / "scan_elements", {"in_timestamp_en": 0, "in_timestamp_index": 7, "in_timestamp_type": "le:s64/64>>0"})
    write(device, {"buffer/enable": 0, "buffer/length": 2, "buffer/watermark": 1, "trigger/current_trigger": ""})
    write(device, {"current_timestamp_clock": "boottime"})
    write(device.parent / "trigger0", {"name": "other-dev0"})
    write(device.parent / "trigger1", {"name": "mpu6050-dev1"})
    os.mkfifo(tmp_path / "dev/iio:device1")
    pipe = os.open(tmp_path / "dev/iio:device1", os.O_RDWR)
    yield pipe
    os.close(pipe)


def imu(tmp_path: Path, **more: object) -> IioImu:
    roots = {"sysfs_root": str(tmp_path / "sys"), "dev_root": str(tmp_path / "dev")}
    return IioImu(ImuSettings.model_validate({"driver": "iio"} | roots | more))


def sample(driver: IioImu) -> ImuSample:
    while (result := driver.read()) is None:
        pass
    return result


def scan(number: int, stamp_ns: int) -> bytes:
    return struct.pack(">7h", number, 2, 16393, -521, 1, -2, 3) + b"\0\0" + struct.pack("<q", stamp_ns)


def test_polled_values_are_scaled_to_si_units(device: Path, tmp_path: Path) -> None:
    driver = imu(tmp_path)
    driver.open()
    reading = sample(driver)
    driver.close()
    assert reading.acceleration == pytest.approx((1000 * ACCEL_SCALE, 2000 * ACCEL_SCALE, 3000 * ACCEL_SCALE))
    assert reading.angular_velocity == pytest.approx((-100 * GYRO_SCALE, -200 * GYRO_SCALE, -300 * GYRO_SCALE))
    assert reading.temperature_c == pytest.approx(35.0, abs=0.01)


def test_the_mounting_matrix_turns_readings_into_the_rigs_frame(device: Path, tmp_path: Path) -> None:
    write(device, {"in_accel_mount_matrix": "0, 1, 0; -1, 0, 0; 0, 0, 1"})
    driver = imu(tmp_path)
    driver.open()
    reading = sample(driver)
    driver.close()
    assert reading.acceleration == pytest.approx((2000 * ACCEL_SCALE, -1000 * ACCEL_SCALE, 3000 * ACCEL_SCALE))
    assert reading.angular_velocity is not None
    assert reading.angular_velocity[0] == pytest.approx(-100 * GYRO_SCALE)


def test_a_device_without_gyroscope_gives_none(device: Path, tmp_path: Path) -> None:
    (device / "in_anglvel_y_raw").unlink()
    driver = imu(tmp_path)
    driver.open()
    assert sample(driver).angular_velocity is None
    driver.close()


def test_a_device_that_goes_away_is_lost(device: Path, tmp_path: Path) -> None:
    driver = imu(tmp_path)
    driver.open()
    sample(driver)
    driver.close()
    (device / "in_accel_x_raw").unlink()
    (device / "in_accel_y_raw").unlink()
    (device / "in_anglvel_x_raw").unlink()
    with pytest.raises(DeviceError, match=r"there: adc \(iio:device0\), mpu6050 \(iio:device1\)"):
        imu(tmp_path).open()


def test_buffered_scans_carry_the_kernels_stamps(buffer: int, device: Path, tmp_path: Path) -> None:
    driver = imu(tmp_path, rate_hz=150.0)
    driver.open()
    set_up = {name: (device / name).read_text() for name in ("sampling_frequency", "buffer/enable", "buffer/length", "buffer/watermark")}
    assert set_up == {"sampling_frequency": "200", "buffer/enable": "1", "buffer/length": "300", "buffer/watermark": "3"}
    assert (device / "trigger/current_trigger").read_text() == "mpu6050-dev1"
    assert (device / "current_timestamp_clock").read_text() == "realtime"
    scans = b"".join(scan(number, 10**18 + number) for number in range(100))
    os.write(buffer, scans[:1000])
    readings = [sample(driver) for _ in range(41)]
    os.write(buffer, scans[1000:])
    readings += [sample(driver) for _ in range(59)]
    driver.close()
    assert [reading.stamp_ns for reading in readings] == [10**18 + number for number in range(100)]
    assert [reading.acceleration[0] for reading in readings if reading.acceleration] == pytest.approx([n * ACCEL_SCALE for n in range(100)])
    assert readings[0].angular_velocity == pytest.approx((GYRO_SCALE, -2 * GYRO_SCALE, 3 * GYRO_SCALE))
    assert readings[0].temperature_c == pytest.approx(35.0, abs=0.01)
    assert (device / "buffer/enable").read_text() == "0"


def test_without_a_trigger_buffering_says_what_to_do_and_auto_polls(buffer: int, device: Path, tmp_path: Path) -> None:
    (device.parent / "trigger1/name").unlink()
    with pytest.raises(DeviceError, match=r"there are: other-dev0; write one of them to .*/trigger/current_trigger"):
        imu(tmp_path, iio_mode="buffer").open()
    driver = imu(tmp_path)
    driver.open()
    assert sample(driver).acceleration == pytest.approx((1000 * ACCEL_SCALE, 2000 * ACCEL_SCALE, 3000 * ACCEL_SCALE))
    driver.close()


@pytest.mark.parametrize(
    ("text", "data", "value"),
    [
        ("le:s16/16>>0", b"\xfe\xff", -2),
        ("be:s16/16>>0", b"\xff\xfe", -2),
        ("le:s12/16>>4", b"\xf0\x7f", 0x7FF),
        ("le:s12/16>>4", b"\x00\x80", -0x800),
        ("be:u14/16>>2", b"\xff\xff", 0x3FFF),
        ("le:s24/32>>8", b"\x55\xff\xff\xff", -1),
        ("le:s64/64>>0", (10**18).to_bytes(8, "little"), 10**18),
        ("le:s16/16X4>>0", b"\x01\x00\x02\x00\x03\x00\x04\x00", 1),
    ],
)
def test_scan_types_are_decoded(text: str, data: bytes, value: int) -> None:
    assert ScanType.parse(text).decode(data) == value


def test_channels_are_aligned_as_the_kernel_does() -> None:
    s16, s32, s64 = (ScanType.parse(f"le:s{bits}/{bits}>>0") for bits in (16, 32, 64))
    layout = ScanLayout.of({"c": (2, s32), "a": (0, s16), "time": (9, s64), "b": (1, s16), "d": (3, s16)})
    assert [(element.name, element.offset) for element in layout.elements] == [("a", 0), ("b", 2), ("c", 4), ("d", 8), ("time", 16)]
    assert layout.size == 24


def test_an_unknown_scan_type_is_named() -> None:
    with pytest.raises(ValueError, match="float"):
        ScanType.parse("float")
