"""Subscriptions that a node's executor does not see: whoever owns them takes their messages himself."""

from rclpy.callback_groups import CallbackGroup


class OutsideExecutor(CallbackGroup):
    """Keeps the node's executor from waiting on subscriptions: their owner waits on them, or looks now and then."""

    def can_execute(self, entity: object) -> bool:
        return False

    def beginning_execution(self, entity: object) -> bool:
        return False

    def ending_execution(self, entity: object) -> None:
        return


def never_called(message: object) -> None:
    """As the callback of such a subscription."""
