"""What tests of health share."""

from rig_capture.health.events import Event, Severity


def problem(
    number: int = 0, *, code: str = "device_lost", recovered: bool = False, stamp_ns: int | None = None, node: str = "/imu"
) -> Event:
    """An event of a device by number."""
    return Event(
        stamp_ns=1_700_000_000_000_000_000 + number * 1_000_000_000 + recovered if stamp_ns is None else stamp_ns,
        node=node,
        family="device",
        code=code,
        subject=f"imu{number}",
        severity=Severity.INFO if recovered else Severity.ERROR,
        message="back" if recovered else "lost; look at its cable",
        recovered=recovered,
        evidence={"losses": number},
    )
