"""Cameras, boards and the machine itself in an inventory: sysfs trees, a camera's and a chip's calls, an I2C bus."""

import ctypes
import errno
import os
from pathlib import Path

import pytest

from rig_capture.profiles.profile import Profile
from rig_capture.profiles.text import parse
from rig_capture.sensing.camera import v4l2_abi as abi
from rig_capture.sensing.inventory import Inventory, Places, take_inventory
from rig_capture.sensing.inventory.boards import GET_CHIPINFO, ChipInfo
from test.sensing.camera.fake_v4l2 import FakeDevice, FakeKernel
from test.sensing.i2c_parts import FakeBus, Ina219Part, Mpu

SIZES = {"MJPG": ((1920, 1080), (1280, 720)), "YUYV": ((640, 480),)}
INTERVALS = {(1920, 1080): ((1, 30), (1, 15)), (1280, 720): ((1, 60),), (640, 480): ((1, 30),)}


class CameraWithLists(FakeKernel):
    """A camera that lists its sizes and rates, and a chip with pins, at the kernel's calls."""

    stepwise = False

    def ioctl(self, device: int, request: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        if request == GET_CHIPINFO:
            assert isinstance(argument, ChipInfo)
            argument.name, argument.label, argument.lines = b"gpiochip0", b"pinctrl-bcm2711", 58
        elif request == abi.ENUM_FRAMESIZES:
            assert isinstance(argument, abi.FrameSizeEntry)
            self._size(argument)
        elif request == abi.ENUM_FRAMEINTERVALS:
            assert isinstance(argument, abi.FrameIntervalEntry)
            self._interval(argument)
        else:
            super().ioctl(device, request, argument)

    def _size(self, entry: abi.FrameSizeEntry) -> None:
        if self.stepwise and entry.index == 0:
            entry.type = 3
            steps = entry.size.stepwise
            steps.min_width, steps.min_height, steps.max_width, steps.max_height = 32, 24, 3280, 2464
            return
        sizes = () if self.stepwise else SIZES[abi.fourcc_name(entry.pixel_format)]
        if entry.index >= len(sizes):
            raise OSError(errno.EINVAL, "Invalid argument")
        entry.type = abi.DISCRETE
        entry.size.discrete.width, entry.size.discrete.height = sizes[entry.index]

    def _interval(self, entry: abi.FrameIntervalEntry) -> None:
        intervals = INTERVALS.get((entry.width, entry.height), ())
        if entry.index >= len(intervals):
            raise OSError(errno.EINVAL, "Invalid argument")
        entry.type = abi.DISCRETE
        entry.interval.discrete.numerator, entry.interval.discrete.denominator = intervals[entry.index]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for folder in ("sys", "dev", "proc"):
        (tmp_path / folder).mkdir()
    return Places(tmp_path / "sys", tmp_path / "dev", tmp_path / "proc", CameraWithLists({}))


def plug_in(places: Places, device: FakeDevice) -> CameraWithLists:
    path = places.dev / "video0"
    path.touch()
    kernel = places.kernel
    assert isinstance(kernel, CameraWithLists)
    kernel.devices[str(path)] = device
    return kernel


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")
    return folder


def profile_of(line: str) -> Profile:
    return Profile.model_validate(parse(line))


def test_cameras_are_listed_with_sizes_and_rates_and_left_alone(places: Places) -> None:
    kernel = plug_in(places, FakeDevice("Fake Camera: USB", streaming=True))
    by_id = places.dev / "v4l/by-id/usb-Fake_Camera-video-index0"
    by_id.parent.mkdir(parents=True)
    by_id.symlink_to("../../video0")
    (camera,) = take_inventory(places).cameras
    assert (camera.name, camera.stable_path) == ("Fake Camera: USB", str(by_id))
    formats = {form.code: form for form in camera.formats}
    assert [(size.width, size.rates_hz) for size in formats["MJPG"].sizes] == [(1920, (15, 30)), (1280, (60,))]
    assert kernel.open_count == 0
    assert kernel.devices[str(places.dev / "video0")].streaming
    settings = profile_of(camera.profile).cameras["fake_camera"]
    assert (settings.source, settings.pixel_format, settings.width, settings.height, settings.fps) == (str(by_id), "mjpeg", 1920, 1080, 30)


def test_a_camera_of_any_size_tells_the_smallest_and_the_largest(places: Places) -> None:
    plug_in(places, FakeDevice(formats=("NV12",))).stepwise = True
    (camera,) = take_inventory(places).cameras
    assert [(size.width, size.height) for size in camera.formats[0].sizes] == [(32, 24), (3280, 2464)]


def test_a_camera_that_may_not_be_opened_is_a_problem_and_its_neighbours_are_no_less_there(places: Places) -> None:
    plug_in(places, FakeDevice(failures={0: errno.EACCES}))
    write(places.sysfs / "class/power_supply/BAT0", type="Battery")
    found = take_inventory(places)
    assert "is your user in the group video?" in found.problems["cameras"]
    assert [supply.name for supply in found.power_supplies] == ["BAT0"]


def test_a_source_that_fails_as_nobody_foresaw_says_so_and_spoils_nothing(places: Places) -> None:
    write(places.sysfs / "bus/i2c/devices/i2c-1", name="bcm2835")
    write(places.sysfs / "bus/i2c/devices/i2c-odd", name="no number")
    found = take_inventory(places)
    assert "ValueError" in found.problems["i2c"]
    assert "please report this" in found.problems["i2c"]
    assert found.volumes


def test_motion_sensors_tell_channels_and_rates(places: Places) -> None:
    motion = {f"in_accel_{axis}_raw": 0 for axis in "xyz"} | {f"in_anglvel_{axis}_raw": 0 for axis in "xyz"}
    folder = write(places.sysfs / "bus/iio/devices/iio:device0", name="bmi160", in_temp_input=1, **motion)
    write(folder, sampling_frequency_available="25 50 100 200 400")
    write(places.sysfs / "bus/iio/devices/iio:device1", name="adc", in_voltage0_raw=1)
    imu, adc = take_inventory(places).iio
    assert (imu.name, imu.rates_hz) == ("bmi160", (25, 50, 100, 200, 400))
    assert {"in_accel_x", "in_anglvel_z", "in_temp"} <= set(imu.channels)
    assert profile_of(imu.profile).imus["bmi160"].rate_hz == 200
    assert (adc.channels, adc.profile) == (("in_voltage0",), "")


def i2c_tree(places: Places) -> None:
    root = places.sysfs / "bus/i2c/devices"
    write(root / "i2c-1", name="bcm2835 (i2c@7e804000)")
    write(root / "i2c-10", name="not for this user")
    write(root / "1-0068", name="ds1307")
    (places.sysfs / "bus/i2c/drivers/rtc-ds1307").mkdir(parents=True)
    (root / "1-0068/driver").symlink_to(places.sysfs / "bus/i2c/drivers/rtc-ds1307")
    (places.dev / "i2c-1").touch()


def test_i2c_parts_of_kernel_drivers_are_listed_without_touching_the_bus(places: Places) -> None:
    i2c_tree(places)

    def nobody_opens(number: int) -> FakeBus:
        raise AssertionError(number)

    first, tenth = take_inventory(Places(places.sysfs, places.dev, places.proc, places.kernel, nobody_opens)).i2c
    assert (first.number, first.usable, tenth.number, tenth.usable) == (1, True, 10, False)
    assert [(part.address, part.name, part.driver) for part in first.parts] == [(0x68, "ds1307", "rtc-ds1307")]


def test_known_i2c_parts_are_asked_for_on_request(places: Places) -> None:
    i2c_tree(places)
    bus = FakeBus({0x42: Ina219Part(), 0x69: Mpu(0x71)})
    found = take_inventory(Places(places.sysfs, places.dev, places.proc, places.kernel, lambda number: bus), probe=True)
    parts = {part.address: part for part in found.i2c[0].parts}
    assert sorted(parts) == [0x42, 0x68, 0x69]
    assert (parts[0x42].name, parts[0x69].name) == ("maybe an INA219", "MPU-9250")
    assert profile_of(parts[0x42].profile).batteries["battery_42"].i2c_address == 0x42
    assert profile_of(parts[0x69].profile).imus["imu_69"].driver == "mpu6050"
    assert not bus.open


def test_power_supplies_and_gpio_chips_and_interfaces_are_listed(places: Places) -> None:
    battery = {"type": "Battery", "status": "Discharging", "capacity": 80, "voltage_now": 7_400_000, "model_name": "DELL X"}
    write(places.sysfs / "class/power_supply/BAT0", **battery)
    write(places.sysfs / "class/power_supply/AC", type="Mains", online=0)
    write(places.sysfs / "class/power_supply/mouse", type="Battery", scope="Device")
    plug_in(places, FakeDevice())
    kernel = places.kernel
    assert isinstance(kernel, CameraWithLists)
    (places.dev / "gpiochip0").touch()
    kernel.devices[str(places.dev / "gpiochip0")] = FakeDevice()
    write(places.sysfs / "class/net/wlan7", type=1, operstate="dormant", address="02:00:00:00:00:07", wireless="")
    (places.sysfs / "class/net/bonding_masters").write_text("")
    found = take_inventory(places)
    mains, cell, mouse = found.power_supplies
    assert (mains.kind, mains.online) == ("Mains", False)
    assert (cell.percent, cell.voltage_v, cell.status, cell.model) == (80, 7.4, "Discharging", "DELL X")
    assert profile_of(cell.profile).batteries["battery"].supply == "BAT0"
    assert mouse.profile == ""
    assert [(chip.name, chip.lines) for chip in found.gpio] == [("pinctrl-bcm2711", 58)]
    assert [(each.name, each.kind, each.state) for each in found.network] == [("wlan7", "wireless", "dormant")]


def test_the_requests_are_those_of_the_kernel_s_header() -> None:
    # linux/gpio.h: GPIO_GET_CHIPINFO_IOCTL is _IOR(0xB4, 0x01, struct gpiochip_info), 68 bytes.
    assert GET_CHIPINFO == 0x8044B401


def test_an_inventory_survives_its_way_through_json(places: Places) -> None:
    found = take_inventory(places)
    assert Inventory.model_validate_json(found.model_dump_json()) == found
    assert set(found.absent) >= {"cameras", "iio", "i2c", "gpio", "power_supplies", "network"}
    assert os.uname().nodename == found.host
