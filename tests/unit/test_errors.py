from keystead.errors import CODES, InvalidParameter, OperatorError


def test_values_fill_the_message() -> None:
    assert InvalidParameter(name="KeyId").text == 'The specified parameter "KeyId" is not valid.'


def test_a_code_has_one_status() -> None:
    assert all(len({kind.status for kind in kinds}) == 1 for kinds in CODES.values())


def test_an_operators_error_has_a_message_and_a_hint() -> None:
    error = OperatorError("it is broken", hint="mend it")
    assert (str(error), error.hint) == ("it is broken", "mend it")
