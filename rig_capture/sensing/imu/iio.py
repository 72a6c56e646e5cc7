"""Linux IIO: buffered through the character device with the kernel's timestamps, or polled through sysfs."""

import errno
import logging
import os
import select
import threading
import time
from collections import deque
from pathlib import Path
from typing import Protocol

from rig_capture.profiles.settings.devices import ImuSettings
from rig_capture.sensing.device import DeviceError
from rig_capture.sensing.imu.iio_device import IioDevice, Triple, find_device
from rig_capture.sensing.imu.iio_scan import ScanLayout
from rig_capture.sensing.imu.sample import ImuSample
from rig_capture.sensing.pacing import Pacer

log = logging.getLogger(__name__)

TEMPERATURE_PERIOD_S = 1.0


class _Reader(Protocol):
    def read(self) -> tuple[int, dict[str, int]] | None:
        """Stamp in ns and raw values by channel name; None where nothing came. Raises OSError when the device is gone."""

    def close(self) -> None:
        """Lets go."""

    @property
    def missed(self) -> int:
        """Samples skipped."""


class IioImu:
    """The driver; which way it reads is decided when it is opened."""

    def __init__(self, settings: ImuSettings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._reader: _Reader | None = None
        self._temperature: float | None = None
        self._next_temperature = 0.0

    def open(self) -> None:
        device = self._device = find_device(self._settings.sysfs_root, self._settings.iio_device)
        try:
            self._accel, self._gyro = device.triple("accel"), device.triple("anglvel")
            self._reader = self._choose_reader(device)
        except (OSError, ValueError) as error:
            raise DeviceError(f"IIO device {device.name} can't be used: {error}; check permissions and its kernel driver") from error

    def read(self) -> ImuSample | None:
        assert self._reader is not None
        try:
            scan = self._reader.read()
            if scan is None:
                return None
            self._measure_temperature(scan[1])
        except OSError as error:
            raise DeviceError(f"IIO device {self._device.name} was lost: {error}; check its connection") from error
        stamp_ns, raw = scan
        accel = self._accel.convert(raw) if self._accel else None
        gyro = self._gyro.convert(raw) if self._gyro else None
        return ImuSample(stamp_ns, accel, gyro, self._temperature, self._reader.missed)

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def interrupt(self) -> None:
        self._stop.set()

    def _choose_reader(self, device: IioDevice) -> _Reader:
        triples = [triple for triple in (self._accel, self._gyro) if triple is not None]
        if not triples:
            raise DeviceError(f"IIO device {device.name} has neither accelerometer nor gyroscope; correct iio_device")
        node = Path(self._settings.dev_root) / device.folder.name
        if self._settings.iio_mode == "buffer":
            return BufferReader(device, triples, node, self._settings.rate_hz, self._stop)
        if self._settings.iio_mode == "auto" and device.has("scan_elements") and node.exists():
            try:
                return BufferReader(device, triples, node, self._settings.rate_hz, self._stop)
            except (OSError, DeviceError) as error:
                log.warning(
                    "IIO device %s is polled, without the kernel's timestamps, since its buffer can't be used: %s", device.name, error
                )
        return PollReader(device, triples, self._settings.rate_hz, self._stop)

    def _measure_temperature(self, raw: dict[str, int]) -> None:
        now = time.monotonic()
        if now < self._next_temperature:
            return
        self._next_temperature = now + TEMPERATURE_PERIOD_S
        try:
            self._temperature = self._device.temperature_c(raw.get("in_temp"))
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # Many parts give no single readings while their buffer runs.
            self._temperature = None


class PollReader:
    """Reads sysfs files at absolute deadlines."""

    def __init__(self, device: IioDevice, triples: list[Triple], rate_hz: float, stop: threading.Event) -> None:
        """Opens the files; raises OSError."""
        self._files: dict[str, int] = {}
        try:
            for name in (channel for triple in triples for channel in triple.channels):
                self._files[name] = os.open(device.folder / f"{name}_raw", os.O_RDONLY)
        except OSError:
            self.close()
            raise
        self._pacer = Pacer(rate_hz, stop)

    @property
    def missed(self) -> int:
        """Samples skipped."""
        return self._pacer.missed

    def read(self) -> tuple[int, dict[str, int]] | None:
        if not self._pacer.wait_latest():
            return None
        return time.time_ns(), {name: int(os.pread(file, 32, 0)) for name, file in self._files.items()}

    def close(self) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()


class BufferReader:
    """Reads scans from the character device."""

    BUFFER_S = 2.0
    WATERMARK_S = 0.02
    """The kernel wakes us for so many seconds' worth of scans at once; their stamps don't suffer."""

    def __init__(self, device: IioDevice, triples: list[Triple], node: Path, rate_hz: float, stop: threading.Event) -> None:
        """Sets the buffer up and switches it on.

        Raises:
            OSError: a setting or the character device is refused.
            ValueError: a channel's type is unknown.
            DeviceError: there is no trigger, or a clock that can't be set.
        """
        self._device = device
        self._stop = stop
        self._period_ns = 1e9 / rate_hz
        self._waiting: deque[tuple[int, dict[str, int]]] = deque()
        self._rest = b""
        device.write("buffer/enable", 0)
        self._enable_channels({channel for triple in triples for channel in triple.channels} | {"in_temp", "in_timestamp"})
        self._layout = ScanLayout.read(device.folder / "scan_elements")
        device.set_rate(rate_hz)
        device.set_trigger()
        self._use_realtime()
        device.write("buffer/length", max(16, round(rate_hz * self.BUFFER_S)))
        if device.has("buffer/watermark") and device.has("scan_elements/in_timestamp_en"):
            device.write("buffer/watermark", max(1, round(rate_hz * self.WATERMARK_S)))
        self._file = os.open(node, os.O_RDONLY | os.O_NONBLOCK)
        try:
            device.write("buffer/enable", 1)
        except OSError:
            os.close(self._file)
            raise
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)

    @property
    def missed(self) -> int:
        """None are skipped: the kernel keeps them."""
        return 0

    def read(self) -> tuple[int, dict[str, int]] | None:
        if not self._waiting:
            self._receive()
        return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        os.close(self._file)
        try:
            self._device.write("buffer/enable", 0)
        except OSError as error:
            log.warning("IIO device %s: its buffer can't be switched off: %s", self._device.name, error)

    def _enable_channels(self, wanted: set[str]) -> None:
        for enable in (self._device.folder / "scan_elements").glob("*_en"):
            enable.write_text("1" if enable.name.removesuffix("_en") in wanted else "0")

    def _use_realtime(self) -> None:
        if self._device.text("current_timestamp_clock") not in ("", "realtime"):
            self._device.write("current_timestamp_clock", "realtime")

    def _receive(self) -> None:
        """Takes what has come within 0.2 s, so that a stop is soon noticed."""
        if self._stop.is_set() or not self._poll.poll(200):
            return
        size = self._layout.size
        data = os.read(self._file, 64 * size)
        arrival_ns = time.time_ns()
        if not data:
            raise OSError("its buffer has ended")
        data = self._rest + data
        count = len(data) // size
        self._rest = data[count * size :]
        for number in range(count):
            raw = self._layout.decode(data[number * size : (number + 1) * size])
            stamp_ns = raw.pop("in_timestamp", arrival_ns - round((count - 1 - number) * self._period_ns))
            self._waiting.append((stamp_ns, raw))
