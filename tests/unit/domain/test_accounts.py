from keystead.domain.accounts import AccessKey, AccessKeyStatus, Account, WrappingKey
from keystead.domain.keys.key import Wrapped


def test_values_are_compared_by_what_they_say() -> None:
    assert Account(account_id="1", created=1) == Account(account_id="1", created=1)
    one = AccessKey(
        access_key_id="a", account="1", status=AccessKeyStatus.ACTIVE, created=1, secret=Wrapped(1, b"")
    )
    assert one.status == "Active"
    assert WrappingKey(generation=1, root_fingerprint="f", blob=b"", created=1).generation == 1
