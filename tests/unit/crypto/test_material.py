from keystead.crypto.material import Material
from keystead.crypto.primitives.prf import Prf


def test_messages_are_derived_by_it() -> None:
    assert Material(b"canary").prf.digest(b"m") == Prf("sha512", b"canary").digest(b"m")
