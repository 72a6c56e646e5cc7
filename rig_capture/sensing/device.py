"""What all drivers share: the protocol, and the loop that keeps a device running through loss and return.

Stamps are nanoseconds since the Unix epoch on the system clock, which is what ROS time is without simulation.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.settings.devices import DeviceSettings

log = logging.getLogger(__name__)

_LOOK_S = 0.1
"""So often a loop that has let go of its device looks whether it is to have it again."""

SampleT = TypeVar("SampleT")
SampleT_co = TypeVar("SampleT_co", covariant=True)


class DeviceError(Exception):
    """A device that can't be opened or was lost; the message says which, why and what to do. The loop tries again."""


class DeviceEnded(DeviceError):
    """A source that came to its end by intention, such as a file played once. The loop does not try again."""


class Driver(Protocol[SampleT_co]):
    """One device. Used from one thread, save `interrupt`."""

    def open(self) -> None:
        """Claims the device. Raises DeviceError."""

    def read(self) -> SampleT_co | None:
        """Waits for the next sample; None where none came within about half a second. Raises DeviceError when lost."""

    def close(self) -> None:
        """Lets go of the device, also after an error; never raises."""

    def interrupt(self) -> None:
        """Makes a `read` or `open` in another thread return soon. Called at stop."""


class DeviceState(StrEnum):
    """Where a device stands."""

    OPENING = "opening"
    RUNNING = "running"
    LOST = "lost"
    ENDED = "ended"
    RELEASED = "released"
    STOPPED = "stopped"


@dataclass(frozen=True)
class DeviceReport:
    """A device's state for diagnostics."""

    state: DeviceState
    error: str
    """Why it is lost; empty while it runs."""
    samples: int
    """Delivered since the start."""
    losses: int
    """Times the device was lost after it had run."""
    last_sample_age_s: float | None
    """Seconds since the last sample; None before the first."""


class DeviceLoop(Generic[SampleT]):
    """Owns the thread that reads a driver, and opens it again with backoff when it is lost.

    A driver that raises anything but DeviceError has a bug: the loop ends, and `check` and `stop` raise the exception
    to the owner.
    """

    def __init__(
        self,
        name: str,
        make_driver: Callable[[], Driver[SampleT]],
        on_sample: Callable[[SampleT], None],
        settings: DeviceSettings,
        on_change: Callable[[DeviceReport], None] = lambda report: None,
    ) -> None:
        """Nothing starts before `start`.

        Args:
            name: the device, for messages.
            make_driver: makes a driver afresh for each attempt; where it raises DeviceError, that attempt failed.
            on_sample: called in the loop's thread with each sample.
            settings: waits between attempts, and the silence that counts as loss.
            on_change: called in the loop's thread when the device is lost or runs (again).
        """
        self._name = name
        self._make_driver = make_driver
        self._on_sample = on_sample
        self.settings = settings
        """May be replaced while running; the next wait or look takes them."""
        self._on_change = on_change
        self._stopping = threading.Event()
        self._thread = OwnedThread(f"device-{name}", self._run, self._died)
        self._driver: Driver[SampleT] | None = None
        self._lock = threading.Lock()
        self._state = DeviceState.STOPPED
        self._error = ""
        self._samples = 0
        self._losses = 0
        self._last_sample: float | None = None

    def start(self) -> None:
        """Starts reading; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stops reading, joins the thread, and raises what it died of, if it did."""
        self._stopping.set()
        with self._lock:
            driver = self._driver
        if driver is not None:
            driver.interrupt()
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    def report(self) -> DeviceReport:
        """The device's state now."""
        age = None if self._last_sample is None else time.monotonic() - self._last_sample
        return DeviceReport(self._state, self._error, self._samples, self._losses, age)

    def _run(self) -> None:
        wait = self.settings.retry_min_s
        while not self._stopping.is_set():
            if not self.settings.enabled:
                self._change(DeviceState.RELEASED, "")
                self._stopping.wait(_LOOK_S)
                continue
            if self._attempt():
                wait = self.settings.retry_min_s
            if self._state == DeviceState.ENDED:
                self._stopping.wait()
            if self.settings.enabled and self._stopping.wait(wait):
                break
            wait = min(wait * 2, self.settings.retry_max_s)
        self._change(DeviceState.STOPPED, "")

    def _died(self, failure: BaseException) -> None:
        self._change(DeviceState.LOST, f"driver failed: {type(failure).__name__}: {failure}")

    def _attempt(self) -> bool:
        """Opens the device and reads it until it is lost; True where it delivered anything."""
        try:
            driver = self._make_driver()
        except DeviceError as error:
            self._lost(str(error))
            return False
        with self._lock:
            if self._stopping.is_set():  # nobody would interrupt this driver any more
                return False
            self._driver = driver
        delivered = False
        try:
            if self._state != DeviceState.LOST:
                self._change(DeviceState.OPENING, "")
            driver.open()
            delivered = self._read_until_lost(driver)
        except DeviceEnded as end:
            log.info("%s: %s", self._name, end)
            self._change(DeviceState.ENDED, str(end))
        except DeviceError as error:
            if not self._stopping.is_set():
                delivered = self._state == DeviceState.RUNNING
                self._lost(str(error))
        finally:
            with self._lock:
                self._driver = None
            driver.close()
        return delivered

    def _read_until_lost(self, driver: Driver[SampleT]) -> bool:
        heard = time.monotonic()
        while self.settings.enabled and not self._stopping.is_set():
            sample = driver.read()
            if sample is None:
                if time.monotonic() - heard > self.settings.timeout_s:
                    raise DeviceError(f"{self._name}: delivered nothing for {self.settings.timeout_s:g} s")
                continue
            heard = self._last_sample = time.monotonic()
            self._samples += 1
            if self._state != DeviceState.RUNNING:
                self._change(DeviceState.RUNNING, "")
            self._on_sample(sample)
        return self._state == DeviceState.RUNNING

    def _lost(self, reason: str) -> None:
        if self._state == DeviceState.RUNNING:
            self._losses += 1
        if reason != self._error:
            log.warning("%s: %s; trying again", self._name, reason)
        self._change(DeviceState.LOST, reason)

    def _change(self, state: DeviceState, error: str) -> None:
        if (state, error) == (self._state, self._error):
            return
        if state == DeviceState.RUNNING and self._state == DeviceState.LOST:
            log.info("%s: back", self._name)
        self._state, self._error = state, error
        self._on_change(self.report())
