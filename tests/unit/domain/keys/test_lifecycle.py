import pytest

from keystead.domain.keys.lifecycle import GATES, TRANSITIONS, Event, Gate, KeyState, admit, advance
from keystead.errors import KmsError, StateModifiedFailed

GATE_OF = {
    Event.ENABLE: Gate.TOGGLE,
    Event.DISABLE: Gate.TOGGLE,
    Event.SCHEDULE_DELETION: Gate.MODIFY,
    Event.CANCEL_DELETION: Gate.CANCEL,
    Event.IMPORT: Gate.MODIFY,
    Event.REMOVE_MATERIAL: Gate.ANY,
}


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("state", list(KeyState))
def test_a_gate_is_open_just_where_a_transition_is_listed(event: Event, state: KeyState) -> None:
    try:
        admit(GATE_OF[event], state)
    except KmsError:
        with pytest.raises(StateModifiedFailed):
            advance(state, event)
    else:
        assert advance(state, event) in KeyState


def test_the_tables_have_a_row_and_a_column_for_everything() -> None:
    assert set(GATES) == set(Gate)
    assert set(TRANSITIONS) == set(KeyState)
    assert all(len(row) == len(KeyState) for row in GATES.values())


def test_a_cancelled_deletion_enables_the_key() -> None:
    assert advance(KeyState.PENDING_DELETION, Event.CANCEL_DELETION) is KeyState.ENABLED
