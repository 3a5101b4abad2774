"""The few operations that the file commands are made of, typed; against a Keystead server or the vendor's service."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from keystead.client.transport import Endpoint, Session
from keystead.clock import Clock
from keystead.domain.products import KMS, Product
from keystead.entropy import Entropy
from keystead.errors import LATER, DoesNotOpen, Refused, Unreachable

_PAGE = 100
# Answers to Decrypt that say that the ciphertext, or its context, is not what was encrypted: ours, and the vendor's.
_UNOPENED = frozenset(
    {"InvalidParameter", "Forbidden.DecryptError", "InvalidCiphertext", "Forbidden.KeyNotFound"}
)
# A key that is not there, or not on the server that was asked.
_UNKNOWN = frozenset({"Forbidden.KeyNotFound", "Forbidden.AliasNotFound"})


class Opened(NamedTuple):
    """What Decrypt gives. Its text is a secret: it has no repr."""

    text: str
    key_id: str
    version_id: str

    def __repr__(self) -> str:
        return f"<Opened {self.key_id}>"


class Kms:
    """A server's operations over one kept connection; a context manager.

    Every call raises Unreachable if there is no answer or one to try again later, Refused with the server's code, or
    OperatorError if the server can't be verified or understood.
    """

    def __init__(self, endpoint: Endpoint, region: str, clock: Clock, entropy: Entropy, command: str) -> None:
        self.entropy = entropy
        self._region = region
        self._session = Session(endpoint, clock, entropy, command)

    def __enter__(self) -> "Kms":
        return self

    def __exit__(self, *exception: object) -> None:
        self._session.close()

    def encrypt(self, key: str, text: str, context: Mapping[str, str]) -> str:
        """The CiphertextBlob of 1 to 6144 bytes of text under the key's primary version."""
        answer = self.call("Encrypt", {"KeyId": key, "Plaintext": text}, context)
        return str(answer["CiphertextBlob"])

    def decrypt(self, blob: str, context: Mapping[str, str]) -> Opened:
        """What was encrypted. DoesNotOpen if the blob or the context is not that of an Encrypt of this server."""
        with _unopened():
            answer = self.call("Decrypt", {"CiphertextBlob": blob}, context)
        return Opened(
            text=str(answer["Plaintext"]),
            key_id=str(answer["KeyId"]),
            version_id=str(answer.get("KeyVersionId", "")),
        )

    def re_encrypt(self, blob: str, key: str, context: Mapping[str, str]) -> str:
        """The blob under the key's primary version, its context unchanged; the plaintext does not leave the server."""
        parameters = {"CiphertextBlob": blob, "DestinationKeyId": key}
        if context:
            text = json.dumps(dict(context), ensure_ascii=False)
            parameters |= {"SourceEncryptionContext": text, "DestinationEncryptionContext": text}
        with _unopened():
            return str(self.call("ReEncrypt", parameters)["CiphertextBlob"])

    def data_key(self, key: str, context: Mapping[str, str]) -> tuple[bytes, str]:
        """A new 32-byte data key, and its CiphertextBlob."""
        answer = self.call("GenerateDataKey", {"KeyId": key, "KeySpec": "AES_256"}, context)
        return base64.b64decode(answer["Plaintext"]), str(answer["CiphertextBlob"])

    def open_data_key(self, blob: str, context: Mapping[str, str]) -> bytes:
        """The 32 bytes of a data key. DoesNotOpen as in `decrypt`, and for what is no such key."""
        try:
            raw = base64.b64decode(self.decrypt(blob, context).text, validate=True)
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise DoesNotOpen(
                "the file's data key is none", hint="the file is damaged, or was made by another program"
            )
        return raw

    def key(self, key: str) -> dict[str, Any]:
        """The KeyMetadata of a key, by its id, alias or ARN."""
        found: dict[str, Any] = self.call("DescribeKey", {"KeyId": key})["KeyMetadata"]
        return found

    def key_of_version(self, version_id: str) -> dict[str, Any] | None:
        """The KeyMetadata of the key whose version this is, found by asking for every key; None if there is none."""
        for key in self._rows("ListKeys", "Keys", "Key", {}):
            metadata = self.key(key["KeyId"])
            if metadata.get("PrimaryKeyVersion") == version_id:
                return metadata
            versions = self._rows("ListKeyVersions", "KeyVersions", "KeyVersion", {"KeyId": key["KeyId"]})
            if any(version["KeyVersionId"] == version_id for version in versions):
                return metadata
        return None

    def _rows(
        self, action: str, listed: str, row: str, parameters: dict[str, str]
    ) -> Iterator[dict[str, Any]]:
        """Every row of a listing, page by page."""
        page, seen, total = 1, 0, 1
        while seen < total:
            place = {"PageNumber": str(page), "PageSize": str(_PAGE)}
            answer = self.call(action, {**parameters, **place})
            yield from answer[listed][row]
            page, seen, total = page + 1, seen + _PAGE, int(answer["TotalCount"])

    def call(
        self,
        action: str,
        parameters: dict[str, str],
        context: Mapping[str, str] | None = None,
        product: Product = KMS,
    ) -> dict[str, Any]:
        """The members of the answer to any operation."""
        if context:
            parameters["EncryptionContext"] = json.dumps(dict(context), ensure_ascii=False)
        if self._region:
            parameters["RegionId"] = self._region
        answer = self._session.call(action, product.version, parameters)
        if 200 <= answer.status < 300:
            return answer.members
        code, message = str(answer.members["Code"]), answer.members.get("Message", "")
        told = f"{code}: {message}"
        request_id = answer.members.get("RequestId", "")
        if code in LATER:
            raise Unreachable(
                f"the server cannot answer now: {told}", hint=f"try again; request id {request_id}"
            )
        hint = f"request id {request_id}"
        if code in _UNKNOWN:
            region = f" in region {self._region}" if self._region else ""
            hint = f"asked was {self._session.url}{region}; keystead kms ListKeys and ListAliases show what is there; {hint}"
        raise Refused(f"the server refused {action}: {told}", code=code, hint=hint)


@contextmanager
def _unopened() -> Iterator[None]:
    """DoesNotOpen in place of a refusal that says no more than that."""
    try:
        yield
    except Refused as refusal:
        if refusal.code not in _UNOPENED or "EncryptionContext" in refusal.message:
            raise
        raise DoesNotOpen(
            "the server cannot open the ciphertext",
            hint="it is damaged, of another server or account, or needs another --context NAME=VALUE or --region",
        ) from None
