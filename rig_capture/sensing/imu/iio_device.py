"""An IIO device in sysfs: which one, its channels' scales, its rate, its trigger.

Kernel documentation: Documentation/ABI/testing/sysfs-bus-iio. Accelerations are in m/s^2, angular velocities in rad/s
and temperatures in thousandths of a degree Celsius, each as (raw + offset) * scale.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from rig_capture.sensing.device import DeviceError
from rig_capture.sensing.imu.sample import Vector

AXES = ("x", "y", "z")
IDENTITY: tuple[Vector, Vector, Vector] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


@dataclass(frozen=True)
class Triple:
    """The three axes of an accelerometer (``accel``) or a gyroscope (``anglvel``)."""

    kind: str
    scales: Vector
    offsets: Vector
    mount: tuple[Vector, Vector, Vector]
    """Rows of the mounting matrix, from the part's axes to the rig's."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of its channels."""
        return tuple(f"in_{self.kind}_{axis}" for axis in AXES)

    def convert(self, raw: dict[str, int]) -> Vector:
        """SI units from raw values by channel name."""
        values = zip((raw[name] for name in self.channels), self.offsets, self.scales, strict=True)
        x, y, z = ((value + offset) * scale for value, offset, scale in values)
        (a, b, c), (d, e, f), (g, h, i) = self.mount
        return a * x + b * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z


class IioDevice:
    """One device's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = self.text("name") or folder.name

    def text(self, attribute: str) -> str:
        """An attribute's text; empty where the device has none of that name."""
        try:
            return (self.folder / attribute).read_text().strip()
        except FileNotFoundError:
            return ""

    def number(self, *attributes: str, default: float) -> float:
        """The first of some attributes that is there."""
        return next((float(text) for text in map(self.text, attributes) if text), default)

    def write(self, attribute: str, value: object) -> None:
        """Sets an attribute; raises OSError."""
        (self.folder / attribute).write_text(str(value))

    def has(self, attribute: str) -> bool:
        """Whether there is such an attribute."""
        return (self.folder / attribute).exists()

    def triple(self, kind: str) -> Triple | None:
        """The accelerometer or gyroscope; None where the device has none."""
        if not all(self.has(f"in_{kind}_{axis}_raw") for axis in AXES):
            return None

        def each(what: str, default: float) -> Vector:
            x, y, z = (self.number(f"in_{kind}_{axis}_{what}", f"in_{kind}_{what}", default=default) for axis in AXES)
            return x, y, z

        matrix = self.text(f"in_{kind}_mount_matrix") or self.text(f"{kind}_mount_matrix")
        matrix = matrix or self.text("in_mount_matrix") or self.text("mount_matrix")
        return Triple(kind, each("scale", 1.0), each("offset", 0.0), _mount(matrix))

    def temperature_c(self, scanned: int | None = None) -> float | None:
        """Degrees Celsius; None where not measured.

        Args:
            scanned: the raw value, where the buffer delivered it; else it is read.
        """
        processed = self.text("in_temp_input")
        if processed:
            return float(processed) / 1000
        raw = self.text("in_temp_raw") if scanned is None else str(scanned)
        if not raw:
            return None
        return (float(raw) + self.number("in_temp_offset", default=0.0)) * self.number("in_temp_scale", default=1.0) / 1000

    def set_rate(self, rate_hz: float) -> None:
        """Sets the lowest rate it has that is not below the wish, else its highest; raises OSError."""
        for prefix in ("", "in_accel_", "in_anglvel_"):
            if self.has(f"{prefix}sampling_frequency"):
                choices = _choices(self.text(f"{prefix}sampling_frequency_available")) or [rate_hz]
                enough = [choice for choice in choices if choice >= rate_hz * 0.99]
                self.write(f"{prefix}sampling_frequency", f"{min(enough) if enough else max(choices):g}")

    def set_trigger(self) -> None:
        """Sees to it that something triggers the scans: what is set already, else the device's own trigger.

        Raises:
            DeviceError: there is none.
            OSError: it can't be set.
        """
        if not self.has("trigger/current_trigger") or self.text("trigger/current_trigger"):
            return
        names = [name.read_text().strip() for name in sorted(self.folder.parent.glob("trigger*/name"))]
        own = [name for name in names if name.startswith(self.name)]
        if not own:
            there = (
                f"there are: {', '.join(names)}; write one of them"
                if names
                else "make one (such as an hrtimer trigger), and write its name"
            )
            raise DeviceError(f"IIO device {self.name} has no trigger of its own; {there} to {self.folder}/trigger/current_trigger")
        self.write("trigger/current_trigger", own[0])


def find_device(sysfs_root: str, wanted: str) -> IioDevice:
    """The device with a name or folder, or the first that measures motion.

    Raises:
        DeviceError: there is none; the message names those that are there.
    """
    devices = [IioDevice(folder) for folder in sorted(Path(sysfs_root).glob("bus/iio/devices/iio:device*"))]
    if wanted:
        found = [device for device in devices if wanted in (device.name, device.folder.name, str(device.folder))]
    else:
        found = [device for device in devices if device.triple("accel") or device.triple("anglvel")]
    if not found:
        there = ", ".join(f"{device.name} ({device.folder.name})" for device in devices) or "none at all"
        what = f"IIO device {wanted}" if wanted else "IIO device with an accelerometer or a gyroscope"
        raise DeviceError(f"no {what} below {sysfs_root}/bus/iio/devices (there: {there}); check its kernel driver and iio_device")
    return found[0]


def _choices(available: str) -> list[float]:
    """Rates from `sampling_frequency_available`: a list, or a range written ``[least step most]``."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", available)]
    if available.startswith("[") and len(numbers) == 3 and numbers[1] > 0:
        least, step, most = numbers
        return [least + step * count for count in range(int((most - least) / step) + 1)]
    return numbers


def _mount(text: str) -> tuple[Vector, Vector, Vector]:
    numbers = [float(number) for number in re.findall(r"[-+.\deE]+", text)]
    if len(numbers) != 9:
        return IDENTITY
    a, b, c, d, e, f, g, h, i = numbers
    return (a, b, c), (d, e, f), (g, h, i)
