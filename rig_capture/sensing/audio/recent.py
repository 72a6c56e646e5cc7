"""The last seconds of a source, kept in memory for who wants to listen."""

import threading
from collections import deque

from rig_capture.sensing.audio.block import AudioBlock


class RecentSound:
    """Holds blocks that follow each other; a new segment begins anew. Safe from any thread."""

    def __init__(self, keep_s: float, sample_rate: int) -> None:
        """Holds nothing yet.

        Args:
            keep_s: seconds that are kept; 0: none.
            sample_rate: of the blocks.
        """
        self._keep_frames = int(keep_s * sample_rate)
        self._rate = sample_rate
        self._blocks: deque[AudioBlock] = deque()
        self._frames = 0
        self._lock = threading.Lock()

    def add(self, block: AudioBlock) -> None:
        """Takes the next block."""
        if not self._keep_frames:
            return
        with self._lock:
            if self._blocks and block.first_sample != self._blocks[-1].first_sample + self._blocks[-1].frames:
                self._blocks.clear()
                self._frames = 0
            self._blocks.append(block)
            self._frames += block.frames
            while self._frames - self._blocks[0].frames >= self._keep_frames:
                self._frames -= self._blocks.popleft().frames

    def last(self, seconds: float) -> list[AudioBlock]:
        """Blocks of at least the last so many seconds, oldest first; fewer where there are no more."""
        wanted, found = seconds * self._rate, 0
        with self._lock:
            chosen: list[AudioBlock] = []
            for block in reversed(self._blocks):
                if found >= wanted:
                    break
                chosen.append(block)
                found += block.frames
        return chosen[::-1]
