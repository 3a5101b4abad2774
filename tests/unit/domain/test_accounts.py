import pytest

from keystead.domain.accounts import AccessKey, AccessKeyStatus, Account, WrappingKey, claimed_id
from keystead.domain.keys.key import Wrapped


def test_values_are_compared_by_what_they_say() -> None:
    assert Account(account_id="1", created=1) == Account(account_id="1", created=1)
    one = AccessKey(
        access_key_id="a", account="1", status=AccessKeyStatus.ACTIVE, created=1, secret=Wrapped(1, b"")
    )
    assert one.status == "Active"
    assert WrappingKey(generation=1, root_fingerprint="f", blob=b"", created=1).generation == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "none"),
        ("LTAI" + "0A" * 10, True),  # ours
        ("LTAI5t" + "aB3" * 6, True),  # the vendor's
        ("LTAI" + "x" * 12, True),  # the vendor's older ones
        ("LTAI" + "x" * 11, False),
        ("LTAI" + "x" * 24, True),
        ("LTAI" + "x" * 25, False),
        ("LTAI" + "x" * 26, False),  # as long as a secret
        ("aB3" * 10, False),  # a secret
        ("STS." + "a" * 16, True),
        ("STS." + "a" * 15, False),
        ("STS." + "a" * 40, True),
        ("STS." + "a" * 41, False),
        ("ltai" + "x" * 16, False),
        ("LTAI" + "x" * 16 + "\n", False),
        ("LTAI" + "x" * 15 + "é", False),
        (" LTAI" + "x" * 16, False),
        ("LTAI" + "x" * 16 + ":" + "aB3" * 10, False),
    ],
)
def test_only_what_can_be_no_secret_is_shown_of_an_id_that_nobody_knows(text: str, shown: bool | str) -> None:
    expected = {True: text, False: "malformed"}[shown] if isinstance(shown, bool) else shown
    assert claimed_id(text) == expected


@pytest.mark.parametrize(("expires", "now", "gone"), [(0, 10**12, False), (10, 9.9, False), (10, 10, True)])
def test_a_temporary_access_key_is_gone_when_its_time_is_over(expires: int, now: float, gone: bool) -> None:
    made = AccessKey(
        access_key_id="a",
        account="1",
        status=AccessKeyStatus.ACTIVE,
        created=0,
        secret=Wrapped(1, b""),
        expires=expires,
    )
    assert made.gone(now) is gone
