"""Where the pictures of a video are: loose files, streams of sessions with their chunks, single chunks, merged files.

Whatever reads them opens files through `open_container`, which takes no playlist and follows no address out of a file's contents.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from rig_capture.estimation.errors import NoVideo, VideoError
from rig_capture.session import tags
from rig_capture.session.layout import CHUNK_NAME, SessionLayout
from rig_capture.session.manifest import read_manifest

_FORMATS = (
    "matroska,mov,avi,mpegts,mpeg,flv,asf,ogg,ivf,h264,hevc,obu,mjpeg,yuv4mpegpipe,gif,image2,png_pipe,jpeg_pipe,bmp_pipe,webp_pipe,tiff_pipe,"
    "wav,mp3,flac,aac"
)
"""Demuxers that read nothing but the file itself; files may come from anywhere. Those of sound are here to be told from rubbish."""


@dataclass(frozen=True, slots=True)
class VideoPart:
    """One file with pictures."""

    path: Path
    track: int | None = None
    """Index of its stream in the file; None: the best video."""
    start_ns: int | None = None
    """Stamp of its time 0, ns; None of a loose file, which has only its own times."""


@dataclass(frozen=True, slots=True)
class VideoSource:
    """A video, in one file or in many that follow each other."""

    path: Path
    """What it was found by."""
    name: str
    parts: tuple[VideoPart, ...]
    stamps: Path | None = None
    """The table of its frames (frames.csv), where it is of a session."""
    stream: str = ""
    recording_id: str = ""
    session: Path | None = None
    """Folder of the session of which it is a whole stream; None of loose files and single chunks."""

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.path}: {self.stream}" if self.stream and self.stream != self.path.name else str(self.path)


def find_videos(path: Path, streams: Sequence[str] = ()) -> tuple[VideoSource, ...]:
    """The videos that a path means.

    Args:
        path: a video file, a chunk or merged file of a session, the folder of a session's stream, or a session.
        streams: which of a session; none: all that hold pictures. Depth is none.

    Returns:
        At least one.

    Raises:
        NoVideo: there is none, or none of such a name.
        VideoError: a file can't be read.
        SessionError: the session's manifest can't be read.
    """
    path = path.absolute()
    if path.is_dir():
        found = _of_folder(path)
    elif path.exists():
        found = _of_file(path)
    else:
        raise NoVideo(f"{path}: there is no such file or folder; give a video file or a session")
    unknown = sorted(set(streams) - {source.stream for source in found})
    if unknown:
        there = ", ".join(source.stream for source in found if source.stream) or "none that is named"
        raise NoVideo(f"{path}: has no video stream {', '.join(unknown)}; there is {there}")
    if streams:
        return tuple(source for source in found if source.stream in streams)
    if len(found) > 1:
        found = tuple(source for source in found if not _holds_depth(source))
    if not found:
        raise NoVideo(f"{path}: holds no stream of pictures")
    return found


def find_video(path: Path) -> VideoSource:
    """The one video that a path means.

    Raises:
        VideoError: as `find_videos`, and where there are several.
        SessionError: as `find_videos`.
    """
    found = find_videos(path)
    if len(found) > 1:
        names = ", ".join(source.stream for source in found)
        raise VideoError(f"{path}: holds several videos ({names}); say which, by the folder of the stream")
    return found[0]


def open_container(path: Path) -> InputContainer:
    """Opens a file with FFmpeg's libraries. Raises VideoError."""
    try:
        if path.stat().st_size == 0:
            raise NoVideo(f"{path}: is empty")
        return av.open(str(path), options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"{path}: is no video file that can be read: {reason}") from error


def video_of(container: InputContainer, part: VideoPart) -> VideoStream:
    """The stream of a part's pictures in its open file. Raises NoVideo."""
    stream = container.streams.best("video") if part.track is None else container.streams[part.track]
    if not isinstance(stream, VideoStream):
        held = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise NoVideo(f"{part.path}: holds no pictures, only {held}")
    return stream


def start_of(container: InputContainer) -> int | None:
    """Stamp of time 0 of a file that a recorder wrote, ns; None of others."""
    text = container.metadata.get(tags.START_STAMP_NS, "")
    return int(text) if re.fullmatch(r"-?\d{1,19}", text) else None


