import pytest

from keystead.domain.sign_in import LoginProfile, MfaDevice, PasswordPolicy, Wrapped, address_group

ACCOUNT = "1000000000000001"
DAY = 86_400


def profile(**more: str) -> LoginProfile:
    return LoginProfile(account=ACCOUNT, user_id="2", password="$c", created=0, changed=10, **more)


@pytest.mark.parametrize(
    ("source", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("unix:1000", "unix:1000"),
        ("", ""),
    ],
)
def test_one_machine_counts_as_one_address(source: str, group: str) -> None:
    assert address_group(source) == group


def test_rules_that_ask_for_nothing_but_length() -> None:
    lax = PasswordPolicy(account=ACCOUNT, lowercase=False, uppercase=False, numbers=False, symbols=False)
    assert lax.lacks("aaaaaaaa") == lax.lacks("11111111") == ""
    assert lax.lacks("1111111") == "8 characters"


def test_a_password_expires_by_the_day() -> None:
    never, daily = PasswordPolicy(account=ACCOUNT), PasswordPolicy(account=ACCOUNT, max_age=1)
    assert not profile().expired(never, 10**9)
    assert not profile().expired(daily, 9 + DAY)
    assert profile().expired(daily, 10 + DAY)


def test_as_many_hashes_are_kept_as_the_rules_say() -> None:
    two = PasswordPolicy(account=ACCOUNT, reuse=2)
    found = profile(past="$b\n$a")
    assert found.hashes(two) == ("$c", "$b")
    assert found.hashes(PasswordPolicy(account=ACCOUNT)) == ()
    changed = found.with_password("$d", two, 20)
    assert (changed.password, changed.past, changed.changed) == ("$d", "$c\n$b", 20)
    assert changed.with_password("$e", PasswordPolicy(account=ACCOUNT), 30).past == ""


def test_a_devices_seed_is_wrapped() -> None:
    device = MfaDevice(account=ACCOUNT, name="a", generation=3, seed=b"s")
    assert device.wrapped == Wrapped(3, b"s")
