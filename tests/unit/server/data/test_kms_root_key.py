"""A root key under a key of a second Keystead, and every way in which that one refuses."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keystead.clock import SystemClock
from keystead.crypto.root_keys import elsewhere
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError, Refused, Unreachable
from keystead.server.data import kms_root_key
from keystead.server.data.root_key_choice import KmsKey
from tests.live import LiveServer, live

ENTROPY, CLOCK = SystemEntropy(), SystemClock()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live(tmp_path_factory.mktemp("kms") / "data") as running:
        with closing(running.client()) as client:
            key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
            client.ok("CreateAlias", AliasName="alias/root", KeyId=key_id)
        yield running


def key(server: LiveServer, **changes: str) -> KmsKey:
    found = server.description
    members = {
        "endpoint": found["url"],
        "key": "alias/root",
        "ca": found["ca_file"],
        "access_key": f"{server.data}/root-access-key.json",
    }
    return KmsKey(**(members | changes))


def make(of: KmsKey) -> tuple[str, str]:
    encrypt, _ = kms_root_key.of(of, CLOCK, ENTROPY)
    root, kept = elsewhere.make(encrypt, ENTROPY)
    return root.fingerprint, kept


def test_what_was_encrypted_opens_as_that_root_key_alone(server: LiveServer) -> None:
    fingerprint, kept = make(key(server))
    _, decrypt = kms_root_key.of(key(server), CLOCK, ENTROPY)
    assert elsewhere.open_with(decrypt, kept, fingerprint, ENTROPY).fingerprint == fingerprint
    other, _ = make(key(server))
    with pytest.raises(OperatorError, match="cannot open it"):
        elsewhere.open_with(decrypt, kept, other, ENTROPY)
    with closing(server.client()) as client:
        assert client.call("Decrypt", CiphertextBlob=kept)[0] != 200  # without the context
        context = json.dumps({"keystead:root-key": fingerprint})
        blob = client.ok("Encrypt", KeyId="alias/root", Plaintext="no base64", EncryptionContext=context)
    with pytest.raises(OperatorError, match="is not the root key"):
        elsewhere.open_with(decrypt, blob["CiphertextBlob"], fingerprint, ENTROPY)


def test_a_kms_that_is_away_refuses_or_is_another_one(
    server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint, kept = make(key(server))

    def refusal(of: KmsKey) -> OperatorError:
        _, decrypt = kms_root_key.of(of, CLOCK, ENTROPY)
        with pytest.raises(OperatorError) as caught:
            elsewhere.open_with(decrypt, kept, fingerprint, ENTROPY)
        assert caught.value.hint
        return caught.value

    away = refusal(key(server, endpoint="https://localhost:9"))
    assert isinstance(away, Unreachable)
    assert "gives no answer" in away.message
    assert "the certificate of" in refusal(key(server, ca="")).message
    assert "no AccessKey file" in refusal(key(server, access_key=f"{tmp_path}/none")).message
    for name in (
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "KEYSTEAD_ACCESS_KEY_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    assert "there is no AccessKey for" in refusal(key(server, access_key="")).message
    pair = json.loads((server.data / "root-access-key.json").read_text())
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", pair["AccessKeyId"])
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", pair["AccessKeySecret"])
    _, decrypt = kms_root_key.of(key(server, access_key=""), CLOCK, ENTROPY)
    assert elsewhere.open_with(decrypt, kept, fingerprint, ENTROPY).fingerprint == fingerprint
    unknown = tmp_path / "unknown.json"
    unknown.write_text(json.dumps({"AccessKeyId": "LTAIunknownunknown", "AccessKeySecret": "x" * 30}))
    refused = refusal(key(server, access_key=str(unknown)))
    assert isinstance(refused, Refused)
    assert "refuses" in refused.message
    assert "x" * 30 not in refused.message + refused.hint
    with live(tmp_path / "other") as other:
        assert "cannot open it" in refusal(key(other)).message
    with closing(server.client()) as client:
        key_id = client.ok("DescribeKey", KeyId="alias/root")["KeyMetadata"]["KeyId"]
        client.ok("DisableKey", KeyId=key_id)
        try:
            assert "Rejected.Disabled" in refusal(key(server)).message
        finally:
            client.ok("EnableKey", KeyId=key_id)
