"""What sensor nodes share: a device loop, and its state in the diagnostics."""

from abc import abstractmethod
from typing import Any, Generic, TypeVar

from rig_capture.nodes.base import RigNode
from rig_capture.profiles.settings import DeviceSettings
from rig_capture.sensing.device import DeviceLoop, DeviceReport, DeviceState, Driver

D = TypeVar("D", bound=DeviceSettings)
SampleT = TypeVar("SampleT")

OK, WARN, ERROR = 0, 1, 2


class SensorNode(RigNode[D], Generic[D, SampleT]):
    """A node around one device. Subclasses give `make_driver` and `publish_sample`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.loop: DeviceLoop[SampleT] = DeviceLoop(
            self.get_name(), self.make_driver, self.publish_sample, self.settings, self.device_changed
        )

    @abstractmethod
    def make_driver(self) -> Driver[SampleT]:
        """A fresh driver from the settings."""

    @abstractmethod
    def publish_sample(self, sample: SampleT) -> None:
        """Publishes one sample; called in the device loop's thread."""

    def device_changed(self, report: DeviceReport) -> None:
        """Called in the device loop's thread when the device is lost or runs (again)."""

    @property
    def frame_id(self) -> str:
        """Frame of the headers."""
        return self.settings.frame_id or self.get_name()

    def start(self) -> None:
        self.loop.start()

    def stop(self) -> None:
        self.loop.stop()

    def check(self) -> None:
        if self.loop.failure is not None:
            raise self.loop.failure

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        report = self.loop.report()
        level = {DeviceState.OPENING: WARN, DeviceState.ENDED: WARN, DeviceState.LOST: ERROR}.get(report.state, OK)
        values: dict[str, Any] = {
            "state": report.state.value,
            "samples": report.samples,
            "losses": report.losses,
            "age_s": "" if report.last_sample_age_s is None else f"{report.last_sample_age_s:.3f}",
        }
        return level, report.error or report.state.value, values
