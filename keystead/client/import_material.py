"""Brings key material of one's own to a server, wrapped on this side."""

import base64

from keystead.client.kms import Kms
from keystead.crypto.primitives import asymmetric
from keystead.domain.keys.key import KeySpec
from keystead.errors import OperatorError

_WRAPPING = "RSAES_OAEP_SHA_256"


def import_material(kms: Kms, key_id: str, material: bytes, expires: int) -> None:
    """Import the material of an EXTERNAL key; `expires` in seconds since 1970, 0 for never. Raises as `Kms` does."""
    given = kms.call(
        "GetParametersForImport",
        {"KeyId": key_id, "WrappingKeySpec": "RSA_2048", "WrappingAlgorithm": _WRAPPING},
    )
    try:
        public = asymmetric.load_public(KeySpec.RSA_2048, base64.b64decode(given["PublicKey"]))
    except ValueError:
        raise OperatorError(
            "the server's public key is none of RSA with 2048 bits",
            hint="is --endpoint a key management service?",
        ) from None
    wrapped = asymmetric.encrypt(KeySpec.RSA_2048, _WRAPPING, public, material)
    kms.call(
        "ImportKeyMaterial",
        {
            "KeyId": key_id,
            "EncryptedKeyMaterial": base64.b64encode(wrapped).decode(),
            "ImportToken": str(given["ImportToken"]),
            "KeyMaterialExpireUnix": str(expires),
        },
    )
