"""The vault: wraps and unwraps key material and secrets, seals and opens data with them.

Hierarchy: root key > wrapping key (by generation) > material of each key version, AccessKey secrets > a per-message key.
What is wrapped is bound to what its row is (table, account, key, version, spec, usage, origin), so no row can be moved
or retyped.
"""

import base64
import hmac
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

import msgspec

from keystead.crypto import blob as blobs
from keystead.crypto.derivation import prefixed
from keystead.crypto.material import Material
from keystead.crypto.primitives import asymmetric, message_mac
from keystead.crypto.primitives.suites import OF_SPEC
from keystead.crypto.root_key import RootKey
from keystead.crypto.sealing import Unopenable, seal, unseal
from keystead.crypto.signing_secret import Secret
from keystead.crypto.wrapping import Wrapping
from keystead.domain.accounts import AccessKey
from keystead.domain.encoding import to_base64
from keystead.domain.keys.algorithms import ASYMMETRIC
from keystead.domain.keys.context import canonical
from keystead.domain.keys.key import Key, KeySpec, KeyVersion, Wrapped
from keystead.entropy import Entropy

_MESSAGE = b"keystead/message/1"
_MATERIAL = b"keystead/wrap/key-material/1"
# The check of imported material is sealed under the material itself, and says nothing of it but whether another is the same.
_CHECK = b"keystead/imported-material/1"
_TOKEN = b"keystead/wrap/import-token/1"
_SECRET = b"keystead/wrap/access-key-secret/1"
_PRIVATE_KEY = b"keystead/wrap/authority/1"
_SEED = b"keystead/wrap/mfa-seed/1"
T = TypeVar("T")
_CACHED = (
    10_000  # unwrapped values kept in memory; beyond it the oldest goes and is unwrapped anew when needed
)


def material_bytes(spec: KeySpec) -> int:
    """How long the material of a key is that is no key pair."""
    return OF_SPEC[spec].key_bytes if spec in OF_SPEC else message_mac.MAC_KEY_BYTES[spec]


class Transport(msgspec.Struct, frozen=True, rename={"private_key": "key"}):
    """What an import token holds: the private half of the key that material is wrapped with. It shows nothing of it."""

    spec: KeySpec
    algorithm: str
    expires: int
    private_key: bytes

    def __repr__(self) -> str:
        return "<Transport>"


class Sealed(msgspec.Struct, frozen=True):
    """A ciphertext blob in base64 and the key version that sealed it."""

    version_id: str
    blob: str


