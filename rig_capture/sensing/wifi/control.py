"""A machine's Wi-Fi as one thing: what it does now, a hotspot with a time-out, and whatever is asked can be given up."""

import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rig_capture.profiles.places import data_dir
from rig_capture.profiles.settings.field import WifiSettings
from rig_capture.sensing.wifi.bus import ManagerBus
from rig_capture.sensing.wifi.errors import WifiCancelled, WifiError
from rig_capture.sensing.wifi.manager import Hotspot, WifiManager
from rig_capture.sensing.wifi.networks import Network, check_password
from rig_capture.sensing.wifi.states import WifiState
from rig_capture.session.atomic import write_atomic

log = logging.getLogger(__name__)

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without letters that look like others: the password is read from a sticker and typed into a phone."""


class WifiControl:
    """Safe from any thread: what is asked while something is under way waits, save `close_setup` and `stop`, which end it."""

    def __init__(
        self,
        settings: WifiSettings,
        changed: Callable[[WifiState, str], None] = lambda state, why: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks nothing yet.

        Args:
            settings: names and times.
            changed: called with each new state, and why, in the thread that brought it about.
            clock: monotonic, s.
        """
        self._settings = settings
        self._changed = changed
        self._clock = clock
        self._bus = ManagerBus()
        self._manager = WifiManager(self._bus, settings.interface)
        self._working = threading.Lock()
        self._hotspot: Hotspot | None = None
        self._until = 0.0
        self.state = WifiState.IDLE

    def scan(self, *, rescan: bool) -> list[Network]:
        """Networks in reach, strongest first. Raises WifiError."""
        with self._working:
            return self._manager.scan(rescan=rescan, timeout_s=self._settings.scan_timeout_s)

    def connect(self, ssid: str, password: str, *, hidden: bool = False, timeout_s: float = 0.0) -> str:
        """Connects and keeps the network; closes the hotspot first, and opens it again where it does not work.

        Returns:
            The address that was given.

        Raises:
            WifiError: no connection; the message says why.
        """
        with self._working:
            reopen = self._remaining_s() if self._hotspot is not None else 0.0
            self._end_setup(restore=False)
            self._to(WifiState.CONNECTING, ssid)
            try:
                address = self._manager.connect(ssid, password, hidden=hidden, timeout_s=timeout_s or self._settings.connect_timeout_s)
            except WifiCancelled:
                self._to(WifiState.IDLE, f"{ssid}: given up")
                raise
            except WifiError as error:
                self._to(WifiState.IDLE, str(error))
                if reopen > 0:
                    self._begin_setup(reopen)
                raise
            self._to(WifiState.IDLE, f"connected to {ssid}")
            return address

    def open_setup(self, timeout_s: float = 0.0) -> tuple[str, str]:
        """Opens the hotspot; one that is open stays so for the new time.

        Returns:
            Its name and its password.

        Raises:
            WifiError: it can't be opened.
        """
        with self._working:
            return self._begin_setup(timeout_s or self._settings.hotspot_timeout_s)

    def close_setup(self, why: str = "as was asked") -> None:
        """Closes the hotspot, gives up what is under way, and connects to what was connected before. Raises WifiError."""
        self._manager.cancel()
        try:
            with self._working:
                self._end_setup(restore=True, why=why)
        finally:
            self._manager.resume()

    def check(self) -> None:
        """Closes the hotspot where its time is up, and notices where somebody else closed it; to be called about once a second."""
        if self._hotspot is None or not self._working.acquire(blocking=False):
            return
        try:
            if self._hotspot is not None and not self._manager.is_open(self._hotspot):
                self._end_setup(restore=False, why="it was ended by somebody else")
            elif self._hotspot is not None and self._remaining_s() <= 0:
                self._end_setup(restore=True, why="its time is up")
        except WifiError as error:
            log.warning("the hotspot: %s", error)
        finally:
            self._working.release()

    def problem(self) -> str:
        """Why this machine's Wi-Fi can't be used now; empty where it can, or is busy."""
        if not self._working.acquire(blocking=False):
            return ""
        try:
            self._manager.check()
        except WifiError as error:
            return str(error)
        else:
            return ""
        finally:
            self._working.release()

    def stop(self) -> None:
        """Gives up what is under way and all that is asked later, closes the hotspot, and hangs up."""
        self._manager.cancel()
        try:
            with self._working:
                self._end_setup(restore=True, why="this program ends")
        except WifiError as error:
            log.warning("the hotspot may still be open: %s", error)
        finally:
            self._bus.close()

    def _begin_setup(self, timeout_s: float) -> tuple[str, str]:
        settings = self._settings
        ssid = settings.hotspot_ssid or f"rig-{socket.gethostname()}"[:32]
        password = hotspot_password(settings)
        check_password(ssid, "wpa-psk", password)
        if self._hotspot is None:
            self._hotspot = self._manager.open_hotspot(ssid, password, settings.hotspot_band, settings.connect_timeout_s)
        self._until = self._clock() + timeout_s
        self._to(WifiState.SETUP, f"the hotspot {ssid} is open for {timeout_s:g} s")
        return ssid, password

    def _end_setup(self, *, restore: bool, why: str = "") -> None:
        hotspot, self._hotspot = self._hotspot, None
        if hotspot is not None:
            try:
                self._manager.close_hotspot(hotspot, restore=restore)
            finally:
                self._to(WifiState.IDLE, f"the hotspot {hotspot.ssid} is closed" + (f": {why}" if why else ""))

    def _remaining_s(self) -> float:
        return self._until - self._clock()

    def _to(self, state: WifiState, why: str) -> None:
        self.state = state
        self._changed(state, why)


def hotspot_password(settings: WifiSettings) -> str:
    """The hotspot's password, made at random the first time, and kept, so that it can be written on the machine.

    Raises:
        WifiError: its file can't be read or written, or others may read it.
    """
    file = Path(settings.hotspot_password_file).expanduser() if settings.hotspot_password_file else data_dir() / "hotspot_password"
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            password = "".join(secrets.choice(_ALPHABET) for _ in range(12))
            write_atomic(file, f"{password}\n".encode(), 0o600)
        if file.stat().st_mode & 0o077:
            raise WifiError(f"{file}: others may read the hotspot's password; run: chmod 600 {file}")
        return file.read_text().strip()
    except OSError as error:
        raise WifiError(f"{file}: the hotspot's password can't be kept there ({error.strerror})") from error
