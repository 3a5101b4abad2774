"""What can be tried out with a key, and how what a person gives becomes a call."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from keystead.api.coerce import CONTEXT_CHARACTERS, DIGEST_BYTES, PLAINTEXT_BYTES
from keystead.console.locales import marked as N_
from keystead.console.same_call import Given
from keystead.domain.keys.algorithms import ENCRYPTIONS, MACS, SIGNATURES, USAGES, Use, good, names_in
from keystead.domain.keys.key import KeySpec, Origin


class Trial(NamedTuple):
    """One thing to try: `name` stands in its address, `takes` is what a person gives for it."""

    name: str
    action: str
    title: str
    summary: str
    use: Use
    takes: str  # "plaintext", "ciphertext", "message" or "" for nothing
    against: str = ""  # the parameter of what is verified
    algorithms: tuple[str, ...] = ()  # "" among them: the one that the key is made for

    @property
    def names_key(self) -> bool:
        """Whether the call names its key; a ciphertext of Encrypt does so itself."""
        return self.name != "decrypt"

    @property
    def has_context(self) -> bool:
        return self.use is Use.SYMMETRIC


_ENCRYPTION_PAIR = ("", *names_in(ENCRYPTIONS))
_SIGNATURE = ("", *names_in(SIGNATURES))
TRIALS = (
    Trial(
        "encrypt",
        "Encrypt",
        N_("Encrypt"),
        N_(
            "Encrypt a text or a file of up to 6 KB, as the guide does with the private key of a certificate."
        ),
        Use.SYMMETRIC,
        "plaintext",
    ),
    Trial(
        "decrypt",
        "Decrypt",
        N_("Decrypt"),
        N_("Get back what was encrypted. The ciphertext says which key it needs."),
        Use.SYMMETRIC,
        "ciphertext",
    ),
    Trial(
        "data-key",
        "GenerateDataKey",
        N_("Data key"),
        N_(
            "Make a key for data that is too large to be sent here: encrypt the data with it, and keep it encrypted."
        ),
        Use.SYMMETRIC,
        "",
    ),
    Trial(
        "sign",
        "AsymmetricSign",
        N_("Sign"),
        N_("Sign a message with the private key of a key pair."),
        Use.SIGNATURE,
        "message",
        algorithms=_SIGNATURE,
    ),
    Trial(
        "verify",
        "AsymmetricVerify",
        N_("Verify"),
        N_("Find out whether a signature is of this key and message."),
        Use.SIGNATURE,
        "message",
        "Value",
        _SIGNATURE,
    ),
    Trial(
        "mac",
        "GenerateMac",
        N_("Make a MAC"),
        N_("Make the authentication code of a message, which only this key can make."),
        Use.MAC,
        "message",
    ),
    Trial(
        "verify-mac",
        "VerifyMac",
        N_("Verify a MAC"),
        N_("Find out whether an authentication code is of this key and message."),
        Use.MAC,
        "message",
        "Mac",
    ),
    Trial(
        "encrypt-to-pair",
        "AsymmetricEncrypt",
        N_("Encrypt to a key pair"),
        N_(
            "Encrypt some bytes with a public key, such as a symmetric key; only the private key here opens them."
        ),
        Use.ASYMMETRIC_ENCRYPTION,
        "plaintext",
        algorithms=_ENCRYPTION_PAIR,
    ),
    Trial(
        "decrypt-with-pair",
        "AsymmetricDecrypt",
        N_("Decrypt with a key pair"),
        N_("Open what was encrypted with a public key."),
        Use.ASYMMETRIC_ENCRYPTION,
        "ciphertext",
        algorithms=_ENCRYPTION_PAIR,
    ),
)
BY_NAME = {trial.name: trial for trial in TRIALS}


class Wrong(Exception):
    """What was given can't be used: the field, and why in words of the console, with their values."""

    def __init__(self, field: str, text: str, **values: object) -> None:
        self.field = field
        self.text = text
        self.values = values
        super().__init__(field)


def filters(use: Use) -> str:
    """The parameter Filters of ListKeys for enabled keys that are good for this use."""
    fitting = [
        (spec, usage)
        for spec, usages in USAGES.items()
        for usage in usages
        if good(use, spec, usage, Origin.ALIYUN_KMS)
    ]
    rows = {
        "KeyState": ["Enabled"],
        "KeySpec": sorted({spec.value for spec, _ in fitting}),
        "KeyUsage": sorted({usage.value for _, usage in fitting}),
    }
    return json.dumps([{"Key": key, "Values": values} for key, values in rows.items()])