class Vault(Wrapping):
    """Holds the unwrapped wrapping keys, and unwrapped material and secrets as long as they are in use."""

    def __init__(self, root: RootKey, entropy: Entropy) -> None:
        super().__init__(root, entropy)
        self._material: dict[str, tuple[Wrapped, Material]] = {}
        self._private_keys: dict[str, tuple[Wrapped, asymmetric.Private]] = {}
        self._lock = threading.Lock()  # of the private keys: they are used on several threads
        self._secrets: dict[str, tuple[Wrapped, Secret]] = {}

    # --- key material

    def make_material(
        self, version: KeyVersion, generate: Callable[[KeySpec], bytes] | None = None
    ) -> KeyVersion:
        """The version with new material of its spec, wrapped. A key pair is made by `generate`, by default at once."""
        if version.spec in ASYMMETRIC:
            material = (generate or self.generate)(version.spec)
        else:
            material = self._entropy.take(material_bytes(version.spec))
        return self.keep_material(version, material)

    def generate(self, spec: KeySpec) -> bytes:
        """A new private key."""
        return asymmetric.generate(spec, self._entropy)

    def keep_material(self, version: KeyVersion, material: bytes) -> KeyVersion:
        """The version with the material that is given, wrapped."""
        return msgspec.structs.replace(
            version, material=self._wrap(_MATERIAL, _version_facts(version), material)
        )

    def prove_version(self, version: KeyVersion) -> None:
        """OperatorError if the version's material does not open."""
        self._material_of(version)

    def has_material(self, version: KeyVersion, material: bytes) -> bool:
        """Whether this is the version's material."""
        return hmac.compare_digest(self._material_of(version), material)

    def seal(self, version: KeyVersion, context: Mapping[str, str], plaintext: bytes) -> Sealed:
        """`plaintext` (at most 8192 bytes) under the version, bound to account, key, version and context."""
        suite = OF_SPEC[version.spec]
        facts = _message_facts(version, blobs.FORMAT, suite.number, context)
        sealed = seal(self._open_material(version).prf, _MESSAGE, facts, plaintext, self._entropy, suite)
        return Sealed(
            version_id=version.version_id, blob=blobs.pack(version.version_id, suite.number, sealed)
        )

    def open(self, version: KeyVersion, context: Mapping[str, str], blob: blobs.Blob) -> bytes:
        """What `seal` sealed; Unopenable for anything else."""
        suite = OF_SPEC.get(version.spec)
        if suite is None or blob.suite != suite.number:
            raise Unopenable
        facts = _message_facts(version, blob.format, blob.suite, context)
        return unseal(self._open_material(version).prf, _MESSAGE, facts, blob.sealed, suite)

    def make_data_key(
        self, version: KeyVersion, context: Mapping[str, str], count: int
    ) -> tuple[str, Sealed]:
        """A random key of `count` bytes for the caller, as base64 text, and that text sealed."""
        text = base64.b64encode(self._entropy.take(count))
        return text.decode(), self.seal(version, context, text)

    def make_exported_key(
        self, count: int, spec: KeySpec, algorithm: str, public: bytes
    ) -> tuple[bytes, bytes]:
        """A random key of `count` bytes for the caller, as base64 text, and encrypted under a public key."""
        key = self._entropy.take(count)
        return base64.b64encode(key), asymmetric.encrypt(spec, algorithm, public, key)

    def forget(self, version_ids: Iterable[str]) -> None:
        """Drop the unwrapped material of versions that are gone."""
        with self._lock:
            for version_id in version_ids:
                self._material.pop(version_id, None)
                self._private_keys.pop(version_id, None)

    # --- key pairs and MACs. These may run on any thread.

    def public_key(self, version: KeyVersion) -> bytes:
        """The version's public key, as the DER of its SubjectPublicKeyInfo."""
        return asymmetric.public_key(version.spec, self._private_key(version))

    def encrypt(self, version: KeyVersion, algorithm: str, plaintext: bytes) -> bytes:
        """`plaintext` under the version's public key."""
        return asymmetric.encrypt(version.spec, algorithm, self.public_key(version), plaintext)

    def decrypt(self, version: KeyVersion, algorithm: str, ciphertext: bytes) -> bytes:
        """What was encrypted under the version's public key; Unopenable for anything else."""
        return asymmetric.decrypt(version.spec, algorithm, self._private_key(version), ciphertext)

    def sign(self, version: KeyVersion, algorithm: str, digest: bytes) -> bytes:
        """The version's signature of a digest."""
        return asymmetric.sign(version.spec, algorithm, self._private_key(version), digest)

    def verify(self, version: KeyVersion, algorithm: str, digest: bytes, signature: bytes) -> bool:
        """Whether it is the version's signature of this digest."""
        return asymmetric.verify(version.spec, algorithm, self.public_key(version), digest, signature)

    def mac(self, version: KeyVersion, message: bytes) -> bytes:
        """The version's code of a message."""
        return message_mac.mac(version.spec, self._material_of(version), message)

    # --- material that its owner brings

    def make_token(self, key: Key, transport: Transport) -> str:
        """An import token for a key: its private key and terms, for nobody but this service to read."""
        wrapped = self._wrap(_TOKEN, _key_facts(key), msgspec.msgpack.encode(transport))
        return to_base64(wrapped.generation.to_bytes(4, "big") + wrapped.blob)

    def open_token(self, key: Key, token: bytes) -> Transport:
        """The terms of a token of this key; Unopenable for any other."""
        wrapped = Wrapped(int.from_bytes(token[:4], "big"), token[4:])
        if wrapped.generation not in self._wrapping:
            raise Unopenable
        opened = unseal(self._wrapping[wrapped.generation].prf, _TOKEN, _key_facts(key), wrapped.blob)
        return msgspec.msgpack.decode(opened, type=Transport)

    def import_material(
        self, key: Key, version: KeyVersion, transport: Transport, wrapped: bytes
    ) -> tuple[KeyVersion, bytes]:
        """The version with the material that was wrapped for it, and its check. Unopenable unless that is a key of the
        spec's length, and the one that was there before if there was one."""
        length = material_bytes(key.spec)
        how = (transport.spec, transport.algorithm, transport.private_key)
        material = asymmetric.unwrap(*how, wrapped, length, self._entropy)
        if key.check:
            unseal(material, _CHECK, _key_facts(key), key.check)
        return self.keep_material(version, material), key.check or self.make_check(key, material)

    def make_check(self, key: Key, material: bytes) -> bytes:
        """By which the same material of a key is known again."""
        return seal(material, _CHECK, _key_facts(key), b"", self._entropy)

    def without_material(self, version: KeyVersion) -> KeyVersion:
        """The version with nothing in the place of its material."""
        self.forget([version.version_id])
        return self.keep_material(version, b"")

    # --- AccessKey secrets

    def make_secret(self, account: str, access_key_id: str) -> tuple[str, Wrapped]:
        """A new AccessKeySecret of 30 letters and digits (178 bits), in the clear for its owner, and wrapped."""
        alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        letters = bytearray()
        while len(letters) < 30:
            # 248 = 4 * 62: larger bytes are thrown away, so that every letter is equally likely.
            letters += bytes(alphabet[byte % 62] for byte in self._entropy.take(40) if byte < 248)
        secret = bytes(letters[:30])
        return secret.decode(), self._wrap(_SECRET, _secret_facts(account, access_key_id), secret)

    def keep_secret(self, account: str, access_key_id: str, secret: str) -> Wrapped:
        """The AccessKeySecret that is given, wrapped."""
        return self._wrap(_SECRET, _secret_facts(account, access_key_id), secret.encode())

    def secret(self, access_key: AccessKey) -> Secret:
        """The AccessKey's secret, ready to check signatures with."""
        cached = self._secrets.get(access_key.access_key_id)
        if cached is not None and cached[0] == access_key.secret:
            return cached[1]
        facts = _secret_facts(access_key.account, access_key.access_key_id)
        secret = Secret(self._unwrap(_SECRET, facts, access_key.secret))
        _remember(self._secrets, access_key.access_key_id, (access_key.secret, secret))
        return secret

    def ready_secret(self, access_key_id: str) -> Secret | None:
        """The secret of an AccessKey that was used lately; whether that is still there, the store alone says."""
        cached = self._secrets.get(access_key_id)
        return None if cached is None else cached[1]

    def has_secret(self, access_key: AccessKey, secret: str) -> bool:
        """Whether this is the AccessKey's secret."""
        facts = _secret_facts(access_key.account, access_key.access_key_id)
        return hmac.compare_digest(self._unwrap(_SECRET, facts, access_key.secret), secret.encode())

    def forget_secret(self, access_key_id: str) -> None:
        """Drop the unwrapped secret of an AccessKey that is gone."""
        self._secrets.pop(access_key_id, None)

    # --- the seeds of MFA devices

    def wrap_seed(self, account: str, name: str, seed: bytes) -> Wrapped:
        """The seed of an MFA device, bound to its account and name."""
        return self._wrap(_SEED, prefixed("mfa_device", account, name), seed)

    def unwrap_seed(self, account: str, name: str, wrapped: Wrapped) -> bytes:
        """The seed; OperatorError if it does not open."""
        return self._unwrap(_SEED, prefixed("mfa_device", account, name), wrapped)

    # --- the certificate authority's private key

    def wrap_private_key(self, purpose: str, pem: bytes) -> Wrapped:
        """A PEM private key of the service itself, bound to its purpose."""
        return self._wrap(_PRIVATE_KEY, prefixed("private_key", purpose), pem)

    def unwrap_private_key(self, purpose: str, wrapped: Wrapped) -> bytes:
        """The PEM private key; OperatorError if it does not open."""
        return self._unwrap(_PRIVATE_KEY, prefixed("private_key", purpose), wrapped)

    # --- from one generation of the wrapping key to the next

    def rewrap_version(self, version: KeyVersion) -> KeyVersion:
        """The version with the material that it has, wrapped anew. OperatorError if it does not open."""
        return self.keep_material(version, self._material_of(version))

    def rewrap_secret(self, access_key: AccessKey) -> AccessKey:
        """As `rewrap_version`, of an AccessKey's secret."""
        facts = _secret_facts(access_key.account, access_key.access_key_id)
        secret = self._unwrap(_SECRET, facts, access_key.secret)
        return msgspec.structs.replace(access_key, secret=self._wrap(_SECRET, facts, secret))

    def rewrap_seed(self, account: str, name: str, wrapped: Wrapped) -> Wrapped:
        """As `rewrap_version`, of an MFA device."""
        return self.wrap_seed(account, name, self.unwrap_seed(account, name, wrapped))

    def rewrap_private_key(self, purpose: str, wrapped: Wrapped) -> Wrapped:
        """As `rewrap_version`, of a private key of the service itself."""
        return self.wrap_private_key(purpose, self.unwrap_private_key(purpose, wrapped))

    # --- inside

    def _material_of(self, version: KeyVersion) -> bytes:
        return self._unwrap(_MATERIAL, _version_facts(version), version.material)

    def _private_key(self, version: KeyVersion) -> asymmetric.Private:
        with self._lock:
            cached = self._private_keys.get(version.version_id)
        if cached is not None and cached[0] == version.material:
            return cached[1]
        private = asymmetric.ready(version.spec, self._material_of(version))
        with self._lock:
            _remember(self._private_keys, version.version_id, (version.material, private))
        return private

    def _open_material(self, version: KeyVersion) -> Material:
        # The row is compared: a batch that failed may have left the material of an import that never was.
        cached = self._material.get(version.version_id)
        if cached is not None and cached[0] == version.material:
            return cached[1]
        material = Material(self._material_of(version))
        _remember(self._material, version.version_id, (version.material, material))
        return material


def _version_facts(version: KeyVersion) -> bytes:
    return prefixed(
        "key_version",
        version.account,
        version.region,
        version.key_id,
        version.version_id,
        str(version.number),
        version.spec,
        version.usage,
        version.origin,
    )


def _key_facts(key: Key) -> bytes:
    return prefixed("key", key.account, key.region, key.key_id, key.spec)


def _secret_facts(account: str, access_key_id: str) -> bytes:
    return prefixed("access_key", account, access_key_id)


def _message_facts(version: KeyVersion, form: int, suite: int, context: Mapping[str, str]) -> bytes:
    place = version.account, version.key_id, version.number
    return _facts_of_messages(form, suite, version.version_id, *place) + prefixed(canonical(context))


@lru_cache(_CACHED)  # the same for every message under a version
def _facts_of_messages(
    form: int, suite: int, version_id: str, account: str, key_id: str, number: int
) -> bytes:
    return prefixed(bytes((form, suite)), version_id, account, key_id, str(number))


def _remember(cache: dict[str, T], name: str, value: T) -> None:
    if len(cache) >= _CACHED:
        del cache[next(iter(cache))]
    cache[name] = value
