"""Brings encrypted files from old versions of their keys to the primary ones."""

import io
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

from keystead.client.kms import Kms
from keystead.errors import DoesNotOpen
from keystead.files import config_values, decryption, encrypted_file, inspection
from keystead.files.config_values import PATH
from keystead.files.formats.spans import Format


class Old(NamedTuple):
    """A version in a file that is not its key's primary one."""

    version_id: str
    key_id: str
    primary: str


class Keys:
    """Which key a version belongs to, and which its primary version is: asked once for each version."""

    def __init__(self, kms: Kms) -> None:
        self._kms = kms
        self._known: dict[str, Old] = {}

    def of(self, version_id: str) -> Old:
        """OperatorError if the server has no such version."""
        if version_id not in self._known:
            metadata = self._kms.key_of_version(version_id)
            if metadata is None:
                raise DoesNotOpen(
                    f"the server has no key version {version_id}",
                    hint="it is of another server, region or account",
                )
            self._known[version_id] = Old(
                version_id=version_id, key_id=metadata["KeyId"], primary=metadata["PrimaryKeyVersion"]
            )
        return self._known[version_id]


def old_versions(keys: Keys, source: BinaryIO, form: Format | None) -> list[Old]:
    """The versions in an encrypted file that are not primary any more; DoesNotOpen if it is no encrypted file."""
    found = (keys.of(version_id) for version_id in inspection.inspect(source, form).version_ids)
    return [one for one in found if one.version_id != one.primary]


def re_encrypted(
    kms: Kms, keys: Keys, context: Mapping[str, str], source: BinaryIO, form: Format | None
) -> Iterator[bytes]:
    """The file under primary versions, piece by piece. Of an envelope all is sealed anew, since its header is bound."""
    head = source.read(decryption.VALUES_BYTES)
    if form is not None and decryption.holds_values(head, form):

        def renewed(path: str, blob: str) -> str:
            one = keys.of(encrypted_file.blob_version(blob))
            if one.version_id == one.primary:
                return blob
            return kms.re_encrypt(blob, one.key_id, {**context, PATH: path})

        text = config_values.replaced(config_values.text_of(head, form), form, renewed)
        return iter([config_values.bytes_of(text)])
    if (blob := encrypted_file.as_blob(head)) is not None:
        return iter(
            [kms.re_encrypt(blob, keys.of(encrypted_file.blob_version(blob)).key_id, context).encode()]
        )
    again = encrypted_file.Again(head, source)
    key_id = keys.of(encrypted_file.read(io.BytesIO(head)).version_id).key_id
    plaintext = encrypted_file.decrypt(kms, context, again)
    return encrypted_file.sealed(kms, key_id, context, plaintext)
