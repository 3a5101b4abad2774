"""Login profiles, by their owner and by who manages the users."""

import pytest

from keystead.crypto import passwords
from keystead.domain.sign_in import PASSWORD_CHARACTERS, LoginProfile
from tests.harness import Service
from tests.ram import Ram, allow
from tests.signing_in import OTHER, PASSWORD, People

SHOWN = {
    "UserName": "alice",
    "PasswordResetRequired": False,
    "MFABindRequired": False,
    "CreateDate": "2026-01-02T03:04:05Z",
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost nothing, where it is not about them."""
    monkeypatch.setattr(passwords, "make", lambda entropy, password: f"hash-of-{password}")
    monkeypatch.setattr(passwords, "matches", lambda encoded, password: encoded == f"hash-of-{password}")


@pytest.mark.usefixtures("quick")
def test_a_login_profile_is_made_shown_changed_and_deleted() -> None:
    ram = Ram(Service())
    ram.user("alice")
    named = {"UserName": "alice"}
    assert ram.refused("GetLoginProfile", **named) == (404, "EntityNotExist.User.LoginProfile")
    assert ram.ok("CreateLoginProfile", **named, Password=PASSWORD) == {"LoginProfile": SHOWN}
    assert ram.refused("CreateLoginProfile", **named, Password=PASSWORD) == (
        409,
        "EntityAlreadyExists.User.LoginProfile",
    )
    assert ram.ok("GetLoginProfile", **named) == {"LoginProfile": SHOWN}
    assert ram.ok("UpdateLoginProfile", **named, PasswordResetRequired="true") == {}
    assert ram.ok("UpdateLoginProfile", **named, MFABindRequired="true") == {}
    both = SHOWN | {"PasswordResetRequired": True, "MFABindRequired": True}
    assert ram.ok("GetLoginProfile", **named) == {"LoginProfile": both}
    ram.ok("UpdateLoginProfile", **named, MFABindRequired="false", Password=OTHER)
    # Another password is no reason to forget that it has to be changed.
    assert ram.ok("GetLoginProfile", **named)["LoginProfile"] == SHOWN | {"PasswordResetRequired": True}
    assert ram.ok("DeleteLoginProfile", **named) == {}
    for action in ("GetLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile"):
        assert ram.refused(action, **named) == (404, "EntityNotExist.User.LoginProfile")


@pytest.mark.parametrize(
    "action", ["CreateLoginProfile", "GetLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile"]
)
def test_of_a_user_who_is_not_there(action: str) -> None:
    more = {"Password": PASSWORD} if action == "CreateLoginProfile" else {}
    assert Ram(Service()).refused(action, UserName="nobody", **more) == (404, "EntityNotExist.User")


@pytest.mark.usefixtures("quick")
def test_the_longest_password() -> None:
    ram = Ram(Service())
    ram.user("alice")
    password = f"Aa1!{'x' * (PASSWORD_CHARACTERS - 4)}"
    assert ram.refused("CreateLoginProfile", UserName="alice", Password=f"{password}x") == (
        400,
        "InvalidParameter",
    )
    for control in ("\n", "\x00", "\x7f"):
        named = {"UserName": "alice", "Password": PASSWORD + control}
        assert ram.refused("CreateLoginProfile", **named) == (400, "InvalidParameter")
    ram.ok("CreateLoginProfile", UserName="alice", Password=password)


def test_a_password_is_kept_as_its_hash_and_recorded_nowhere() -> None:
    service = People()
    service.person("alice")
    service.root.refused("CreateLoginProfile", UserName="alice", Password="x")
    Ram(service, service.root.access_key_of("alice")).call(
        "ChangePassword", OldPassword=PASSWORD, NewPassword=OTHER
    )
    (profile,) = service.store.identities.all(LoginProfile, service.account)
    assert profile.password.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    told = str(service.records) + str(profile)
    assert PASSWORD not in told
    assert OTHER not in told


def test_a_user_is_not_deleted_with_a_login_profile() -> None:
    service = People()
    service.root.ok("CreateUser", UserName="alice")
    service.root.ok("CreateLoginProfile", UserName="alice", Password=PASSWORD)
    service.sign_in("alice")
    assert service.root.refused("DeleteUser", UserName="alice") == (409, "DeleteConflict.User.LoginProfile")
    service.root.ok("DeleteLoginProfile", UserName="alice")
    service.root.ok("DeleteUser", UserName="alice")


# --- ChangePassword


def test_one_changes_ones_own_password_and_ones_other_sessions_end() -> None:
    service = People()
    service.person("alice")
    token, other = service.sign_in("alice"), service.sign_in("alice")
    assert service.ram_by(token, "ChangePassword", OldPassword=PASSWORD, NewPassword=OTHER) == ""
    assert service.over(other)
    assert not service.over(token)
    assert service.try_to_sign_in("alice") == "SignInRefused"
    service.sign_in("alice", OTHER)


@pytest.mark.usefixtures("quick")
def test_who_changes_a_password_with_an_access_key_needs_a_policy_and_ends_all_sessions() -> None:
    service = People()
    service.person("alice")
    token = service.sign_in("alice")
    pair = service.root.access_key_of("alice")
    asked = {"OldPassword": PASSWORD, "NewPassword": OTHER}
    assert Ram(service, pair).refused("ChangePassword", **asked) == (403, "NoPermission")
    service.person("bob", allow("ram:ChangePassword"))
    bob = service.sign_in("bob")
    Ram(service, service.root.access_key_of("bob")).ok("ChangePassword", **asked)
    assert service.over(bob)
    assert not service.over(token)


@pytest.mark.usefixtures("quick")
def test_only_users_have_a_password() -> None:
    service = People()
    asked = {"OldPassword": PASSWORD, "NewPassword": OTHER}
    assert service.root.refused("ChangePassword", **asked) == (400, "NotSupport.Account")
    assert service.ram_by(service.owner(), "ChangePassword", **asked) == "NotSupport.Account"
    pair = service.root.user("machine", allow("ram:*"))
    refused = (404, "EntityNotExist.User.LoginProfile")
    assert Ram(service, pair).refused("ChangePassword", **asked) == refused


@pytest.mark.usefixtures("quick")
def test_a_wrong_old_password_is_refused_and_counted() -> None:
    service = People()
    service.person("alice")
    token = service.sign_in("alice")
    service.root.ok("SetPasswordPolicy", MaxLoginAttemps="2")
    for expected in ("InvalidParameter.OldPassword.Incorrect",) * 2 + ("TooManyAttempts",):
        assert service.ram_by(token, "ChangePassword", OldPassword="wrong", NewPassword=OTHER) == expected
    assert (
        service.ram_by(token, "ChangePassword", OldPassword=PASSWORD, NewPassword=OTHER) == "TooManyAttempts"
    )
    # It is the same count as that of signing in from there.
    assert service.try_to_sign_in("alice") == "TooManyAttempts"
    service.clock.advance(3600)
    token = service.sign_in("alice")
    assert service.ram_by(token, "ChangePassword", OldPassword=PASSWORD, NewPassword=OTHER) == ""


# --- the rules


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("password", "lacks"),
    [
        ("Aa1!aaa", "8 characters"),
        ("AA1!AAAA", "a lower-case letter"),
        ("aa1!aaaa", "an upper-case letter"),
        ("Aaa!aaaa", "a digit"),
        ("Aa1aaaaa", "a symbol"),
        ("密", "8 characters, a lower-case letter, an upper-case letter, a digit, a symbol"),
        ("Aa1!aaaa", ""),
        ("Aa1 密密密密密", ""),
    ],
)
def test_passwords_comply_with_the_rules(password: str, lacks: str) -> None:
    service = People()
    service.person("alice")
    service.root.user("bob")
    token = service.sign_in("alice")
    expected = f" It lacks: {lacks}."
    for action, name, parameters in (
        ("CreateLoginProfile", "Password", {"UserName": "bob", "Password": password}),
        ("UpdateLoginProfile", "Password", {"UserName": "alice", "Password": password}),
    ):
        status, members = service.root.call(action, **parameters)
        assert status == (400 if lacks else 200)
        if lacks:
            assert members["Code"] == f"InvalidParameter.{name}.TooWeak"
            assert members["Message"].endswith(expected)
    code = service.ram_by(token, "ChangePassword", OldPassword=PASSWORD, NewPassword=password)
    # Who manages the users has just set that one, which ended the session.
    assert code == ("InvalidParameter.NewPassword.TooWeak" if lacks else "SessionExpired")


@pytest.mark.usefixtures("quick")
def test_passwords_do_not_come_again() -> None:
    service = People()
    service.person("alice")
    service.root.ok("SetPasswordPolicy", PasswordReusePrevention="2")

    def change(old: str, new: str) -> str:
        return service.ram_by(
            service.sign_in("alice", old), "ChangePassword", OldPassword=old, NewPassword=new
        )

    refused = "InvalidParameter.NewPassword.ReusePrevention"
    first, second, third = PASSWORD, OTHER, "Third-one-3"
    assert change(first, first) == refused
    assert change(first, second) == ""
    assert change(second, first) == refused
    by_others = service.root.refused("UpdateLoginProfile", UserName="alice", Password=first)
    assert by_others == (400, "InvalidParameter.Password.ReusePrevention")
    assert change(second, third) == ""
    assert change(third, second) == refused
    assert change(third, first) == ""
    service.root.ok("SetPasswordPolicy", PasswordReusePrevention="0")
    assert change(first, first) == refused  # a change is one to something else
    service.root.ok("UpdateLoginProfile", UserName="alice", Password=first)
    assert change(first, second) == ""
    (profile,) = service.store.identities.all(LoginProfile, service.account)
    assert profile.past == ""  # no more is kept than the rules ask for
