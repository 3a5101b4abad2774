from keystead.api.parameters import Param, Role
from keystead.errors import KeyNotFound


def test_what_is_not_told_is_no() -> None:
    plain = Param("String", lambda _, text: text)
    assert plain.parse("Name", "text") == "text"
    assert (plain.limits, plain.role, plain.choices, plain.errors) == ("", None, (), ())
    assert (plain.sensitive, plain.empty, plain.binary) == (False, False, False)


def test_what_is_told_is_kept() -> None:
    one = Param("String", lambda _, text: text, limits="few", sensitive=True, role=Role.KEY, choices=("a",), empty=True, binary=True, errors=(KeyNotFound,))  # fmt: skip
    assert (one.kind, one.limits, one.role, one.choices, one.errors) == ("String", "few", Role.KEY, ("a",), (KeyNotFound,))  # fmt: skip
    assert (one.sensitive, one.empty, one.binary) == (True, True, True)
