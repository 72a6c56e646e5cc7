"""One video or audio stream in Matroska chunks, by stream copy (sound also by FLAC or Opus), with its table of frames.

Times in a chunk start at 0 with its first sample; Matroska keeps them in milliseconds. The exact stamps are in frames.csv, and
the stamp of the chunk's first sample is in the tag RIG_START_STAMP_NS.
"""

import io
import time
from fractions import Fraction

import av
from av.container import OutputContainer
from av.stream import Stream

from rig_capture.recorder.files import FinishedFile, OnFinished, sync_file
from rig_capture.recorder.tracks.samples import AudioFormat, Sample, VideoFormat
from rig_capture.recorder.tracks.sound_encoder import PCM, SoundEncoder, SoundSettings, codec_for
from rig_capture.recorder.tracks.tail import TailPacket, tail_file, write_tail
from rig_capture.session import tags
from rig_capture.session.atomic import sync_folder
from rig_capture.session.layout import SessionLayout

FRAMES_HEADER = "seq,stamp_ns,pts_ns,keyframe,bytes\n"

_MILLISECOND = Fraction(1, 1000)
_SYNC_S = 0.7
# A cluster is handed to the kernel with the first packet after 400 ms; with the muxer's defaults a killed recorder leaves
# nothing readable.
_OPTIONS = {"cluster_time_limit": "400", "flush_packets": "1"}
# Demuxers that read a codec's parameters out of its first packet.
_RAW_VIDEO = {"h264": "h264", "hevc": "hevc", "av1": "obu"}
_RAW_AUDIO = {"pcm_s16le": "s16le", "pcm_s24le": "s24le", "pcm_s32le": "s32le", "pcm_f32le": "f32le"}


