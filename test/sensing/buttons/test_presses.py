"""Which presses a button's changes make."""

from hypothesis import given
from hypothesis import strategies as st

from rig_capture.sensing.buttons.presses import Press, PressRecogniser, Recognised
from rig_capture.sensing.buttons.states import Action, MachineState, action_of, machine_state

LONG_S, DOUBLE_S = 5.0, 0.5
SECONDS = st.floats(0.001, 12.0).filter(lambda value: min(abs(value - LONG_S), abs(value - DOUBLE_S)) > 0.01)


def told_by(holds_and_rests: list[tuple[float, float]], *, double: bool = True) -> list[Press]:
    """Presses with the given seconds held and not held; a clock that ticks exactly when it is asked to."""
    recogniser = PressRecogniser(LONG_S, DOUBLE_S)
    told: list[Recognised | None] = []
    now = 100.0

    def pass_time(seconds: float) -> None:
        nonlocal now
        end = now + seconds
        while recogniser.deadline is not None and recogniser.deadline <= end:
            now = recogniser.deadline
            told.append(recogniser.tick(now))
        now = end

    for held, rest in holds_and_rests:
        told.append(recogniser.down(now))
        pass_time(held)
        told.append(recogniser.up(now, double=double))
        pass_time(rest)
    pass_time(60.0)
    return [each.press for each in told if each is not None]


def expected(holds_and_rests: list[tuple[float, float]], *, double: bool = True) -> list[Press]:
    """The rules in words: long where held long; two with a short rest between are one double; else short."""
    presses: list[Press] = []
    index = 0
    while index < len(holds_and_rests):
        held, rest = holds_and_rests[index]
        if held >= LONG_S:
            presses.append(Press.LONG)
        elif double and rest < DOUBLE_S and index + 1 < len(holds_and_rests):
            presses.append(Press.DOUBLE)
            index += 1
        else:
            presses.append(Press.SHORT)
        index += 1
    return presses


@given(st.lists(st.tuples(SECONDS, SECONDS), max_size=12), st.booleans())
def test_each_press_is_told_once_and_as_what_it_is(holds_and_rests: list[tuple[float, float]], double: bool) -> None:
    assert told_by(holds_and_rests, double=double) == expected(holds_and_rests, double=double)


@given(st.lists(st.tuples(st.sampled_from(["down", "up", "tick"]), st.floats(0, 10)), max_size=40))
def test_any_order_of_changes_ends_at_rest(changes: list[tuple[str, float]]) -> None:
    recogniser = PressRecogniser(LONG_S, DOUBLE_S)
    now = 0.0
    for change, seconds in changes:
        now += seconds
        getattr(recogniser, change)(now)
    recogniser.up(now)
    recogniser.tick(now + DOUBLE_S)
    assert recogniser.deadline is None
    assert recogniser.down(now + 100) is None
    assert recogniser.up(now + 100.1, double=False) is not None


def test_a_long_press_counts_while_it_is_held_and_a_late_clock_changes_nothing() -> None:
    recogniser = PressRecogniser(LONG_S, DOUBLE_S)
    recogniser.down(0.0)
    assert recogniser.tick(4.99) is None
    assert recogniser.tick(5.0) == Recognised(Press.LONG, LONG_S)
    assert recogniser.up(7.0) is None
    recogniser.down(10.0)
    assert recogniser.up(16.0) == Recognised(Press.LONG, LONG_S)


@given(st.sampled_from(list(Press)), st.sampled_from(["", "boot", "idle", "starting", "recording", "stopping", "error"]), st.booleans())
def test_a_press_does_something_or_says_why_not(press: Press, recorder: str, wifi_setup: bool) -> None:
    state = machine_state(recorder, wifi_setup=wifi_setup)
    action, why = action_of(press, state, "preview", "wifi_setup")
    assert (action == Action.NONE) == bool(why)
    if state == MachineState.RECORDING:
        assert action == (Action.STOP if press == Press.SHORT else Action.NONE)
    if state == MachineState.WIFI_SETUP:
        assert action == Action.CLOSE_WIFI


def test_what_presses_do_while_idle() -> None:
    def done(press: Press, double: str = "preview", long: str = "wifi_setup") -> Action:
        return action_of(press, MachineState.IDLE, double, long)[0]

    assert [done(press) for press in Press] == [Action.START, Action.PREVIEW, Action.OPEN_WIFI]
    assert done(Press.DOUBLE, double="trigger") == Action.TRIGGER
    assert done(Press.LONG, long="none") == Action.NONE
