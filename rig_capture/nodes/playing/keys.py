"""Keys that steer the player, where it runs in a terminal."""

import contextlib
import os
import re
import select
import sys
import termios
import tty
from collections.abc import Callable

from rig_capture.owned_thread import OwnedThread

HELP = "space: pause   left, right: 5 s   up, down: 60 s   + -: rate   home: begin anew   q: end"

_KEYS = {
    b" ": "pause",
    b"\x1b[D": "back",
    b"\x1b[C": "on",
    b"\x1b[B": "far back",
    b"\x1b[A": "far on",
    b"\x1b[H": "home",
    b"\x1bOH": "home",
    b"+": "faster",
    b"=": "faster",
    b"-": "slower",
    b"q": "end",
}

_KEY = re.compile(rb"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
"""One key; those typed quickly come together."""


class Keys:
    """Reads keys in a thread of its own; without a terminal it does nothing."""

    def __init__(self, on_key: Callable[[str], None]) -> None:
        """`on_key` is told the name of each key that has one, in the thread of this object."""
        self._on_key = on_key
        self._input = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC)
        self._thread = OwnedThread("keys", self._read)

    @property
    def there(self) -> bool:
        """Whether there is a terminal."""
        return self._input is not None

    def start(self) -> None:
        """Starts the thread."""
        if self._input is not None:
            self._before = termios.tcgetattr(self._input)
            tty.setcbreak(self._input)
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread, leaves the terminal as it was, and raises what the thread died of."""
        if self._input is not None:
            os.write(self._writing, b"x")
            self._thread.join()
            with contextlib.suppress(termios.error):  # it has gone, as with a closed window
                termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)
        os.close(self._reading)
        os.close(self._writing)
        self.check()

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    def _read(self) -> None:
        assert self._input is not None
        while True:
            ready, _, _ = select.select([self._input, self._reading], [], [])
            if self._reading in ready:
                return
            try:
                typed = os.read(self._input, 64)
            except OSError:
                typed = b""
            if not typed:
                return  # the terminal has gone
            for key in _KEY.findall(typed):
                if key in _KEYS:
                    self._on_key(_KEYS[key])
