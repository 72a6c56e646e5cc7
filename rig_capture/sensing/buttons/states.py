"""Where a machine stands as one thing, and what a press of its button does there. Pure."""

from enum import StrEnum

from rig_capture.sensing.buttons.presses import Press


class MachineState(StrEnum):
    """What the lamp shows."""

    BOOT = "boot"
    """The recorder is not up yet, or looks after interrupted sessions."""
    IDLE = "idle"
    BUSY = "busy"
    """A recording is being started or stopped."""
    RECORDING = "recording"
    WIFI_SETUP = "wifi_setup"
    ERROR = "error"
    """The last session came to harm; another start may be tried."""
    SHUTDOWN = "shutdown"


class Action(StrEnum):
    """What a press leads to, as in rig_capture_msgs/ButtonEvent."""

    NONE = ""
    START = "start_recording"
    STOP = "stop_recording"
    PREVIEW = "preview"
    TRIGGER = "trigger_recording"
    OPEN_WIFI = "open_wifi_setup"
    CLOSE_WIFI = "close_wifi_setup"


_OF_RECORDER = {
    "idle": MachineState.IDLE,
    "starting": MachineState.BUSY,
    "recording": MachineState.RECORDING,
    "stopping": MachineState.BUSY,
    "error": MachineState.ERROR,
}
_READY = (MachineState.IDLE, MachineState.ERROR)


def machine_state(recorder: str, *, wifi_setup: bool) -> MachineState:
    """The machine's state.

    Args:
        recorder: RecorderStatus.state; empty where no recorder is up.
        wifi_setup: whether the hotspot of Wi-Fi set-up is open.
    """
    state = _OF_RECORDER.get(recorder, MachineState.BOOT)
    return MachineState.WIFI_SETUP if wifi_setup and state in (*_READY, MachineState.BOOT) else state


def action_of(press: Press, state: MachineState, double_action: str, long_action: str) -> tuple[Action, str]:
    """What a press does, and, where it does nothing, why.

    Args:
        press: which.
        state: of the machine.
        double_action: as in ButtonsSettings.
        long_action: as in ButtonsSettings.
    """
    if state == MachineState.WIFI_SETUP:
        return Action.CLOSE_WIFI, ""
    if press == Press.SHORT:
        ready = {MachineState.IDLE: Action.START, MachineState.ERROR: Action.START, MachineState.RECORDING: Action.STOP}
        return (ready[state], "") if state in ready else (Action.NONE, f"the machine is in state {state}; press again in a moment")
    setting = double_action if press == Press.DOUBLE else long_action
    wanted = {"preview": Action.PREVIEW, "trigger": Action.TRIGGER, "wifi_setup": Action.OPEN_WIFI}.get(setting, Action.NONE)
    if wanted == Action.NONE:
        return Action.NONE, f"a {press} press does nothing on this machine"
    if state in _READY or (wanted == Action.OPEN_WIFI and state == MachineState.BOOT):
        return wanted, ""
    return Action.NONE, f"{wanted} needs an idle machine, and this one is in state {state}"
