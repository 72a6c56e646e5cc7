"""`python -m rig_capture.cli`."""

import sys

from rig_capture.cli import rig

if __name__ == "__main__":
    sys.exit(rig())
