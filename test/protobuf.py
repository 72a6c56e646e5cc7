"""Protobuf read without its library or the definitions: enough for Foxglove's own messages."""

import struct


def fields(message: bytes) -> dict[int, bytes | int]:
    """Fields by number, of which each is there once: bytes of texts and messages, numbers of the rest."""
    found: dict[int, bytes | int] = {}
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        if key & 7 == 2:
            size, position = _varint(message, position)
            found[key >> 3], position = message[position : position + size], position + size
        elif key & 7 == 5:
            found[key >> 3], position = struct.unpack_from("<I", message, position)[0], position + 4
        else:
            assert key & 7 == 0, "fields of this kind are not in it"
            found[key >> 3], position = _varint(message, position)
    return found


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, position = message[position], position + 1
        value, shift = value | (byte & 0x7F) << shift, shift + 7
        if not byte & 0x80:
            return value, position
