"""Where a recorder stands: steps that are allowed, and those that are not."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.recorder.states import State, StateMachine, WrongStep

ALLOWED = {
    ("boot", "idle"),
    ("boot", "error"),
    ("idle", "starting"),
    ("idle", "error"),
    ("starting", "recording"),
    ("starting", "idle"),
    ("starting", "error"),
    ("recording", "stopping"),
    ("stopping", "idle"),
    ("stopping", "error"),
    ("error", "starting"),
    ("error", "idle"),
}

WAY = {
    "boot": [],
    "idle": ["idle"],
    "starting": ["idle", "starting"],
    "recording": ["idle", "starting", "recording"],
    "stopping": ["idle", "starting", "recording", "stopping"],
    "error": ["error"],
}


def machine_in(state: str) -> StateMachine:
    """A machine that has come to a state."""
    machine = StateMachine()
    for step in WAY[state]:
        machine.to(State(step))
    return machine


@pytest.mark.parametrize(("here", "there"), list(itertools.product(State, State)))
def test_only_these_steps_are_allowed(here: State, there: State) -> None:
    machine = machine_in(here)
    if (here.value, there.value) in ALLOWED:
        machine.to(there, "because")
        assert (machine.state, machine.detail) == (there, "because")
    else:
        with pytest.raises(WrongStep, match=f"is {here.value} .* can't become {there.value}"):
            machine.to(there)
        assert machine.state == here


def test_a_start_may_be_tried_when_idle_or_after_an_error() -> None:
    assert {state.value for state in State if machine_in(state).is_free} == {"idle", "error"}


def test_every_change_is_told_and_a_repeated_detail_is_none() -> None:
    told: list[tuple[str, str]] = []
    machine = StateMachine(lambda: told.append((machine.state.value, machine.detail)))
    machine.to(State.IDLE, "ready")
    machine.say("ready")
    machine.say("still ready")
    assert told == [("idle", "ready"), ("idle", "still ready")]


@given(st.lists(st.sampled_from(list(State)), max_size=40))
def test_whatever_is_asked_the_state_is_the_last_one_that_was_allowed(asked: list[State]) -> None:
    machine, here = StateMachine(), State.BOOT
    for there in asked:
        try:
            machine.to(there)
            here = there
        except WrongStep:
            pass
        assert machine.state == here
