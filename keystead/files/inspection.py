"""What an encrypted file tells of itself without any key, and what a server tells of it."""

import base64
import io
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

from keystead.client.kms import Kms
from keystead.crypto import blob_layout, envelope
from keystead.crypto.derivation import OVERHEAD
from keystead.crypto.primitives.unopenable import Unopenable
from keystead.errors import DoesNotOpen, OperatorError, Refused
from keystead.files import config_values, decryption, encrypted_file
from keystead.files.formats.spans import Format


class Inspected(NamedTuple):
    """An encrypted file. `size` is that of the plaintext in bytes, None where only the key tells.

    `context_names` None: the file does not say which context it needs. `sealed` has each CiphertextBlob by the path of
    its value, "" where there is one only.
    """

    format: str
    size: int | None
    context_names: tuple[str, ...] | None
    sealed: dict[str, str]

    @property
    def version_ids(self) -> list[str]:
        """The key versions that sealed it, each once."""
        return list(dict.fromkeys(encrypted_file.blob_version(blob) for blob in self.sealed.values()))


def inspect(source: BinaryIO, form: Format | None) -> Inspected:
    """Read a file. DoesNotOpen if it is not encrypted, or visibly damaged."""
    head = source.read(len(envelope.MAGIC))
    if head == envelope.MAGIC:
        found = encrypted_file.read(encrypted_file.Again(head, source))
        assert found.envelope is not None
        try:
            size = envelope.plaintext_size(found.envelope, found.envelope.size + _left(source))
        except Unopenable:
            raise encrypted_file.damaged() from None
        return Inspected(
            format="envelope 1",
            size=size,
            context_names=found.envelope.context_names,
            sealed={"": found.blob},
        )
    content = head + source.read(decryption.VALUES_BYTES)
    if form is not None and decryption.holds_values(content, form):
        sealed = config_values.sealed_values(config_values.text_of(content, form), form)
        return Inspected(format=f"{form.name} values", size=None, context_names=None, sealed=sealed)
    found = encrypted_file.read(io.BytesIO(content))
    try:
        sealed_bytes = len(blob_layout.split(base64.b64decode(found.blob)).sealed) - OVERHEAD
    except Unopenable:
        return Inspected(
            format="ciphertext of another service", size=None, context_names=None, sealed={"": found.blob}
        )
    return Inspected(format="ciphertext 1", size=sealed_bytes, context_names=None, sealed={"": found.blob})


def _left(source: BinaryIO) -> int:
    if source.seekable():
        at = source.tell()
        return source.seek(0, io.SEEK_END) - at
    return sum(map(len, encrypted_file.pieces(source)))


def check(
    kms: Kms, context: Mapping[str, str], found: Inspected
) -> tuple[list[dict[str, Any]], OperatorError | None]:
    """The metadata of its keys, and why it does not open; of an envelope, the data key is opened and no chunk is read."""
    keys: dict[str, dict[str, Any]] = {}
    problem: OperatorError | None = None
    if found.context_names is not None and set(found.context_names) != set(context):
        problem = encrypted_file.other_context(found.context_names)
    for path, blob in found.sealed.items():
        version_id = encrypted_file.blob_version(blob)
        try:
            bound = {**context, config_values.PATH: path} if path else context
            key_id = kms.decrypt(blob, bound).key_id
            if key_id not in keys:
                keys[key_id] = kms.key(key_id)
        except (DoesNotOpen, Refused) as refusal:
            problem = problem or refusal
            # The refusal does not say of which key it speaks; ask, unless this version's key is known already.
            if all(one.get("PrimaryKeyVersion") != version_id for one in keys.values()):
                metadata = kms.key_of_version(version_id)
                if metadata is not None:
                    keys[metadata["KeyId"]] = metadata
    return list(keys.values()), problem


def clear_parts(
    content: bytes, form: Format | None, wanted: Callable[[str], bool] | None
) -> list[str] | None:
    """What of a file is not encrypted though it should be: each value's own path; None stands for the whole file.

    With `wanted`, the values with a path that it is true for should be; without, the whole file, or all of its
    values. What is empty is not in the clear. OperatorError if the values of a file that has some cannot be told.
    """
    if (
        not content.strip()
        or content.startswith(envelope.MAGIC)
        or encrypted_file.as_blob(content) is not None
    ):
        return []
    if wanted is None and not (form is not None and decryption.holds_values(content, form)):
        return None
    if form is None or len(content) > decryption.VALUES_BYTES:
        return None
    clear = config_values.clear_values(config_values.text_of(content, form), form)
    if wanted is None:
        return [leaf.pointers[0] for leaf in clear]
    # Not the path that is wanted: the further ones are made of values, some of them of a secret.
    return [leaf.pointers[0] for leaf in clear if any(map(wanted, leaf.pointers))]
