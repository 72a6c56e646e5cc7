"""Measuring beside capturing: levels are taken in a thread of their own, which capture never waits for."""

import contextlib
import queue
import threading
from collections.abc import Callable

from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.block import AudioBlock
from rig_capture.sensing.audio.levels import BlockMeter, Levels

_WAITING = 64
"""Most blocks that wait; where the machine is too slow for more, they are not measured, and counted."""


class Metering:
    """Owns the thread, from `start` to `stop`."""

    def __init__(self, name: str, settings: AudioSettings, on_levels: Callable[[Levels], None]) -> None:
        """Starts nothing yet.

        Args:
            name: of the source, for the thread's name.
            settings: of the source.
            on_levels: told of levels, in this thread.
        """
        self._meter = BlockMeter(settings)
        self._on_levels = on_levels
        self._blocks: queue.Queue[AudioBlock | None] = queue.Queue(_WAITING)
        self._ending = threading.Event()
        self._thread = OwnedThread(f"levels-{name}", self._run)
        self.skipped = 0
        """Blocks that were not measured."""

    def start(self) -> None:
        """Begins to measure what is put."""
        self._thread.start()

    def put(self, block: AudioBlock) -> None:
        """Leaves a block to be measured; never waits."""
        try:
            self._blocks.put_nowait(block)
        except queue.Full:
            self.skipped += 1

    def update(self, settings: AudioSettings) -> None:
        """Takes settings that were changed while running."""
        self._meter.update(settings)

    def stop(self) -> None:
        """Ends without measuring what waits, and joins."""
        self._ending.set()
        with contextlib.suppress(queue.Full):  # then it does not wait for one
            self._blocks.put_nowait(None)
        self._thread.join()

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    def _run(self) -> None:
        while (block := self._blocks.get()) is not None and not self._ending.is_set():
            levels = self._meter.add(block)
            if levels is not None:
                self._on_levels(levels)
