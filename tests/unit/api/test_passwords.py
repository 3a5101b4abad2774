import pytest

from keystead.api.operation import CATALOGUE
from keystead.api.passwords import shown
from keystead.domain.products import RAM
from keystead.domain.sign_in import PasswordPolicy
from keystead.errors import InvalidParameter
from keystead.operations.ram.login_profiles import ChangePasswordRequest


def test_the_rules_are_shown_by_the_vendors_names() -> None:
    policy = PasswordPolicy(
        account="1", min_length=9, lowercase=False, hard_expiry=True, max_age=1, reuse=2, max_attempts=3
    )
    found = shown(policy)
    assert (found.minimum_password_length, found.require_lowercase_characters, found.require_numbers) == (
        9,
        False,
        True,
    )
    assert (found.hard_expiry, found.max_password_age) == (True, 1)
    assert (found.password_reuse_prevention, found.max_login_attemps) == (2, 3)


@pytest.mark.parametrize(("text", "fits"), [("x" * 128, True), ("x" * 129, False), ("a b\u3000密😀", True), ("a\tb", False),
                                            ("a\n", False), ("\x9f", False), ("\ud800", False)])  # fmt: skip
def test_a_password_is_what_people_can_type(text: str, fits: bool) -> None:
    operation = CATALOGUE.find(RAM.version, "ChangePassword")
    assert operation is not None
    assert operation.request is ChangePasswordRequest
    param = operation.fields[0].param
    assert param.sensitive
    if fits:
        assert param.parse("OldPassword", text) == text
    else:
        with pytest.raises(InvalidParameter):
            param.parse("OldPassword", text)
