"""One of our encoders over a raw file, in a process of its own: `python -m bench.encode_child CASE CODEC FILE WIDTH HEIGHT FRAMES`."""

import sys
from collections.abc import Iterator

import av
import numpy as np

from rig_capture.nodes.common.memory import keep_large_buffers
from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.images.encoding import ENCODERS, KEYFRAME_FRAMES
from rig_capture.recorder.images.ffmpeg_encoder import FfmpegEncoder
from rig_capture.recorder.images.pyav_encoder import PyavEncoder
from rig_capture.recorder.images.reading import Picture
from rig_capture.sensing.camera.encoder import Encoder


def camera(codec: str, path: str, width: int, height: int, frames: int) -> None:
    """The camera's encoder, with frames as its drivers give them."""
    encoder = Encoder(CameraSettings.model_validate({"codec": codec, "width": width, "height": height}), (width, height))
    done = 0
    while done < frames:
        raw = {"pixel_format": "yuv420p", "video_size": f"{width}x{height}", "framerate": "30"}
        with av.open(path, "r", format="rawvideo", options=raw) as source:
            for frame in source.decode(video=0):
                encoder.encode(frame, keyframe=done % KEYFRAME_FRAMES == 0)
                done += 1
                if done == frames:
                    break
    encoder.finish()


def recorder(program: str, codec: str, path: str, width: int, height: int, frames: int) -> None:
    """An encoder of the recorder, with pictures as sensor_msgs/Image holds them (rgb8)."""
    encoder: PyavEncoder | FfmpegEncoder | None = None
    settings = RecorderSettings.model_validate({"image_codec": codec, "image_preset": "ultrafast"})
    for index, rows in enumerate(_pictures(path, width, height, frames)):
        picture = Picture(index, width, height, "rgb8", "rgb24", rows)
        if encoder is None:
            encoder = (FfmpegEncoder if program == "ffmpeg" else PyavEncoder)(ENCODERS[codec][-1], settings, picture)
        encoder.encode(picture, keyframe=index % KEYFRAME_FRAMES == 0)
    if encoder is not None:
        encoder.finish()


def _pictures(path: str, width: int, height: int, frames: int) -> Iterator["np.ndarray[tuple[int, int], np.dtype[np.uint8]]"]:
    buffer = np.empty((height, width * 3), np.uint8)
    done = 0
    while done < frames:
        with open(path, "rb", buffering=0) as source:
            while done < frames and source.readinto(memoryview(buffer)) == buffer.nbytes:
                yield buffer
                done += 1


def main() -> None:
    """Runs one case."""
    case, codec, path, *numbers = sys.argv[1:]
    width, height, frames = map(int, numbers)
    keep_large_buffers()  # as the nodes do
    if case == "camera":
        camera(codec, path, width, height, frames)
    else:
        recorder(case, codec, path, width, height, frames)


if __name__ == "__main__":
    main()
