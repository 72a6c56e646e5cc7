"""What sensor nodes share: a device loop, and its state in the diagnostics."""

import time
from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import JsonValue

from rig_capture.health.catalogue import DEVICE_LOST, Code
from rig_capture.health.tracker import Hold
from rig_capture.nodes.common.base import RigNode
from rig_capture.nodes.common.diagnosis import ERROR, OK, WARN
from rig_capture.profiles.settings.devices import DeviceSettings
from rig_capture.sensing.device import DeviceLoop, DeviceReport, DeviceState, Driver

if TYPE_CHECKING:
    from rig_capture.nodes.common.mount import MountPublisher

D = TypeVar("D", bound=DeviceSettings)
SampleT = TypeVar("SampleT")

_RATE_LOOKS = 6
"""Rates are taken over the last so many reports, of which there is one a second."""


class SensorNode(RigNode[D], Generic[D, SampleT]):
    """A node around one device. Subclasses give `make_driver` and `publish_sample`, and may count what they know to be `lost`."""

    task = "Device"
    loss_code: Code | None = None
    """Told while samples are being lost, where `lost` counts them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._lost_before = 0
        self._mount: MountPublisher | None = None
        self._place: object = None
        self._counted: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=_RATE_LOOKS)
        self.loop: DeviceLoop[SampleT] = DeviceLoop(
            self.get_name(), self.make_driver, self.publish_sample, self.settings, self._device_changed
        )

    @abstractmethod
    def make_driver(self) -> Driver[SampleT]:
        """A fresh driver from the settings."""

    @abstractmethod
    def publish_sample(self, sample: SampleT) -> None:
        """Publishes one sample; called in the device loop's thread."""

    def device_changed(self, report: DeviceReport) -> None:
        """Called in the device loop's thread when the device is lost or runs (again)."""

    def lost(self) -> int:
        """Samples that are known to be lost since the node started."""
        return 0

    def settings_changed(self, before: D) -> None:
        self.loop.settings = self.settings
        self._publish_mount()

    def _device_changed(self, report: DeviceReport) -> None:
        lost = report.state == DeviceState.LOST
        # The words change with each attempt that fails, the problem does not.
        message = report.error if lost or report.state == DeviceState.ENDED else ""
        evidence: dict[str, JsonValue] = {"state": report.state.value, "samples": report.samples, "losses": report.losses}
        if report.state != DeviceState.OPENING:
            self.health.set(DEVICE_LOST, self.get_name(), problem=lost, message=message, evidence=evidence)
        self.device_changed(report)

    @property
    def frame_id(self) -> str:
        """Frame of the headers."""
        return self.settings.frame_id or self.get_name()

    def start(self) -> None:
        self._publish_mount()
        self.loop.start()

    def stop(self) -> None:
        self.loop.stop()

    def check(self) -> None:
        self.loop.check()
        if self.loss_code is not None:
            self._tell_losses(self.loss_code)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        report = self.loop.report()
        level = {DeviceState.OPENING: WARN, DeviceState.ENDED: WARN, DeviceState.RELEASED: WARN, DeviceState.LOST: ERROR}.get(
            report.state, OK
        )
        values: dict[str, Any] = {
            "state": report.state.value,
            "samples": report.samples,
            "losses": report.losses,
            "age_s": "" if report.last_sample_age_s is None else f"{report.last_sample_age_s:.3f}",
            "rate_hz": f"{self._rate_hz(report.samples):.3f}",
            "lost": self.lost(),
        }
        return level, report.error or report.state.value, values

    def _publish_mount(self) -> None:
        settings = self.settings
        place = (settings.mount_parent, settings.mount_xyz, settings.mount_quaternion)
        if not settings.mount_parent or place == self._place:
            return
        if self._mount is None:
            from rig_capture.nodes.common.mount import MountPublisher

            self._mount = MountPublisher(self)
        self._place = place
        self._mount.publish(settings, self.frame_id)

    def _tell_losses(self, code: Code) -> None:
        lost = self.lost()
        new, self._lost_before = lost - self._lost_before, lost
        message = f"{new} samples of {self.get_name()} were lost within a second; `rig status` shows who keeps the processor busy"
        hold = Hold(off_s=self.settings.loss_over_s)
        evidence: dict[str, JsonValue] = {"lost": new, "lost_in_all": lost}
        self.health.set(code, problem=new > 0, message=message if new > 0 else "", evidence=evidence, hold=hold)

    def _rate_hz(self, samples: int) -> float:
        now = time.monotonic()
        since, before = self._counted[0]
        self._counted.append((now, samples))
        return (samples - before) / max(now - since, 1e-3)
