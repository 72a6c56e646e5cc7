"""Decoding on demand: bounded memory, and pictures from any point."""

import av
from av.video.codeccontext import VideoCodecContext

from rig_capture.sensing.camera.decoding import LazyDecoder, PresentationOrder
from rig_capture.sensing.camera.passing import VideoPacket, bare_packet
from test.sensing.camera.helpers import access_units, numbers


def packets(count: int, keyframe_every: int) -> list[VideoPacket]:
    made = []
    for number, unit in enumerate(access_units(count, keyframe_every)):
        packet = bare_packet(unit)
        packet.pts = packet.dts = number
        packet.is_keyframe = number % keyframe_every == 0
        made.append(packet)
    return made


def decoder() -> LazyDecoder:
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, VideoCodecContext)
    return LazyDecoder(context)


def test_a_source_with_one_keyframe_ever_is_watched_from_any_point_in_bounded_memory() -> None:
    lazy = decoder()
    for packet in packets(700, 10_000):
        lazy.push(packet)
        assert packet.pts is not None
        lazy.forget_before(packet.pts)
    assert len(lazy._pending) <= 600
    picture = lazy.picture(699)
    assert picture is not None
    assert numbers([picture]) == [699]


def test_packets_before_the_last_keyframe_are_forgotten_undecoded() -> None:
    lazy = decoder()
    for packet in packets(50, 20):
        lazy.push(packet)
    lazy.forget_before(45)
    assert len(lazy._pending) == 10
    picture = lazy.picture(45)
    assert picture is not None
    assert numbers([picture]) == [45]


def test_a_damaged_packet_costs_pictures_but_ends_nothing() -> None:
    lazy = decoder()
    for number, packet in enumerate(packets(20, 10)):
        broken = bare_packet(b"\x00\x00\x00\x01\xff\xff")
        broken.pts = broken.dts = packet.pts
        lazy.push(broken if number == 3 else packet)
    assert lazy.picture(3) is None
    picture = lazy.picture(15)
    assert picture is not None
    assert numbers([picture]) == [15]


def test_a_time_that_never_comes_gives_no_picture() -> None:
    lazy = decoder()
    for packet in packets(3, 3):
        lazy.push(packet)
    assert lazy.picture(100) is None


def test_times_in_decoding_order_come_out_in_order_of_presentation() -> None:
    # I P B B P B B, as encoders with B-frames write them.
    decoding = [(0, -2), (3, -1), (1, 0), (2, 1), (6, 2), (4, 3), (5, 4)]
    made = []
    for pts, dts in decoding:
        packet = bare_packet(b"x")
        packet.pts, packet.dts = pts, dts
        made.append(packet)
    order = PresentationOrder(iter(made))
    released: list[int] = []
    while not order.ended:
        order.read()
        while (shown := order.next()) is not None:
            released.append(shown)
    assert released == list(range(7))
