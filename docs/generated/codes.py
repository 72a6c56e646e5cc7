"""Tables of codes: of health events, and of how commands end."""

import re

from rig_capture.cli import exits
from rig_capture.health.catalogue import CODES
from rig_capture.health.events import Severity


def health_codes() -> str:
    """All health codes, by family."""
    rows = []
    for code in CODES.values():
        kind = "problem" if code.lasts else "incident"
        rows.append(f"| `{code.name}` | {code.family.value} | {Severity(code.severity).name.lower()} | {kind} | {code.meaning} |")
    return "\n".join(["| code | family | severity | | meaning |", "|---|---|---|---|---|", *rows])


def exit_codes() -> str:
    """All exit codes of the command; the table stands in the docstring of the module that has them."""
    return "\n".join(re.findall(r"^\|.*\|$", exits.__doc__ or "", re.MULTILINE))
