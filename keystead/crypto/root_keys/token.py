"""A root key that never leaves a token (PKCS #11): an HMAC key, sensitive and not extractable.

The token computes HMAC-SHA-512, and no more is asked of a root key: rows are sealed by keys that are derived with it, as
with a root key in memory. So rows are bound to what they are without a mechanism for that in the token, no nonce can recur,
and every token that has CKM_SHA512_HMAC will do. What passes through this process's memory is the key of one row.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keystead.crypto.root_key import SealingRootKey
from keystead.crypto.root_keys.token_address import TokenAddress
from keystead.entropy import Entropy
from keystead.errors import OperatorError, WrongSetting

_KEY_BITS = (
    512  # as long as a block's half of SHA-512: RFC 2104 advises no more, and some tokens take no less
)
_PLUGGED = "check that it is plugged in, and its driver's service; pkcs11-tool --list-slots shows the tokens there are"
_DIFFERENT = "check pin-source; each wrong PIN brings the token nearer to being locked"
# By the name of the library's exception: what it means here, and what to do.
_REASONS = {
    "PinIncorrect": ("refuses the PIN", _DIFFERENT),
    "PinInvalid": ("refuses the PIN", _DIFFERENT),
    "PinLenRange": ("refuses the PIN", _DIFFERENT),
    "PinLocked": (
        "has locked its PIN, after too many wrong ones",
        "its security officer (SO PIN) can unlock it",
    ),
    "PinExpired": ("wants another PIN: this one has expired", "set one with the token's own tool"),
    "UserPinNotInitialized": ("has no PIN yet", "set one with the token's own tool"),
    "NoSuchToken": ("is not there", _PLUGGED),
    "TokenNotPresent": ("is not there", _PLUGGED),
    "TokenNotRecognised": ("is not there", _PLUGGED),
    "DeviceRemoved": ("was taken away", _PLUGGED),
    "MultipleTokensReturned": ("is not the only one of that name", "add serial=… to the address"),
    "MultipleObjectsReturned": ("has several keys of that name", "add id=… to the address"),
    "MechanismInvalid": (
        "has no HMAC-SHA-512 for such a key",
        "take another token, or another provider; keystead rootkey status lists them",
    ),
    "TokenWriteProtected": (
        "is read-only",
        "make the key with the token's own tool: a generic secret of 64 bytes",
    ),
    "KeySizeRange": ("refuses a key of this size", "a root key is a generic secret of 64 bytes"),
}


class _TokenHash:
    """HMAC-SHA-512 by the token."""

    def __init__(self, address: TokenAddress, key: Any, mechanism: Any) -> None:
        self._address = address
        self._key = key
        self._mechanism = mechanism

    def digest(self, message: bytes) -> bytes:
        with _told(self._address):
            return bytes(self._key.sign(message, mechanism=self._mechanism))


def open_token(address: TokenAddress, pin: str, entropy: Entropy, *, make: bool = False) -> SealingRootKey:
    """The root key on a token, for as long as this process lives; with `make` a new one if there is none of that name.

    OperatorError if the token is away, refuses the PIN, or has no such key, or one that could leave it.
    """
    try:
        import pkcs11
    except ImportError:
        raise OperatorError(
            "a root key on a token needs the package python-pkcs11, which is not installed",
            hint='pip install "keystead[pkcs11]", into the environment of keystead',
        ) from None
    wanted: dict[str, Any] = {"object_class": pkcs11.ObjectClass.SECRET_KEY}
    if address.object:
        wanted["label"] = address.object
    if address.id:
        wanted["id"] = bytes.fromhex(address.id)
    with _told(address):
        token = _token(pkcs11, address)
        try:
            session = token.open(user_pin=pin, rw=make)
        except pkcs11.UserAlreadyLoggedIn:  # as this whole process is, by another key of the token
            session = token.open(rw=make)
        try:
            try:
                key = session.get_key(**wanted)
            except pkcs11.NoSuchKey:
                if not make:
                    raise
                key = _make(pkcs11, session, address)
            root = SealingRootKey(_TokenHash(address, key, pkcs11.Mechanism.SHA512_HMAC), entropy)
            if key[pkcs11.Attribute.EXTRACTABLE] or not key[pkcs11.Attribute.SENSITIVE]:
                raise OperatorError(
                    f"the key {_shown(address)} can leave its token",
                    hint="a root key is sensitive and not extractable; name another object, and keystead makes it so",
                )
        except BaseException:
            session.close()
            raise
    return root


def _token(pkcs11: Any, address: TokenAddress) -> Any:
    library = pkcs11.lib(address.module)
    wanted: dict[str, Any] = {}
    if address.token:
        wanted["token_label"] = address.token
    if address.serial:
        wanted["token_serial"] = address.serial.encode()
    found = [
        one
        for one in library.get_tokens(**wanted)
        if address.manufacturer in ("", one.manufacturer_id) and address.model in ("", one.model)
    ]
    if not found:
        raise pkcs11.NoSuchToken
    if len(found) > 1:
        raise pkcs11.MultipleTokensReturned
    return found[0]


def _make(pkcs11: Any, session: Any, address: TokenAddress) -> Any:
    uses = ("ENCRYPT", "DECRYPT", "WRAP", "UNWRAP", "DERIVE", "VERIFY", "EXTRACTABLE")
    template = {getattr(pkcs11.Attribute, name): False for name in uses}
    template |= {
        pkcs11.Attribute.SENSITIVE: True,
        pkcs11.Attribute.SIGN: True,
        pkcs11.Attribute.PRIVATE: True,
    }
    return session.generate_key(
        pkcs11.KeyType.GENERIC_SECRET,
        _KEY_BITS,
        label=address.object or None,
        id=bytes.fromhex(address.id) or None,
        store=True,
        mechanism=pkcs11.Mechanism.GENERIC_SECRET_KEY_GEN,
        template=template,
    )


def _shown(address: TokenAddress) -> str:
    return f"{address.object or address.id} on the token {address.token or address.serial}"


@contextmanager
def _told(address: TokenAddress) -> Iterator[None]:
    """OperatorError in place of what the library raises. Its texts name no secret; the PIN is in none of them."""
    from pkcs11.exceptions import PKCS11Error

    try:
        yield
    except PKCS11Error as error:
        name = type(error).__name__
        if name == "NoSuchKey":
            raise OperatorError(
                f"there is no key {_shown(address)}",
                hint="check object= and id=; the token may be another one",
            ) from None
        token = f"the token {address.token or address.serial}"
        if name in _REASONS:
            why, hint = _REASONS[name]
            # A service manager must not try a PIN again and again: that locks the token.
            kind = WrongSetting if name.startswith("Pin") else OperatorError
            raise kind(f"{token} {why}", hint=hint) from None
        told = str(error) or name
        raise OperatorError(
            f"{token} does not work with {address.module}: {told}",
            hint="check module-path and the token's driver",
        ) from None
