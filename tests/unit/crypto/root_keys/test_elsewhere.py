import pytest

from keystead.crypto.root_keys import elsewhere
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError


def test_it_opens_as_what_was_encrypted_and_as_nothing_else() -> None:
    entropy = SeededEntropy()
    made, kept = elsewhere.make(lambda key, fingerprint: f"{fingerprint}:{key.hex()}", entropy)

    def decrypt(text: str, fingerprint: str) -> bytes:
        noted, _, key = text.partition(":")
        return bytes.fromhex(key) if noted == fingerprint else b""

    again = elsewhere.open_with(decrypt, kept, made.fingerprint, entropy)
    assert again.unwrap(b"facts", made.wrap(b"facts", b"x")) == b"x"
    for found in (b"", bytes(31), bytes(32), bytes(33)):
        with pytest.raises(OperatorError, match="is not the root key"):
            elsewhere.open_with(lambda *_, found=found: found, kept, made.fingerprint, entropy)
    with pytest.raises(OperatorError, match="is not the root key"):
        elsewhere.open_with(decrypt, kept, "0" * 16, entropy)
