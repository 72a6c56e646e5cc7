"""What is heard of the hosts' clocks while a recording runs, for its manifest."""

import threading

from rig_capture.session.clocks import ClockEntry, ClockReading, thinned


class ClockLog:
    """Collects readings per host. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, ClockEntry] = {}

    def hear(self, host: str, entry: ClockEntry, reading: ClockReading | None) -> None:
        """Takes what a clock node says of itself.

        Args:
            host: its host.
            entry: method, reference and boot.
            reading: what it measured; None where it was not answered, or is the reference.
        """
        with self._lock:
            before = self._entries.get(host, ClockEntry())
            series = list(before.series)
            if reading is not None and reading not in series[-1:]:
                series = thinned([*series, reading])
            facts = {"method": entry.method, "reference": entry.reference, "boot_id": entry.boot_id, "series": tuple(series)}
            ends = {"start": series[0], "end": series[-1]} if series else {}
            self._entries[host] = before.model_copy(update=facts | ends)

    def hear_source(self, host: str, source: str, synchronised: bool | None) -> None:
        """Takes what keeps a host's clock right."""
        with self._lock:
            before = self._entries.get(host)
            if before is not None:
                self._entries[host] = before.model_copy(update={"source": source, "synchronised": synchronised})

    @property
    def entries(self) -> dict[str, ClockEntry]:
        """By host, those of which something was heard."""
        with self._lock:
            return dict(self._entries)
