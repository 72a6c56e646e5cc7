"""Executable `console`: the rig in a browser."""

import os
from typing import NoReturn

from pydantic import ValidationError

from rig_capture.console.errors import ConsoleError
from rig_capture.console.place import tell_place
from rig_capture.console.rig import RigPlace
from rig_capture.console.server import ConsoleServer, Listening
from rig_capture.console.token import console_token
from rig_capture.delivery.errors import CredentialsError
from rig_capture.nodes.common.base import RigNode, run_node
from rig_capture.nodes.common.diagnosis import ERROR, OK
from rig_capture.nodes.common.parameters import SettingsError
from rig_capture.nodes.viewing.control import ConsoleRig
from rig_capture.nodes.viewing.feeds import Feeds
from rig_capture.nodes.viewing.state import RigState
from rig_capture.profiles.places import console_file, console_token_file
from rig_capture.profiles.profile import Profile
from rig_capture.profiles.settings.console import ConsoleParameters


class ConsoleNode(RigNode[ConsoleParameters]):
    """Feeds the server from topics, and passes on to services what viewers ask."""

    settings_type = ConsoleParameters
    task = "Console"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        namespace, domain_id = self.get_namespace(), self.context.get_domain_id()
        self._place = RigPlace(_profile(self.settings), namespace, domain_id)
        self._file = console_file(namespace, domain_id)
        try:
            self._token = console_token(self._place.profile.credentials_file, console_token_file(namespace, domain_id))
        except (ConsoleError, CredentialsError) as error:
            raise SettingsError(str(error)) from error
        self._feeds = Feeds(self)
        self._rig = ConsoleRig(self, self._feeds)
        self._server = ConsoleServer(self.settings, self._place, self._token, self._rig, self._tell_where)
        self._state = RigState(self, tuple(self._place.profile.batteries), self._server.tell)

    def start(self) -> None:
        # Threads that begin from now on step back behind those of other nodes: nobody waits for a picture as a recording does.
        os.nice(self.settings.nice)
        try:
            self._server.start()
        except ConsoleError as error:
            raise SettingsError(str(error)) from error
        self._feeds.start(self._server.tell)

    def every_second(self) -> None:
        self._state.every_second()

    def stop(self) -> None:
        self._file.unlink(missing_ok=True)
        try:
            self._server.stop()
        finally:
            self._feeds.stop()

    def check(self) -> None:
        self._server.check()
        self._feeds.check()
        self._rig.check()

    def settings_changed(self, before: ConsoleParameters) -> None:
        self._place = RigPlace(_profile(self.settings), self._place.namespace, self._place.domain_id)
        self._server.update(self.settings, self._place)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        listening = self._server.listening
        values: dict[str, object] = {"url": listening.url if listening is not None else "", "viewers": self._server.hub.viewers}
        trouble = self._server.trouble
        return (ERROR, trouble, values) if trouble else (OK, "running", values)

    def _tell_where(self, listening: Listening) -> None:
        """For `rig status`; only the owner may read it. Called in the server's thread."""
        try:
            tell_place(self._file, listening.url, self._token)
        except OSError as error:
            self.get_logger().error(f"{self._file}: can't be written: {error.strerror}; `rig status` can't tell the console's address")


def _profile(settings: ConsoleParameters) -> Profile:
    try:
        return Profile.model_validate_json(settings.profile)
    except ValidationError as error:
        problem = error.errors(include_input=False)[0]
        raise SettingsError(f"parameter profile: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error


def make_node(name: str) -> ConsoleNode:
    """The node."""
    return ConsoleNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("console"))


if __name__ == "__main__":
    main()
