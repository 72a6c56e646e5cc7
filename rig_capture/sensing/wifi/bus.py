"""NetworkManager on D-Bus, by jeepney: calls and properties, from any thread."""

import threading
from typing import Any

from jeepney import DBusAddress, DBusErrorResponse, Message, MessageType, Properties, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from rig_capture.sensing.wifi.errors import WifiError

SERVICE = "org.freedesktop.NetworkManager"
MANAGER = "/org/freedesktop/NetworkManager"
_TIMEOUT_S = 10.0
_GONE = (
    "org.freedesktop.DBus.Error.UnknownObject",
    "org.freedesktop.DBus.Error.UnknownMethod",
    "org.freedesktop.DBus.Error.UnknownInterface",
)


class ObjectGone(WifiError):
    """An object that is no longer there, such as a connection that has ended."""


class NotNow(WifiError):
    """Something that NetworkManager does not do so soon again."""


class ManagerBus:
    """The system bus (DBUS_SYSTEM_BUS_ADDRESS, else its usual place); connected when first used, and anew after it was lost."""

    def __init__(self) -> None:
        self._connection: DBusConnection | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Hangs up."""
        with self._lock:
            self._hang_up()

    def call(self, path: str, interface: str, method: str, signature: str = "", *arguments: object) -> tuple[Any, ...]:
        """Calls a method of an object; `interface` without the service's name before it.

        Raises:
            ObjectGone: there is no such object any more.
            WifiError: NetworkManager is not there, or refuses.
        """
        address = DBusAddress(path, SERVICE, f"{SERVICE}{interface}")
        return self._send(new_method_call(address, method, signature or None, arguments if signature else ()))

    def get(self, path: str, interface: str, name: str) -> Any:  # noqa: ANN401 - any D-Bus type
        """A property; see `call`."""
        ((_, value),) = self._send(Properties(DBusAddress(path, SERVICE, f"{SERVICE}{interface}")).get(name))
        return value

    def _send(self, message: Message) -> tuple[Any, ...]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = open_dbus_connection("SYSTEM")
                reply = self._connection.send_and_get_reply(message, timeout=_TIMEOUT_S)
            except (OSError, ValueError, KeyError) as error:  # not there, not allowed in, no address of a bus
                self._hang_up()
                raise WifiError(
                    f"NetworkManager can't be asked ({type(error).__name__}: {error}); is it installed and running? "
                    "(sudo apt-get install network-manager)"
                ) from error
        try:
            return _checked(reply)
        except DBusErrorResponse as error:
            raise _explained(error) from error

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _checked(reply: Message) -> tuple[Any, ...]:
    if reply.header.message_type == MessageType.error:
        raise DBusErrorResponse(reply)
    body: tuple[Any, ...] = reply.body
    return body


def _explained(error: DBusErrorResponse) -> WifiError:
    said = str(error.data[0]) if error.data else error.name
    if error.name in _GONE:
        return ObjectGone(said)
    if error.name.endswith(".NotAllowed"):
        return NotNow(f"NetworkManager does not do that now: {said}")
    if error.name == "org.freedesktop.DBus.Error.ServiceUnknown":
        return WifiError("NetworkManager does not run; start it: sudo systemctl start NetworkManager")
    if error.name.endswith(("PermissionDenied", "AccessDenied")):
        return WifiError(f"NetworkManager does not allow it to this user ({said}); add the user to the group netdev, or run as root")
    return WifiError(f"NetworkManager refuses: {said}")
