"""The secret of an AccessKey, as request signatures are made with it."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from keystead.crypto.primitives.concealed import Concealed
from keystead.crypto.primitives.digests import Algorithm
from keystead.crypto.primitives.prf import Prf


class Secret(Concealed):
    """An AccessKeySecret in the clear."""

    __slots__ = ("_prfs", "_value")

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._prfs: dict[tuple[Algorithm, bytes], Prf] = {}

    def hmac(self, algorithm: Algorithm, message: bytes, suffix: bytes = b"") -> bytes:
        """HMAC (RFC 2104) of `message` under the secret followed by `suffix`."""
        if algorithm == "sm3":
            code = HMAC(self._value + suffix, hashes.SM3())
            code.update(message)
            return code.finalize()
        prf = self._prfs.get((algorithm, suffix))
        if prf is None:
            prf = self._prfs[algorithm, suffix] = Prf(algorithm, self._value + suffix)
        return prf.digest(message)

    def derive(self, algorithm: Algorithm, date: str, region: str, product: str) -> "Secret":
        """The ACS4 signing key of a day (`YYYYMMDD`), region and product."""
        key = Secret(b"aliyun_v4" + self._value)
        for part in (date, region, product, "aliyun_v4_request"):
            key = Secret(key.hmac(algorithm, part.encode()))
        return key
