"""Executable `camera`: one camera's video, preview, camera_info and raw pictures, each while somebody listens."""

import array
import threading
from pathlib import Path
from typing import NoReturn

from rclpy.event_handler import PublisherEventCallbacks, QoSPublisherMatchedInfo
from rig_capture_msgs.msg import VideoPacket
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from rig_capture.health.catalogue import CAMERA_FRAMES_DROPPED
from rig_capture.nodes.common.base import data_qos, run_node, time_message
from rig_capture.nodes.common.diagnosis import ERROR
from rig_capture.nodes.common.memory import keep_large_buffers
from rig_capture.nodes.common.parameters import SettingsError
from rig_capture.nodes.common.sensor import SensorNode
from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.profiles.settings.mount import OPTICAL_SUFFIX
from rig_capture.sensing.camera.calibration import Calibration, CalibrationError, read_calibration
from rig_capture.sensing.camera.frame import Capture, EncodedFrame, output_size
from rig_capture.sensing.camera.pipeline import CameraPipeline, Wanted
from rig_capture.sensing.device import DeviceReport, DeviceState, Driver

_PREVIEW_DEPTH = 5
_RAW_DEPTH = 30


class CameraNode(SensorNode[CameraSettings, Capture]):
    """A camera. Nothing is encoded, scaled or converted while nobody subscribes to what comes of it."""

    settings_type = CameraSettings
    loss_code = CAMERA_FRAMES_DROPPED

    def __init__(self, name: str) -> None:
        super().__init__(name)
        settings, own = self.settings, self.get_name()
        self._calibration = _calibration(settings)
        self._joined = threading.Event()
        self._size: tuple[int, int] | None = None
        callbacks = PublisherEventCallbacks(matched=self._video_matched)
        self._video = self.create_publisher(VideoPacket, f"{own}/video", data_qos(settings.depth), event_callbacks=callbacks)
        self._preview = self.create_publisher(CompressedImage, f"{own}/image_raw/compressed", data_qos(_PREVIEW_DEPTH))
        self._info = self.create_publisher(CameraInfo, f"{own}/camera_info", data_qos(settings.depth))
        self._raw = self.create_publisher(Image, f"{own}/image_raw", data_qos(_RAW_DEPTH)) if settings.publish_raw else None
        self.pipeline = CameraPipeline(own, settings, self)

    @property
    def frame_id(self) -> str:
        return self.settings.frame_id or f"{self.get_name()}{OPTICAL_SUFFIX}"

    def start(self) -> None:
        self.pipeline.start()
        super().start()

    def stop(self) -> None:
        try:
            super().stop()
        finally:
            self.pipeline.stop()

    def check(self) -> None:
        super().check()
        self.pipeline.check()

    def make_driver(self) -> Driver[Capture]:
        return make_driver(self.settings, self.pipeline.next_seq)

    def publish_sample(self, sample: Capture) -> None:
        joined = self._joined.is_set()
        if joined:
            self._joined.clear()
        wanted = Wanted(
            video=self._video.get_subscription_count() > 0,
            join=joined,
            preview=self._preview.get_subscription_count() > 0,
            raw=self._raw is not None and self._raw.get_subscription_count() > 0,
        )
        self.pipeline.process(sample, wanted)
        if not (wanted.video or wanted.preview or wanted.raw) and self._info.get_subscription_count() > 0:
            self._publish_info_alone(sample)

    def device_changed(self, report: DeviceReport) -> None:
        if report.state in (DeviceState.LOST, DeviceState.RELEASED):
            self.pipeline.source_lost()
            self._size = None

    def video(self, frame: EncodedFrame) -> None:
        """Publishes a packet; called in the pipeline's threads."""
        self._video.publish(
            VideoPacket(
                header=self._header(frame.stamp_ns),
                seq=frame.seq,
                codec=frame.codec,
                width=frame.width,
                height=frame.height,
                keyframe=frame.keyframe,
                pts_ns=frame.pts_ns,
                data=array.array("B", frame.data),
            )
        )
        self._publish_info(frame.stamp_ns, (frame.width, frame.height))

    def preview(self, stamp_ns: int, jpeg: bytes, size: tuple[int, int]) -> None:
        """Publishes a preview."""
        self._preview.publish(CompressedImage(header=self._header(stamp_ns), format="jpeg", data=array.array("B", jpeg)))
        if self._video.get_subscription_count() == 0:
            self._publish_info(stamp_ns, size)

    def raw(self, stamp_ns: int, picture: bytes, size: tuple[int, int]) -> None:
        """Publishes a raw picture."""
        assert self._raw is not None
        width, height = size
        image = Image(header=self._header(stamp_ns), width=width, height=height, encoding="rgb8", step=3 * width)
        image.data = array.array("B", picture)
        self._raw.publish(image)
        if self._video.get_subscription_count() == 0:
            self._publish_info(stamp_ns, size)

    def lost(self) -> int:
        report = self.pipeline.report()
        return report.missed + report.dropped

    def settings_changed(self, before: CameraSettings) -> None:
        super().settings_changed(before)
        self.pipeline.update(self.settings)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        level, message, values = super().diagnose()
        report = self.pipeline.report()
        values |= {
            "captured": report.captured,
            "missed": report.missed,
            "dropped_encoder": report.dropped,
            "undecoded": report.undecoded,
            "encoded": report.encoded,
            "encoder": report.encoder,
            "subscribers": self._video.get_subscription_count(),
        }
        return (ERROR, report.error, values) if report.error else (level, message, values)

    def _header(self, stamp_ns: int) -> Header:
        return Header(stamp=time_message(stamp_ns), frame_id=self.frame_id)

    def _publish_info(self, stamp_ns: int, size: tuple[int, int]) -> None:
        if self._info.get_subscription_count() == 0:
            return
        width, height = size
        info = CameraInfo(header=self._header(stamp_ns), width=width, height=height)
        if self._calibration is not None:
            scaled = self._calibration.scaled(width, height)
            info.distortion_model = scaled.distortion_model
            info.d = list(scaled.distortion_coefficients.data)
            info.k, info.r, info.p = list(scaled.k), list(scaled.rectification_matrix.data), list(scaled.p)
        self._info.publish(info)

    def _publish_info_alone(self, sample: Capture) -> None:
        """For who looks at camera_info and at no picture: that of the video there would be."""
        if self._size is None:
            picture = sample.picture()
            if picture is None:
                return
            self._size = output_size(self.settings.width, self.settings.height, picture.width, picture.height)
        self._publish_info(sample.stamp_ns, self._size)

    def _video_matched(self, event: QoSPublisherMatchedInfo) -> None:
        if event.current_count_change > 0:
            self._joined.set()


