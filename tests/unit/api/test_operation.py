import pytest

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE, Call, KeyCall, key_operation, operation
from keystead.api.wire_types import Boolean, Empty, KeyRef, Request
from keystead.domain.keys.lifecycle import Gate
from keystead.domain.products import KMS


class NoKey(Request, frozen=True):
    pass


class Untyped(Request, frozen=True):
    name: str


class Switches(Request, frozen=True):
    on: Boolean = True
    off: Boolean = False


class OneKey(Request, frozen=True):
    key_id: KeyRef


def test_an_action_is_declared_once() -> None:
    def encrypt(call: KeyCall, request: OneKey) -> Empty:
        return Empty()

    with pytest.raises(ValueError, match="declared twice"):
        key_operation(gate=Gate.ANY)(encrypt)


def test_a_key_operation_names_a_key() -> None:
    def nonsense(call: KeyCall, request: NoKey) -> Empty:
        return Empty()

    with pytest.raises(TypeError, match="names a key"):
        key_operation(gate=Gate.ANY)(nonsense)


def test_every_field_has_a_wire_type() -> None:
    def nonsense(call: Call, request: Untyped) -> Empty:
        return Empty()

    with pytest.raises(TypeError, match="wire type"):
        operation()(nonsense)


def test_a_throw_away_operation_is_found_and_gone() -> None:
    @operation()
    def count_sheep(call: Call, request: NoKey) -> Empty:
        """Count sheep."""
        return Empty()

    found = CATALOGUE.find(KMS.version, "CountSheep")
    assert found is not None
    assert (found.summary, found.function) == ("Count sheep.", count_sheep)
    CATALOGUE.remove(found)
    assert CATALOGUE.find(KMS.version, "CountSheep") is None


def test_a_default_is_told_as_it_is_written_on_the_wire() -> None:
    @operation()
    def flip(call: Call, request: Switches) -> Empty:
        """Flip."""
        return Empty()

    found = CATALOGUE.find(KMS.version, "Flip")
    assert found is not None
    CATALOGUE.remove(found)
    assert [(one.name, one.default) for one in found.fields] == [("On", "true"), ("Off", "")]
