import base64

import msgspec
import pytest

from keystead.crypto import blob as blobs
from keystead.crypto import root_key, vault
from keystead.crypto.sealing import Unopenable
from keystead.crypto.signing_secret import Secret
from keystead.crypto.vault import Transport, Vault
from keystead.domain.accounts import AccessKey, AccessKeyStatus
from keystead.domain.keys.key import KeySpec, KeyUsage, KeyVersion, Origin, Wrapped
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError
from tests import harness


def version(vault: Vault, **changes: object) -> KeyVersion:
    plain = KeyVersion(
        account="1",
        region="r",
        key_id="k",
        version_id="86a9efd9-3d16-4894-bd4f-1fc43f3f2abf",
        number=1,
        spec=KeySpec.AES_256,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        origin=Origin.ALIYUN_KMS,
        created=1,
        material=Wrapped(0, b""),
    )
    return vault.make_material(msgspec.structs.replace(plain, **changes))


def test_what_is_sealed_opens_under_the_same_version_and_context_only() -> None:
    one = harness.vault()
    mine = version(one)
    sealed = one.seal(mine, {"a": "b"}, b"hello")
    blob = blobs.parse(sealed.blob)
    assert sealed.version_id == blob.version_id == mine.version_id
    assert one.open(mine, {"a": "b"}, blob) == b"hello"
    with pytest.raises(Unopenable):
        one.open(mine, {}, blob)


@pytest.mark.parametrize("change", [{"account": "2"}, {"key_id": "l"}, {"number": 2}])
def test_a_blob_is_bound_to_its_version(change: dict[str, object]) -> None:
    one = harness.vault()
    mine = version(one)
    blob = blobs.parse(one.seal(mine, {}, b"hello").blob)
    with pytest.raises(Unopenable):  # the material is the same, still in the cache
        one.open(msgspec.structs.replace(mine, **change), {}, blob)


@pytest.mark.parametrize(
    "change",
    [
        {"account": "2"},
        {"region": "s"},
        {"key_id": "l"},
        {"version_id": "x"},
        {"number": 2},
        {"spec": "Aliyun_SM4"},
        {"usage": "SIGN/VERIFY"},
        {"origin": "EXTERNAL"},
    ],
)
def test_wrapped_material_is_bound_to_its_row(change: dict[str, object]) -> None:
    one = harness.vault()
    moved = msgspec.structs.replace(version(one), **change)
    one.forget([moved.version_id])
    with pytest.raises(OperatorError, match="does not open"):
        one.seal(moved, {}, b"x")


def test_material_of_an_unknown_generation_does_not_open() -> None:
    one = harness.vault()
    mine = version(one)
    stray = msgspec.structs.replace(mine, material=Wrapped(9, mine.material.blob))
    with pytest.raises(OperatorError):
        one.seal(stray, {}, b"x")


def test_wrapping_keys_are_loaded_by_generation() -> None:
    entropy = SeededEntropy()
    root = root_key.ephemeral(entropy)
    first = Vault(root, entropy)
    rows = [first.make_wrapping_key(1)]
    old = version(first)
    rows.append(first.make_wrapping_key(2))
    new = version(first, version_id="96a9efd9-3d16-4894-bd4f-1fc43f3f2abf")
    assert (old.material.generation, new.material.generation) == (1, 2)
    second = Vault(root, entropy)
    second.load(rows)
    for one in (old, new):
        blob = blobs.parse(first.seal(one, {}, b"x").blob)
        assert second.open(one, {}, blob) == b"x"


def test_another_root_key_is_named() -> None:
    entropy = SeededEntropy()
    row = Vault(root_key.ephemeral(entropy), entropy).make_wrapping_key(1)
    with pytest.raises(OperatorError, match="this data was sealed under another root key"):
        Vault(root_key.ephemeral(entropy), entropy).load([row])


