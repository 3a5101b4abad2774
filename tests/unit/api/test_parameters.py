from keystead.api.parameters import Param, Role, Rule
from keystead.errors import KeyNotFound


def test_what_is_not_told_is_no() -> None:
    plain = Param("String", Rule(lambda _, text: text, "any text"))
    assert plain.parse("Name", "text") == "text"
    assert (plain.limits, plain.role, plain.choices, plain.errors) == ("any text", None, (), ())
    assert (plain.sensitive, plain.empty, plain.binary) == (False, False, False)


def test_what_is_told_is_kept() -> None:
    one = Param("String", Rule(lambda _, text: text, "few", ("a",)), sensitive=True, role=Role.KEY, empty=True, binary=True, errors=(KeyNotFound,))  # fmt: skip
    assert (one.kind, one.limits, one.role, one.choices, one.errors) == ("String", "few", Role.KEY, ("a",), (KeyNotFound,))  # fmt: skip
    assert (one.sensitive, one.empty, one.binary) == (True, True, True)
