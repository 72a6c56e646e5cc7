"""The node `buttons` on gpiozero's mock pins: standard input presses them, and asks what they are.

Lines: ``down GPIO17``, ``up GPIO17``, ``is GPIO27`` (answered with 0 or 1 on standard output).
"""

import sys
import threading

from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from rig_capture.nodes.buttons import main


def play(factory: MockFactory) -> None:
    for line in sys.stdin:
        what, name = line.split()
        pin = factory.pin(name)
        if what == "is":
            sys.stdout.write(f"{int(pin.state)}\n")
            sys.stdout.flush()
        else:
            {"down": pin.drive_low, "up": pin.drive_high}[what]()


if __name__ == "__main__":
    Device.pin_factory = MockFactory()
    threading.Thread(target=play, args=(Device.pin_factory,), daemon=True).start()
    sys.exit(main())
