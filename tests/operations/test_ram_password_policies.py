"""The password policy of an account."""

import pytest

from keystead.crypto import passwords
from tests.harness import Service
from tests.ram import Ram
from tests.signing_in import PASSWORD, People

DEFAULT = {
    "MinimumPasswordLength": 8,
    "RequireLowercaseCharacters": True,
    "RequireUppercaseCharacters": True,
    "RequireNumbers": True,
    "RequireSymbols": True,
    "HardExpiry": False,
    "MaxPasswordAge": 0,
    "PasswordReusePrevention": 0,
    "MaxLoginAttemps": 0,
}
OTHER = {
    "MinimumPasswordLength": 12,
    "RequireLowercaseCharacters": False,
    "RequireUppercaseCharacters": False,
    "RequireNumbers": False,
    "RequireSymbols": False,
    "HardExpiry": True,
    "MaxPasswordAge": 90,
    "PasswordReusePrevention": 3,
    "MaxLoginAttemps": 5,
}


def test_the_policy_is_set_as_a_whole() -> None:
    ram = Ram(Service())
    assert ram.ok("GetPasswordPolicy") == {"PasswordPolicy": DEFAULT}
    given = {name: str(value).lower() for name, value in OTHER.items()}
    assert ram.ok("SetPasswordPolicy", **given) == {"PasswordPolicy": OTHER}
    assert ram.ok("GetPasswordPolicy") == {"PasswordPolicy": OTHER}
    # What is not given is as it was at first.
    assert ram.ok("SetPasswordPolicy", MaxPasswordAge="30") == {
        "PasswordPolicy": DEFAULT | {"MaxPasswordAge": 30}
    }


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("MinimumPasswordLength", 8, 32),
        ("MaxPasswordAge", 0, 1095),
        ("PasswordReusePrevention", 0, 24),
        ("MaxLoginAttemps", 0, 32),
    ],
)
def test_its_limits(name: str, least: int, most: int) -> None:
    ram = Ram(Service())
    for value in (least, most):
        assert ram.ok("SetPasswordPolicy", **{name: str(value)})["PasswordPolicy"][name] == value
    for value in (least - 1, most + 1):
        assert ram.refused("SetPasswordPolicy", **{name: str(value)}) == (400, "InvalidParameter")


def test_accounts_have_rules_of_their_own() -> None:
    service = Service()
    made = service.operate("CreateAccount")[1]["AccessKey"]
    other = Ram(service, (made["AccessKeyId"], made["AccessKeySecret"]))
    other.ok("SetPasswordPolicy", MinimumPasswordLength="20")
    assert Ram(service).ok("GetPasswordPolicy") == {"PasswordPolicy": DEFAULT}


@pytest.mark.parametrize("action", ["UpdateLoginProfile", "GetPasswordPolicy"])
def test_rules_bind_new_passwords_only(action: str) -> None:
    ram = Ram(Service())
    ram.user("alice")
    ram.ok("CreateLoginProfile", UserName="alice", Password="Aa1!aaaa")
    ram.ok("SetPasswordPolicy", MinimumPasswordLength="20")
    parameters = {"UserName": "alice"} if action == "UpdateLoginProfile" else {}
    ram.ok(action, **parameters)
    assert ram.refused("UpdateLoginProfile", UserName="alice", Password="Aa1!aaaa") == (
        400,
        "InvalidParameter.Password.TooWeak",
    )


def test_a_password_that_breaks_the_rules_is_not_compared_with_those_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each comparison takes a sixth of a second of the one thread that all who sign in wait for.
    service = People()
    service.person("alice")
    service.root.ok("SetPasswordPolicy", PasswordReusePrevention="24")
    session = service.sign_in("alice")
    compared: list[str] = []

    def note(password: str) -> bool:
        compared.append(password)
        return False

    monkeypatch.setattr(passwords, "any_matches", lambda hashes, password: note(password))
    asked = {"OldPassword": PASSWORD, "NewPassword": "weak"}
    assert service.ram_by(session, "ChangePassword", **asked) == "InvalidParameter.NewPassword.TooWeak"
    assert compared == []
