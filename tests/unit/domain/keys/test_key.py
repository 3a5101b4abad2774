import pytest

from keystead.domain.keys.key import Key, KeySpec, KeyUsage, Origin, ProtectionLevel
from keystead.domain.keys.lifecycle import Event, KeyState
from keystead.errors import StateModifiedFailed


def key(state: KeyState = KeyState.ENABLED) -> Key:
    return Key(
        account="1",
        region="r",
        key_id="k",
        spec=KeySpec.AES_256,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        origin=Origin.ALIYUN_KMS,
        protection=ProtectionLevel.SOFTWARE,
        state=state,
        description="",
        created=1,
        primary_version="v",
        rotated=1,
    )


def test_a_scheduled_key_is_doomed_until_that_is_cancelled() -> None:
    doomed = key().scheduled(99)
    assert doomed.doomed
    assert doomed.deletion_at == 99
    saved = doomed.after(Event.CANCEL_DELETION)
    assert not saved.doomed
    assert saved.deletion_at is None


def test_a_doomed_key_is_not_disabled() -> None:
    with pytest.raises(StateModifiedFailed):
        key(KeyState.PENDING_DELETION).after(Event.DISABLE)
