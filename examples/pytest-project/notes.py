"""Notes that KMS keeps sealed, with the current SDK. It knows nothing of how it is tested."""

import base64

from alibabacloud_kms20160120.client import Client
from alibabacloud_kms20160120.models import DecryptRequest, DescribeKeyRequest, EncryptRequest

BUSY = ("Rejected.Throttling", "Throttling.User", "ServiceUnavailableTemporary")
TRIES = 3


class KeyIsGone(Exception):
    """The key of a note was deleted: nobody will read it again."""


class ClockIsWrong(Exception):
    """This machine's clock is off by more than KMS takes."""


class Notes:
    """Seals and opens notes with one key; tries again where KMS is busy or the connection breaks."""

    def __init__(self, client: Client, key: str) -> None:
        self.client = client
        self.key = key

    def seal(self, text: str) -> str:
        plaintext = base64.b64encode(text.encode()).decode()
        request = EncryptRequest(key_id=self.key, plaintext=plaintext)
        return self._call(self.client.encrypt, request).ciphertext_blob

    def open(self, sealed: str) -> str:
        answer = self._call(self.client.decrypt, DecryptRequest(ciphertext_blob=sealed))
        return base64.b64decode(answer.plaintext).decode()

    def version(self) -> str:
        """The key's version that seals now: a rotation makes another one."""
        return self._call(
            self.client.describe_key, DescribeKeyRequest(key_id=self.key)
        ).key_metadata.primary_key_version

    def _call(self, operation, request):
        left = TRIES
        while True:
            left -= 1
            try:
                return operation(request).body
            except Exception as problem:
                code = getattr(problem, "code", None)
                if code == "Forbidden.KeyNotFound":
                    raise KeyIsGone from problem
                if code == "InvalidTimeStamp.Expired":
                    raise ClockIsWrong from problem
                lost = code is None or code in BUSY  # no code: the connection broke, or took too long
                if not lost or not left:
                    raise
