from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from keystead.crypto.derivation import derive, prefixed

KEY = bytes(range(32))


def test_derive_is_sp_800_108_in_counter_mode() -> None:
    library = KBKDFHMAC(
        algorithm=hashes.SHA512(),
        mode=Mode.CounterMode,
        length=76,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=b"label",
        context=b"context",
        fixed=None,
    )
    assert derive(KEY, b"label", b"context") == library.derive(KEY)


def test_prefixed_parts_do_not_run_together() -> None:
    assert prefixed("ab", b"c") == b"\0\0\0\2ab\0\0\0\1c"
    assert prefixed("ab", "c") != prefixed("a", "bc")