def is_depth(stream: VideoStream) -> bool:
    """Whether a stream's values are distances: one channel of more than 8 bits, as the recorder keeps depth."""
    form = stream.codec_context.format
    return form is not None and len(form.components) == 1 and form.components[0].bits > 8


def _holds_depth(source: VideoSource) -> bool:
    part = source.parts[0]
    with open_container(part.path) as container:
        return is_depth(video_of(container, part))


def _of_folder(path: Path) -> tuple[VideoSource, ...]:
    if SessionLayout(path).manifest.is_file():
        return _of_session(path)
    parts = _chunks(path)
    if not parts:
        raise NoVideo(f"{path}: is neither a session (a folder with manifest.json) nor a stream of one (with 00000.mkv)")
    return (_of_stream(path, parts),)


def _of_session(session: Path) -> tuple[VideoSource, ...]:
    manifest, layout = read_manifest(session), SessionLayout(session)
    names = sorted(name for name, stream in manifest.streams.items() if stream.kind == "video" and stream.messages)
    if not names:
        raise NoVideo(f"{session}: holds no video")
    merged = {source.stream: source for source in _of_merged(layout.merged)} if layout.merged.is_file() else {}
    found = []
    for name in names:
        parts = _chunks(layout.resolve(name))
        if parts:
            found.append(_of_stream(layout.stream(name), parts))
        elif name in merged:
            found.append(merged[name])
        else:
            raise NoVideo(f"{session}: {name} has no files; `rig verify` tells what is missing")
    return tuple(found)


def _of_stream(folder: Path, parts: tuple[VideoPart, ...]) -> VideoSource:
    frames, session = folder / "frames.csv", folder.parent
    with open_container(parts[0].path) as container:
        recording_id = container.metadata.get(tags.RECORDING_ID, "")
    return VideoSource(
        path=folder,
        name=folder.name,
        parts=parts,
        stamps=frames if frames.is_file() else None,
        stream=folder.name,
        recording_id=recording_id,
        session=session if SessionLayout(session).manifest.is_file() else None,
    )


def _chunks(folder: Path) -> tuple[VideoPart, ...]:
    """Without their start stamps, which are read when they are opened: a long session has thousands."""
    if not folder.is_dir():
        return ()
    return tuple(VideoPart(path) for path in sorted(folder.iterdir()) if CHUNK_NAME.fullmatch(path.name))


def _of_file(path: Path) -> tuple[VideoSource, ...]:
    with open_container(path) as container:
        recording_id, stream, start_ns = container.metadata.get(tags.RECORDING_ID, ""), container.metadata.get(tags.STREAM, ""), None
        if recording_id and not stream:
            return _of_merged(path)
        start_ns = start_of(container)
    frames = path.with_name("frames.csv")
    return (
        VideoSource(
            path=path,
            name=path.name,
            parts=(VideoPart(path, start_ns=start_ns),),
            stamps=frames if start_ns is not None and frames.is_file() else None,
            stream=stream,
            recording_id=recording_id,
        ),
    )


def _of_merged(path: Path) -> tuple[VideoSource, ...]:
    """The video tracks of a merged file, those of one stream after each other."""
    layout = SessionLayout(path.parent)
    tracks: dict[str, list[VideoPart]] = {}
    with open_container(path) as container:
        start_ns, recording_id = start_of(container), container.metadata.get(tags.RECORDING_ID, "")
        for stream in container.streams.video:
            name = stream.metadata.get(tags.STREAM, "")
            tracks.setdefault(name, []).append(VideoPart(path, stream.index, start_ns))
    if not tracks:
        raise NoVideo(f"{path}: holds no pictures")
    in_session = layout.manifest.is_file()
    return tuple(
        VideoSource(
            path=path,
            name=name or path.name,
            parts=tuple(parts),
            stamps=layout.frames(name) if in_session and name and layout.frames(name).is_file() else None,
            stream=name,
            recording_id=recording_id,
            session=path.parent if in_session else None,
        )
        for name, parts in tracks.items()
    )
