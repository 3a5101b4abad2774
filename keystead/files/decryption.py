"""Opens an encrypted file of whichever kind it is: the guide's ciphertext, an envelope, or a file of encrypted values."""

import io
from collections.abc import Iterator, Mapping

from keystead.client.kms import Kms
from keystead.crypto import envelope
from keystead.errors import OperatorError
from keystead.files import config_values, encrypted_file
from keystead.files.formats.spans import Format

VALUES_BYTES = 16 << 20  # a larger file is no configuration file


def plaintext(
    kms: Kms, context: Mapping[str, str], source: envelope.Readable, form: Format | None
) -> Iterator[bytes]:
    """The plaintext, piece by piece; `form` is how values would be written in it.

    DoesNotOpen where it is not as it was made: what came before is then not the whole.
    """
    head = source.read(len(envelope.MAGIC))
    if head == envelope.MAGIC:
        return encrypted_file.decrypt(kms, context, encrypted_file.Again(head, source))
    content = head + source.read(VALUES_BYTES)
    if form is not None and holds_values(content, form):
        opened, _ = config_values.decrypt(kms, context, config_values.text_of(content, form), form)
        return iter([config_values.bytes_of(opened)])
    if form is not None and holds_nothing(content, form):
        return iter([content])
    return encrypted_file.decrypt(kms, context, io.BytesIO(content))


def text_and_sealed(
    kms: Kms, context: Mapping[str, str], source: envelope.Readable, form: Format
) -> tuple[str, frozenset[str] | None]:
    """A configuration file in the clear, and the paths of the values that were encrypted; None if the whole file was."""
    content = source.read(VALUES_BYTES)
    if holds_values(content, form):
        opened, values = config_values.decrypt(kms, context, config_values.text_of(content, form), form)
        return opened, frozenset(values)
    if holds_nothing(content, form):
        return config_values.text_of(content, form), frozenset()
    again = encrypted_file.Again(content, source)
    whole = b"".join(plaintext(kms, context, again, None))
    return config_values.text_of(whole, form), None


def holds_values(content: bytes, form: Format) -> bool:
    """Whether this is a file of the format with encrypted values in it, and not a ciphertext as a whole."""
    if content.startswith(envelope.MAGIC) or encrypted_file.as_blob(content) is not None:
        return False
    if len(content) > VALUES_BYTES or b"kms" not in content:
        return False
    try:
        return bool(config_values.sealed_values(config_values.text_of(content, form), form))
    except OperatorError:
        return False


def holds_nothing(content: bytes, form: Format) -> bool:
    """Whether this is a file of the format without any value, comments alone, as encrypting the values of several leaves it.

    What has nothing in it at all is none: it was cut off."""
    if not content.strip() or len(content) > VALUES_BYTES or encrypted_file.as_blob(content) is not None:
        return False
    try:
        return not config_values.values(config_values.text_of(content, form), form)
    except OperatorError:
        return False
