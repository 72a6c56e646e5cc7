"""The CRC-32 of each chunk of a bag, at the speed of the memory.

The MCAP library's own takes longer than writing the chunk into the page cache; ISA-L's takes a quarter of it (`bench writer`).
"""

import struct
from typing import Protocol

from isal.isal_zlib import crc32

_CHUNK = 0x06
_CRC_AT = 33
"""In a chunk record: opcode, length, first time, last time, size, then the CRC, then the name of the compression and the records
(https://mcap.dev/spec#chunk-op0x06)."""
_LENGTH = struct.Struct("<Q")
"""Of what follows opcode and length."""
_RECORDS_AT = 49
"""Where the compression has no name, being none."""


class RecordFile(Protocol):
    """What takes the records."""

    def write(self, data: bytes | memoryview) -> int: ...

    def flush(self) -> None: ...

    def seek(self, offset: int, whence: int = 0) -> int: ...


class ChunkSums:
    """Stands between the library, which writes each chunk at once, and the file. For uncompressed chunks without a CRC of their own."""

    def __init__(self, file: RecordFile) -> None:
        self._file = file
        self.flush = file.flush
        self.seek = file.seek

    def write(self, record: bytes) -> int:
        """Takes one record, or a part of one. Raises OSError, as the file does."""
        # The library writes other records in parts where they are large, and a part may begin with any byte.
        if record[0] != _CHUNK or len(record) < _RECORDS_AT or _LENGTH.unpack_from(record, 1)[0] + 9 != len(record):
            return self._file.write(record)
        parts = memoryview(record)
        crc = struct.pack("<I", crc32(parts[_RECORDS_AT:]))
        return sum(self._file.write(part) for part in (parts[:_CRC_AT], crc, parts[_CRC_AT + len(crc) :]))
