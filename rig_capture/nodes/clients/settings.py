"""Settings of running nodes, changed from outside through their parameter services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.parameter import Parameter, parameter_value_to_python

from rig_capture.nodes.clients.calls import call
from rig_capture.nodes.clients.errors import NoAnswer
from rig_capture.nodes.clients.rig import RigClient
from rig_capture.nodes.common.generated import Message, ServiceType

Value = bool | int | float | str | list[str]


class Outcome(StrEnum):
    """What became of a setting."""

    APPLIED = "applied"
    RESTART = "needs a restart"
    REJECTED = "rejected"
    SILENT = "no answer"


@dataclass(frozen=True)
class SettingReport:
    """What became of one setting of one node."""

    node: str
    """Full name; empty: the rig as a whole."""
    setting: str
    """Empty: the node as a whole."""
    value: Value | None
    outcome: Outcome
    reason: str = ""


class SettingsClient(RigClient):
    """A client that also changes settings."""

    def apply(self, node: str, wanted: Mapping[str, Value], timeout_s: float = 10.0) -> list[SettingReport]:
        """Sets those parameters of a node that have other values and may be changed while it runs.

        Args:
            node: its full name.
            wanted: values by name.
            timeout_s: longest wait for each of its answers.

        Returns:
            One report for each parameter that had another value. A node that does not answer is reported, too.
        """
        try:
            return list(self._apply(node, wanted, timeout_s))
        except NoAnswer as error:
            return [SettingReport(node, "", None, Outcome.SILENT, str(error))]

    def _apply(self, node: str, wanted: Mapping[str, Value], timeout_s: float) -> Sequence[SettingReport]:
        now = self._values(node, list(wanted), timeout_s)
        others = [name for name, value in wanted.items() if not _same(now[name], value)]
        if not others:
            return []
        described = self._call(DescribeParameters, f"{node}/describe_parameters", DescribeParameters.Request(names=others), timeout_s)
        live = [name for name, descriptor in zip(others, described.descriptors, strict=True) if not descriptor.read_only]
        request = SetParameters.Request(parameters=[_parameter(name, wanted[name]) for name in live])
        answers = self._call(SetParameters, f"{node}/set_parameters", request, timeout_s).results if live else []
        results = dict(zip(live, answers, strict=True))
        return [_report(node, descriptor, wanted[descriptor.name], results.get(descriptor.name)) for descriptor in described.descriptors]

    def _values(self, node: str, names: list[str], timeout_s: float) -> dict[str, object]:
        service = f"{node}/get_parameters"
        values = self._call(GetParameters, service, GetParameters.Request(names=names), timeout_s).values
        if len(values) == len(names):
            return {name: parameter_value_to_python(value) for name, value in zip(names, values, strict=True)}
        if len(names) == 1:
            return {names[0]: None}  # never set, such as an empty list: one of these and nothing is answered at all
        return {name: value for each in names for name, value in self._values(node, [each], timeout_s).items()}

    def _call(self, kind: ServiceType, name: str, request: Message, timeout_s: float) -> Message:
        client = self._node.create_client(kind, name)
        try:
            hint = "is the node up? (`rig status` tells)"
            return call(client, request, offered_s=timeout_s, answered_s=timeout_s, hint=lambda: hint, log="the node's log")
        finally:
            self._node.destroy_client(client)


def _report(node: str, descriptor: ParameterDescriptor, value: Value, result: SetParametersResult | None) -> SettingReport:
    if result is None:
        return SettingReport(node, descriptor.name, value, Outcome.RESTART, "it is read only while the node runs")
    if not result.successful:
        return SettingReport(node, descriptor.name, value, Outcome.REJECTED, result.reason)
    return SettingReport(node, descriptor.name, value, Outcome.APPLIED)


def _parameter(name: str, value: Value) -> ParameterMessage:
    kind = Parameter.Type.STRING_ARRAY if isinstance(value, list) else None
    return (Parameter(name, kind, value) if kind is not None else Parameter(name, value=value)).to_parameter_msg()


def _same(now: object, wanted: Value) -> bool:
    """A list that was never set is an empty one."""
    return list(now or ()) == wanted if isinstance(wanted, list) else now == wanted  # type: ignore[call-overload]
