"""The life of a key: which operation is admitted in which state, and where an event leads.

Rule 1: nothing outside this file compares or assigns a KeyState.
Rule 2: a pair that is not listed is an error.

Source: the vendor's page "Impact of CMK states on API call"; CancelKeyDeletion returns a key to Enabled (its own page).
"""

import enum

from keystead.errors import (
    KeyDisabled,
    KeyPendingDeletion,
    KeyPendingImport,
    KmsError,
    StateModifiedFailed,
)


class KeyState(enum.StrEnum):
    """The state of a key, spelled as on the wire."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_IMPORT = "PendingImport"


class Event(enum.Enum):
    """What can happen to a key."""

    ENABLE = "enable"
    DISABLE = "disable"
    SCHEDULE_DELETION = "schedule deletion"
    CANCEL_DELETION = "cancel deletion"
    IMPORT = "import material"
    REMOVE_MATERIAL = "remove material"


class Gate(enum.StrEnum):
    """A row of the vendor's state table; an operation names the one it follows."""

    ANY = "any"
    USE = "use"
    EDIT = "edit"
    MODIFY = "modify"
    TOGGLE = "toggle"
    CANCEL = "cancel"


type_of_refusal = type[KmsError] | None

# fmt: off
GATES: dict[Gate, tuple[type_of_refusal, type_of_refusal, type_of_refusal, type_of_refusal]] = {
    #             Enabled              Disabled             PendingDeletion      PendingImport
    Gate.ANY:    (None,                None,                None,                None),
    Gate.USE:    (None,                KeyDisabled,         KeyPendingDeletion,  KeyPendingImport),
    Gate.EDIT:   (None,                None,                KeyPendingDeletion,  None),
    Gate.MODIFY: (None,                None,                StateModifiedFailed, None),
    Gate.TOGGLE: (None,                None,                StateModifiedFailed, StateModifiedFailed),
    Gate.CANCEL: (StateModifiedFailed, StateModifiedFailed, None,                StateModifiedFailed),
}

E, D, PD, PI = KeyState  # the columns above
TRANSITIONS: dict[KeyState, dict[Event, KeyState]] = {
    E:  {Event.ENABLE: E, Event.DISABLE: D, Event.SCHEDULE_DELETION: PD, Event.IMPORT: E, Event.REMOVE_MATERIAL: PI},
    D:  {Event.ENABLE: E, Event.DISABLE: D, Event.SCHEDULE_DELETION: PD, Event.IMPORT: D, Event.REMOVE_MATERIAL: PI},
    PD: {Event.CANCEL_DELETION: E, Event.REMOVE_MATERIAL: PD},
    PI: {Event.SCHEDULE_DELETION: PD, Event.IMPORT: E, Event.REMOVE_MATERIAL: PI},
}
# fmt: on

INITIAL = KeyState.ENABLED
DOOMED = KeyState.PENDING_DELETION
_COLUMN = {state: column for column, state in enumerate(KeyState)}


def is_open(gate: Gate, state: KeyState) -> bool:
    """Whether the gate is open in this state."""
    return GATES[gate][_COLUMN[state]] is None


def admit(gate: Gate, state: KeyState) -> None:
    """Return if the gate is open in this state, else raise the refusal that the vendor's table names."""
    refusal = GATES[gate][_COLUMN[state]]
    if refusal is not None:
        raise refusal


def advance(state: KeyState, event: Event) -> KeyState:
    """The state after the event; StateModifiedFailed where the table lists none."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise StateModifiedFailed from None