class MatroskaStream:
    """Writes ``00000.mkv``, ``00001.mkv``, ... and frames.csv in the stream's folder. Used from one thread.

    A chunk ends at the first keyframe after `chunk_s`, where the format changes, or where stamps go backwards.
    Samples before the first keyframe belong to no picture and are passed over.
    """

    def __init__(
        self,
        layout: SessionLayout,
        name: str,
        chunk_s: float,
        recording_id: str,
        on_finished: OnFinished,
        sound: SoundSettings = PCM,
    ) -> None:
        """Makes the stream's folder.

        Args:
            layout: of the session.
            name: of the stream.
            chunk_s: length of a chunk, s.
            recording_id: put into each file.
            on_finished: told of each finished file.
            sound: how sound is kept where its format allows (`codec_for`).

        Raises:
            OSError: the folder can't be made.
        """
        layout.stream(name).mkdir()
        sync_folder(layout.path)
        self._layout = layout
        self._name = name
        self._chunk_ns = int(chunk_s * 1e9)
        self._recording_id = recording_id
        self._on_finished = on_finished
        self._sound = sound
        self._encoder: SoundEncoder | None = None
        # A line at a time, ahead of the packet: after a crash the table has a row for each packet that is there.
        self._frames = layout.frames(name).open("w", encoding="ascii", buffering=1)
        self._frames.write(FRAMES_HEADER)
        self._container: OutputContainer | None = None
        self._stream: Stream | None = None
        self._index = 0
        self._format: VideoFormat | AudioFormat | None = None
        self._start_ns = self._last_ns = 0
        self._synced = time.monotonic()
        self._new_name = True
        self._held: list[TailPacket] = []
        self._size = 0
        self._silent = False
        self.first_ns: int | None = None

    @property
    def format(self) -> VideoFormat | AudioFormat | None:
        """Of the last sample written; None before the first."""
        return self._format

    @property
    def codec(self) -> str:
        """Of the packets in the files; empty before the first."""
        if self._format is None:
            return ""
        kept = codec_for(self._format, self._sound.codec) if isinstance(self._format, AudioFormat) else "pcm"
        return self._format.codec if kept == "pcm" else kept

    def write(self, sample: Sample) -> bool:
        """Writes one sample; False where it came before the first keyframe and was passed over.

        Raises:
            OSError: the file can't be written.
        """
        if self._container is None and not sample.keyframe:
            return False
        if self._container is None or self._must_split(sample):
            self._close_chunk()
            self._open_chunk(sample)
        self._frames.write(f"{sample.seq},{sample.stamp_ns},{sample.pts_ns},{int(sample.keyframe)},{len(sample.data)}\n")
        self._last_ns = sample.stamp_ns
        if self._encoder is not None:
            self._encoder.write(sample)
        else:
            self._copy(sample)
        return True

    def _copy(self, sample: Sample) -> None:
        packet = av.Packet(sample.data)
        assert self._stream is not None
        packet.stream = self._stream
        packet.time_base = _MILLISECOND
        packet.pts = packet.dts = round((sample.stamp_ns - self._start_ns) / 1e6)
        packet.is_keyframe = sample.keyframe
        assert self._container is not None
        self._container.mux_one(packet)
        self._hold(TailPacket(packet.pts, sample.keyframe, sample.data))

    def _hold(self, packet: TailPacket) -> None:
        """Keeps what the muxer has not handed to the kernel yet."""
        size = self._layout.chunk(self._name, self._index - 1).stat().st_size
        if size > self._size:
            # The cluster before is out; of sound the muxer keeps one packet for the next cluster.
            self._held = self._held[-1:] if isinstance(self._format, AudioFormat) else []
        self._size = size
        self._held.append(packet)
        self._silent = False

    def tick(self) -> None:
        """Brings what is there to the disk once a second. Raises OSError."""
        now = time.monotonic()
        if self._container is not None and self._held and self._silent:
            chunk = self._layout.chunk(self._name, self._index - 1)
            write_tail(chunk, [TailPacket(packet.time_ms, packet.keyframe, bytes(packet.data)) for packet in self._held])
            self._held = []
        self._silent = True
        if self._container is not None and now - self._synced >= _SYNC_S:
            sync_file(self._layout.chunk(self._name, self._index - 1))
            sync_file(self._layout.frames(self._name))
            if self._new_name:
                sync_folder(self._layout.stream(self._name))
                self._new_name = False
            self._synced = now

    def close(self) -> None:
        """Finishes the last chunk and the frame table. Raises OSError."""
        self._close_chunk()
        self._frames.close()
        self._on_finished(
            FinishedFile(self._layout.frames(self._name), "frames", self._name, self.first_ns, self._last_ns if self.first_ns else None)
        )

    def _must_split(self, sample: Sample) -> bool:
        if not sample.keyframe:
            return False
        if self._encoder is not None and not self._encoder.follows(sample):
            return True
        return sample.format != self._format or sample.stamp_ns < self._last_ns or sample.stamp_ns - self._start_ns >= self._chunk_ns

    def _open_chunk(self, sample: Sample) -> None:
        path = self._layout.chunk(self._name, self._index)
        container = av.open(str(path), "w", format="matroska", options=_OPTIONS)
        self._index += 1
        self._new_name = True
        self._container = container
        self._encoder = self._stream = None
        if isinstance(sample.format, AudioFormat) and (kept := codec_for(sample.format, self._sound.codec)) != "pcm":
            self._encoder = SoundEncoder(container, sample.format, kept, self._sound.bitrate)
            container.metadata[tags.SOUND_SOURCE] = f"{sample.format.codec}/{sample.format.sample_rate}/{sample.format.channels}"
        else:
            self._stream = add_stream(container, sample)
        container.metadata.update(
            {
                tags.RECORDING_ID: self._recording_id,
                tags.STREAM: self._name,
                tags.START_STAMP_NS: str(sample.stamp_ns),
            }
        )
        self._format = sample.format
        self._start_ns = self._last_ns = sample.stamp_ns
        if self.first_ns is None:
            self.first_ns = sample.stamp_ns

    def _close_chunk(self) -> None:
        if self._container is None:
            return
        if self._encoder is not None:
            self._encoder.finish()
        self._container.close()
        self._container = None
        path = self._layout.chunk(self._name, self._index - 1)
        tail_file(path).unlink(missing_ok=True)
        self._held, self._size = [], 0
        self._on_finished(
            FinishedFile(path, "video" if isinstance(self._format, VideoFormat) else "audio", self._name, self._start_ns, self._last_ns)
        )


def add_stream(container: OutputContainer, sample: Sample) -> Stream:
    """Adds a track for a sample's format; its codec parameters are read out of the sample, nothing is decoded or encoded.

    Raises:
        av.error.FFmpegError: the sample is no packet of that codec.
    """
    form = sample.format
    if isinstance(form, AudioFormat):
        options = {"sample_rate": str(form.sample_rate), "ch_layout": {1: "mono", 2: "stereo"}.get(form.channels, f"{form.channels}C")}
        return _like(container, sample.data, _RAW_AUDIO[form.codec], options)
    if form.codec in _RAW_VIDEO:
        return _like(container, sample.data, _RAW_VIDEO[form.codec], {})
    # Motion JPEG and FFV1 (level 1) carry their parameters in each keyframe.
    return container.add_mux_stream(form.codec, width=form.width, height=form.height)


def _like(container: OutputContainer, data: bytes, raw_format: str, options: dict[str, str]) -> Stream:
    with av.open(io.BytesIO(data), format=raw_format, options=options) as template:
        return container.add_stream_from_template(template.streams[0], opaque=True)