def test_a_damaged_wrapping_key_is_named() -> None:
    entropy = SeededEntropy()
    root = root_key.ephemeral(entropy)
    row = Vault(root, entropy).make_wrapping_key(1)
    with pytest.raises(OperatorError, match="wrapping key 1 does not open"):
        Vault(root, entropy).load([msgspec.structs.replace(row, blob=row.blob[:-1])])


def access_key(one: Vault, name: str = "LTAI1", account: str = "1") -> tuple[str, AccessKey]:
    secret, wrapped = one.make_secret(account, name)
    return secret, AccessKey(
        access_key_id=name, account=account, status=AccessKeyStatus.ACTIVE, created=1, secret=wrapped
    )


def test_a_secret_is_30_letters_and_digits_and_comes_back() -> None:
    one = harness.vault()
    text, row = access_key(one)
    assert len(text) == 30
    assert text.isalnum()
    found = one.secret(row)
    assert found.hmac("sha1", b"x") == Secret(text.encode()).hmac("sha1", b"x")
    assert one.secret(row) is found


def test_a_secret_is_bound_to_its_row() -> None:
    one = harness.vault()
    _, row = access_key(one)
    for change in ({"account": "2"}, {"access_key_id": "LTAI2"}):
        with pytest.raises(OperatorError):
            one.secret(msgspec.structs.replace(row, **change))


def test_a_replaced_secret_is_unwrapped_anew() -> None:
    one = harness.vault()
    _, first = access_key(one)
    before = one.secret(first)
    _, second = access_key(one)
    assert one.secret(second) is not before


def test_a_private_key_is_bound_to_its_purpose() -> None:
    one = harness.vault()
    wrapped = one.wrap_private_key("authority", b"pem")
    assert one.unwrap_private_key("authority", wrapped) == b"pem"
    with pytest.raises(OperatorError):
        one.unwrap_private_key("other", wrapped)


def test_the_cache_is_bounded_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_CACHED", 2)
    one = harness.vault()
    versions = [
        version(one, version_id=f"{number}6a9efd9-3d16-4894-bd4f-1fc43f3f2abf") for number in range(4)
    ]
    blob = [blobs.parse(one.seal(row, {}, b"x").blob) for row in versions]
    assert len(one._material) == 2
    assert [one.open(row, {}, each) for row, each in zip(versions, blob, strict=True)] == [b"x"] * 4
    one.forget([row.version_id for row in versions])
    assert not one._material


def test_a_wrapped_value_does_not_move_to_another_kind_of_row() -> None:
    one = harness.vault()
    mine = version(one)
    _, row = access_key(one)
    one.forget([mine.version_id])
    with pytest.raises(OperatorError):
        one.seal(msgspec.structs.replace(mine, material=row.secret), {}, b"x")
    with pytest.raises(OperatorError):
        one.secret(msgspec.structs.replace(row, secret=mine.material))
    with pytest.raises(OperatorError):
        one.unwrap_private_key("authority", mine.material)


def test_material_stays_bound_after_its_owner_used_it() -> None:
    """The cache of unwrapped material is by version id: an id never belongs to two rows."""
    one = harness.vault()
    first = version(one)
    other = version(one, version_id="96a9efd9-3d16-4894-bd4f-1fc43f3f2abf")
    blob = blobs.parse(one.seal(first, {}, b"x").blob)
    moved = blob._replace(version_id=other.version_id)
    for each in (blob, moved):
        with pytest.raises(Unopenable):
            one.open(other, {}, each)


def test_a_data_key_is_the_text_that_its_blob_opens_to() -> None:
    one = harness.vault()
    mine = version(one)
    text, sealed = one.make_data_key(mine, {"a": "b"}, 16)
    assert len(base64.b64decode(text, validate=True)) == 16
    assert one.open(mine, {"a": "b"}, blobs.parse(sealed.blob)).decode() == text


def test_a_key_pair_is_made_at_once_where_nothing_waits() -> None:
    made = version(harness.vault(), spec=KeySpec.EC_P256)
    assert made.material.blob


def test_what_a_token_holds_shows_nothing() -> None:
    assert repr(Transport(KeySpec.RSA_2048, "a", 1, b"secret")) == "<Transport>"