def content(text: str, file: bytes | None) -> bytes:
    """What a person gave, as bytes. A browser sends the lines of a text field with CR LF, which nobody typed."""
    raw = text.replace("\r\n", "\n").encode() if file is None else file
    if not raw:
        if file is not None:
            raise Wrong("file", N_("This file is empty. There is nothing to send."))
        raise Wrong("text", N_("Type something, or choose a file."))
    if len(raw) > PLAINTEXT_BYTES:
        raise Wrong(
            "text" if file is None else "file",
            N_(
                "This has %(size)s bytes, and %(most)s at most go in one call. For larger files use "
                "<code>keystead file encrypt</code>, or a data key."
            ),
            size=len(raw),
            most=PLAINTEXT_BYTES,
        )
    return raw


def plaintext(raw: bytes, form: str) -> tuple[str, bool]:
    """The Plaintext of Encrypt, and whether it is base64: the text itself, as the guide's program sends it, unless it is
    no text or `form` is "base64"."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = ""
    if form == "base64" or not text or "\0" in text:
        return base64.b64encode(raw).decode(), True
    return text, False


def encoded(field: str, text: str, file: bytes | None) -> str:
    """Base64 that a person pasted or chose as a file, without the line breaks that it came with."""
    if file is not None:
        text = file.decode("ascii", "replace")
        if not text.strip():
            raise Wrong(field, N_("This file is empty. There is nothing to send."))
    text = "".join(text.split())
    if not text:
        raise Wrong(field, N_("Paste it here, or choose the file that it is in."))
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong(
            field,
            N_("This is not base64. What the service gave is letters, digits, +, / and =, and nothing else."),
        ) from None
    return text


def digest(raw: bytes, form: str, algorithm: str) -> str:
    """The Digest of AsymmetricSign: of the message, or what was given as one."""
    if form == "digest":
        text = encoded("text", raw.decode("ascii", "replace"), None)
        if len(base64.b64decode(text)) != DIGEST_BYTES:
            raise Wrong(
                "text",
                N_("A digest is base64 of %(bytes)s bytes; this is of %(given)s."),
                bytes=DIGEST_BYTES,
                given=len(base64.b64decode(text)),
            )
        return text
    if algorithm == "SM2DSA":
        raise Wrong(
            "form",
            N_(
                "An SM2 signature is of SM3 over the signer's identity, the public key and the message. Make this digest "
                "where the message is, and give it here."
            ),
        )
    return base64.b64encode(hashlib.sha256(raw).digest()).decode()


def context(names: list[str], values: list[str]) -> dict[str, str]:
    """An encryption context of the rows that have something in them."""
    found: dict[str, str] = {}
    for name, value in zip(names, values, strict=False):
        if not name and not value:
            continue
        if not name:
            raise Wrong("context", N_("The value %(value)s has no name."), value=value)
        if name in found:
            raise Wrong("context", N_("The name %(name)s is there twice."), name=name)
        found[name] = value
    if len(json.dumps(found, ensure_ascii=False)) > CONTEXT_CHARACTERS:
        raise Wrong(
            "context", N_("The context is longer than %(most)s characters as JSON."), most=CONTEXT_CHARACTERS
        )
    return found


def algorithm_for(trial: Trial, chosen: str, metadata: Mapping[str, Any]) -> str:
    """The algorithm that was chosen, or the first of the key's."""
    if chosen:
        return chosen
    spec = metadata["KeySpec"]
    if trial.use is Use.MAC:
        return str(spec) if spec in MACS else MACS[0]
    table = SIGNATURES if trial.use is Use.SIGNATURE else ENCRYPTIONS
    known = {one.value: one for one in KeySpec}
    return table.get(known.get(spec, KeySpec.AES_256), names_in(table))[0]


def shown(
    trial: Trial, parameters: Mapping[str, str], source: str, form: str, as_base64: bool
) -> list[Given]:
    """The call's parameters as they are shown: what was sent stands in a file."""
    source = source or {"plaintext": "plaintext.txt", "ciphertext": "ciphertext.txt"}.get(
        trial.takes, "message.txt"
    )
    files = {
        "Plaintext": Given("Plaintext", file=source, read="base64" if as_base64 else "text"),
        "CiphertextBlob": Given("CiphertextBlob", file=source, read="line"),
        "Message": Given("Message", file=source, read="base64"),
        "Digest": Given("Digest", file=source, read="line" if form == "digest" else "sha256"),
        "Value": Given("Value", file="signature.txt", read="line"),
        "Mac": Given("Mac", file="mac.txt", read="line"),
    }
    return [files.get(name) or Given(name, value) for name, value in parameters.items() if value]
