"""The button, lamp and buzzer on their pins, by gpiozero."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.settings.field import ButtonsSettings
from rig_capture.sensing.buttons.presses import PressRecogniser, Recognised
from rig_capture.sensing.buttons.states import MachineState
from rig_capture.sensing.device import DeviceError

if TYPE_CHECKING:
    from gpiozero import LED, Buzzer, Device

D = TypeVar("D", bound="Device")


@dataclass(frozen=True)
class Rhythm:
    """Seconds on and off, again and again; never off: on for good."""

    on_s: float
    off_s: float


LAMP = {
    MachineState.BOOT: Rhythm(0.5, 0.5),
    MachineState.IDLE: Rhythm(0.1, 2.9),
    MachineState.BUSY: Rhythm(0.1, 0.1),
    MachineState.RECORDING: Rhythm(1.0, 0.0),
    MachineState.WIFI_SETUP: Rhythm(0.8, 0.2),
    MachineState.ERROR: Rhythm(0.25, 0.25),
    MachineState.SHUTDOWN: Rhythm(0.0, 1.0),
}


class Panel:
    """Owns the pins and the thread that makes presses of their changes. Opened again after `DeviceError`."""

    def __init__(
        self, settings: ButtonsSettings, on_press: Callable[[Recognised], None], double_allowed: Callable[[], bool] = lambda: True
    ) -> None:
        """Nothing is claimed before `open`.

        Args:
            settings: pins and times.
            on_press: called in the panel's thread with each press.
            double_allowed: asked when the button is let go: whether a second press may make it a double one.
        """
        self._settings = settings
        self._on_press = on_press
        self._double_allowed = double_allowed
        self._changes: queue.SimpleQueue[tuple[float, bool] | None] = queue.SimpleQueue()
        self._thread = OwnedThread("buttons", self._run)
        self._devices: list[Device] = []
        self._led: LED | None = None
        self._buzzer: Buzzer | None = None
        self._shown: MachineState | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Claims the pins and starts the thread.

        Raises:
            DeviceError: a pin is not there, or not ours to use.
        """
        from gpiozero import LED, Button, Buzzer
        from gpiozero.exc import GPIOZeroError

        settings = self._settings
        pull = {"up": True, "down": False}.get(settings.pull)
        active = None if pull is not None else settings.pull == "none_high"
        try:
            button = self._claim(Button(settings.pin, pull_up=pull, active_state=active, bounce_time=settings.bounce_s or None))
            self._led = self._claim(LED(settings.led_pin)) if settings.led_pin else None
            self._buzzer = self._claim(Buzzer(settings.buzzer_pin)) if settings.buzzer_pin else None
        except (GPIOZeroError, OSError, ImportError) as error:
            self._release()
            pins = ", ".join(filter(None, (settings.pin, settings.led_pin, settings.buzzer_pin)))
            raise DeviceError(
                f"the pins {pins} can't be had ({type(error).__name__}: {error}); is this a board with GPIO, is the Python package "
                "lgpio there, and your user in the group gpio?"
            ) from error
        button.when_pressed = lambda: self._changes.put((time.monotonic(), True))
        button.when_released = lambda: self._changes.put((time.monotonic(), False))
        self._thread.start()

    def close(self) -> None:
        """Joins the thread, lets go of the pins, and raises what the thread died of, if it did."""
        self._changes.put(None)
        self._thread.join()
        with self._lock:
            self._release()
        self.check()

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    def show(self, state: MachineState) -> None:
        """Has the lamp tell a state."""
        with self._lock:
            if self._led is None or state == self._shown:
                return
            self._shown = state
            rhythm = LAMP[state]
            if not rhythm.on_s:
                self._led.off()
            elif not rhythm.off_s:
                self._led.on()
            else:
                self._led.blink(rhythm.on_s, rhythm.off_s)

    def sound(self, *, success: bool) -> None:
        """One short tone where it went well, three where not."""
        with self._lock:
            if self._buzzer is not None:
                self._buzzer.beep(0.1, 0.1, 1 if success else 3)

    def _claim(self, device: D) -> D:
        self._devices.append(device)
        return device

    def _release(self) -> None:
        for device in reversed(self._devices):
            device.close()
        self._devices.clear()
        self._led = self._buzzer = None

    def _run(self) -> None:
        recogniser = PressRecogniser(self._settings.long_s, self._settings.double_s)
        while True:
            deadline = recogniser.deadline
            try:
                change = self._changes.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                told = recogniser.tick(time.monotonic())
            else:
                if change is None:
                    return
                at, is_down = change
                told = recogniser.down(at) if is_down else recogniser.up(at, double=self._double_allowed())
            if told is not None:
                self._on_press(told)
