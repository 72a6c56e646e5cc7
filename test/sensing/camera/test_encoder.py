"""Encoders: each can be joined at any keyframe, adds no delay, and has a successor where it fails."""

import pytest
from av import CodecContext, Packet
from av.video.codeccontext import VideoCodecContext

from rig_capture.sensing.camera.encoder import ENCODERS, Encoder, EncoderError
from rig_capture.sensing.camera.frame import EncodedFrame, output_size, plane_view
from rig_capture.sensing.camera.synthetic import Scene
from test.sensing.camera.helpers import decode, numbers, settings

CODECS = sorted(ENCODERS)


def encode(encoder: Encoder, scene: Scene, count: int, keyframes: set[int]) -> list[EncodedFrame]:
    frames = []
    for number in range(count):
        packets = encoder.encode(scene.draw(number, 10**18), keyframe=number in keyframes)
        assert [packet.pts for packet in packets] == [number], "an encoder must give each frame back at once"
        blank = EncodedFrame(0, 0, number, "", 0, 0, keyframe=False, data=b"")
        frames += [blank.filled(encoder.codec, (encoder.width, encoder.height), p.data, keyframe=p.keyframe) for p in packets]
    return frames


@pytest.mark.parametrize("codec", CODECS)
def test_a_stream_joined_at_any_keyframe_decodes_to_the_right_frames(codec: str) -> None:
    scene = Scene(320, 240)
    encoder = Encoder(settings(codec=codec, quality=5 if codec == "mjpeg" else 23), (320, 240))
    frames = encode(encoder, scene, 24, {0, 9, 16})
    keyframes = [frame.seq for frame in frames if frame.keyframe]
    assert keyframes == (list(range(24)) if codec in ("mjpeg", "ffv1") else [0, 9, 16])
    for start in (0, 9, 16):
        pictures = decode(frames[start:])
        assert numbers(pictures) == list(range(start, 24))
    original, decoded = plane_view(scene.draw(23, 10**18), 0), plane_view(pictures[-1].reformat(format="yuv420p"), 0)
    error = ((original.astype(float) - decoded) ** 2).mean()
    assert error == 0 if codec == "ffv1" else error < 65025 / 10 ** (30 / 10)  # a peak signal to noise ratio of 30 dB


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_packets_are_annex_b_with_parameter_sets_before_each_keyframe(codec: str) -> None:
    frames = encode(Encoder(settings(codec=codec), (320, 240)), Scene(320, 240), 6, {0, 3})
    kinds = []
    for frame in frames:
        heads = [part[0] for part in frame.data.split(b"\x00\x00\x01")[1:]]
        kinds.append({head & 0x1F if codec == "h264" else head >> 1 & 0x3F for head in heads})
    wanted = {7, 8, 5} if codec == "h264" else {32, 33, 34}
    assert [wanted <= kind for kind in kinds] == [True, False, False] * 2


def test_pictures_are_scaled_to_the_size_asked_for() -> None:
    encoder = Encoder(settings(width=160, height=0), (640, 480))
    assert (encoder.width, encoder.height) == (160, 120)
    frames = encode(encoder, Scene(640, 480), 2, {0})
    assert {(picture.width, picture.height) for picture in decode(frames)} == {(160, 120)}


def test_sizes_are_made_even() -> None:
    assert output_size(0, 0, 641, 479) == (640, 480)
    assert output_size(0, 0, 1, 1) == (2, 2)
    assert output_size(0, 360, 1280, 720) == (640, 360)


def test_the_next_encoder_takes_over_where_one_can_not_be_opened() -> None:
    # No machine has an encoder of the first name, and one without an NVIDIA GPU can't open the second.
    encoder = Encoder(settings(), (320, 240), ["no_such_encoder", "libx264"])
    assert encoder.name == "libx264"
    assert numbers(decode(encode(encoder, Scene(320, 240), 3, {0}))) == [0, 1, 2]


def test_where_none_works_the_error_names_all_and_what_to_do() -> None:
    with pytest.raises(EncoderError, match=r"no encoder for h264 works here \(one: .*; two: .*\); set codec to another"):
        Encoder(settings(), (320, 240), ["one", "two"])


def test_better_quality_makes_larger_packets() -> None:
    sizes = [sum(len(f.data) for f in encode(Encoder(settings(quality=q), (320, 240)), Scene(320, 240), 5, {0})) for q in (10, 40)]
    assert sizes[0] > 2 * sizes[1]


def test_a_bit_rate_is_kept() -> None:
    frames = encode(Encoder(settings(bitrate=200_000), (320, 240)), Scene(320, 240), 60, {0, 30})
    assert sum(len(frame.data) for frame in frames) * 8 / 2 < 400_000


def test_a_fresh_decoder_needs_nothing_but_packets() -> None:
    frames = encode(Encoder(settings(), (320, 240)), Scene(320, 240), 4, {0})
    context = CodecContext.create("h264", "r")
    assert isinstance(context, VideoCodecContext)
    pictures = [p for f in frames for p in context.decode(Packet(f.data))] + context.decode(None)
    assert len(pictures) == 4
