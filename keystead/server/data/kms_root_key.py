"""A root key under a key of another KMS with the same API: the vendor's own service, or a second Keystead.

A start makes one call, Decrypt, and needs no more of the other KMS. The encryption context names the root key, so what was
encrypted opens as that alone, and the other's log shows what it was opened for.
"""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keystead.client.access_key import environment_access_key, read_access_key
from keystead.client.kms import Kms
from keystead.client.transport import Endpoint
from keystead.clock import Clock
from keystead.crypto.root_keys import elsewhere
from keystead.entropy import Entropy
from keystead.errors import DoesNotOpen, OperatorError, Refused, Unreachable
from keystead.server.data.root_key_choice import KmsKey

_COMMAND = "root key"  # as the other KMS shows who calls


def of(key: KmsKey, clock: Clock, entropy: Entropy) -> tuple[elsewhere.Encrypt, elsewhere.Decrypt]:
    """What encrypts by the key, and what decrypts again."""

    @contextmanager
    def kms() -> Iterator[Kms]:
        with _told(key), Kms(_endpoint(key), key.region, clock, entropy, _COMMAND) as opened:
            yield opened

    def encrypt(root: bytes, fingerprint: str) -> str:
        with kms() as opened:
            return opened.encrypt(key.key, base64.b64encode(root).decode(), _context(fingerprint))

    def decrypt(kept: str, fingerprint: str) -> bytes:
        with kms() as opened:
            text = opened.decrypt(kept, _context(fingerprint)).text
        try:
            return base64.b64decode(text, validate=True)
        except ValueError:
            return b""

    return encrypt, decrypt


def _context(fingerprint: str) -> dict[str, str]:
    return {"keystead:root-key": fingerprint}


def _endpoint(key: KmsKey) -> Endpoint:
    if key.access_key:
        access_key = read_access_key(Path(key.access_key))
    elif (found := environment_access_key(os.environ)) is not None:
        access_key = found
    else:
        raise OperatorError(
            f"there is no AccessKey for {key.endpoint}, which has the root key",
            hint="name its file in root-key with access-key=FILE",
        )
    return Endpoint(url=key.endpoint, ca_file=key.ca or None, access_key=access_key)


@contextmanager
def _told(key: KmsKey) -> Iterator[None]:
    """The same errors, about the root key."""
    where = f"the KMS that has the root key, {key.endpoint},"
    try:
        yield
    except Unreachable as problem:
        raise Unreachable(
            f"{where} gives no answer: {problem.message}",
            hint="nothing opens without it; this start can be repeated when it is back",
        ) from None
    except DoesNotOpen:
        raise OperatorError(
            f"{where} cannot open it",
            hint="it is another KMS or account than the one it was made with, or its key was deleted",
        ) from None
    except Refused as problem:
        raise Refused(
            f"{where} refuses: {problem.message}",
            code=problem.code,
            hint=f"its AccessKey needs kms:Encrypt and kms:Decrypt for {key.key}, and that key enabled; {problem.hint}",
        ) from None