def make_driver(settings: CameraSettings, next_seq: int) -> Driver[Capture]:
    """A driver by the name in the settings; the numbers that the synthetic scene shows go on from `next_seq`."""
    if settings.driver == "synthetic":
        from rig_capture.sensing.camera.synthetic import SyntheticCamera

        return SyntheticCamera(settings, next_seq)
    if settings.driver == "v4l2":
        from rig_capture.sensing.camera.v4l2 import V4l2Camera

        return V4l2Camera(settings)
    if settings.driver == "plugin":
        from rig_capture.sensing.plugins import plugin_driver

        return plugin_driver(settings)
    from rig_capture.sensing.camera.av_source import PacedCamera, RtspCamera

    return RtspCamera(settings) if settings.driver == "rtsp" else PacedCamera(settings)


def _calibration(settings: CameraSettings) -> Calibration | None:
    if not settings.calibration:
        return None
    try:
        return read_calibration(Path(settings.calibration).expanduser())
    except CalibrationError as error:
        raise SettingsError(f"parameter calibration: {error}") from error


def make_node(name: str) -> CameraNode:
    """A node by its name."""
    return CameraNode(name)


def main() -> NoReturn:
    """Entry point."""
    keep_large_buffers()
    run_node(lambda: make_node("camera"))


if __name__ == "__main__":
    main()
