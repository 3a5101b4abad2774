import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from keystead.crypto.primitives import asymmetric, sm2
from keystead.crypto.primitives.libcrypto import Unavailable
from keystead.crypto.sealing import Unopenable
from keystead.domain.keys.algorithms import ASYMMETRIC, ENCRYPTIONS, SIGNATURES
from keystead.domain.keys.key import KeySpec
from keystead.entropy import SeededEntropy
from keystead.errors import UnsupportedOperation

DIGEST = bytes(range(32))
PRIVATE = {spec: asymmetric.generate(spec, SeededEntropy(spec.encode())) for spec in sorted(ASYMMETRIC)}
PUBLIC = {spec: asymmetric.public_key(spec, private) for spec, private in PRIVATE.items()}
PAIRS = sorted(ASYMMETRIC)


def pkcs8(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b""
) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
    )


@pytest.mark.parametrize("spec", PAIRS)
def test_keys_go_out_and_come_in(spec: KeySpec) -> None:
    assert asymmetric.load_private(spec, PRIVATE[spec]) == PRIVATE[spec]
    assert asymmetric.load_public(spec, PUBLIC[spec]) == PUBLIC[spec]
    for other in PAIRS:
        if other != spec:
            with pytest.raises(ValueError, match=r"."):
                asymmetric.load_private(other, PRIVATE[spec])
            with pytest.raises(ValueError, match=r"."):
                asymmetric.load_public(other, PUBLIC[spec])
    for load in (asymmetric.load_private, asymmetric.load_public):
        with pytest.raises(ValueError, match=r"."):
            load(spec, b"no key")


def test_keys_that_are_none_of_ours() -> None:
    small = rsa.generate_private_key(65_537, 1024)
    for key in (small, ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        for spec in PAIRS:
            with pytest.raises(ValueError, match=r"."):
                asymmetric.load_private(spec, pkcs8(key))
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(ValueError, match=r"[Pp]assword"):
        asymmetric.load_private(KeySpec.EC_P256, pkcs8(key, b"password"))


def test_a_scalar_outside_the_order_is_drawn_again() -> None:
    class Chosen:
        def __init__(self) -> None:
            self.draws = [bytes(32), b"\xff" * 32, bytes(31) + b"\1"]

        def take(self, count: int) -> bytes:
            return self.draws.pop(0)

    private = asymmetric.generate(KeySpec.EC_P256, Chosen())
    key = serialization.load_der_private_key(private, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.private_numbers().private_value == 1


@pytest.mark.parametrize(
    ("spec", "name"), [(spec, name) for spec in PAIRS for name in SIGNATURES.get(spec, ())]
)
def test_signatures(spec: KeySpec, name: str) -> None:
    signature = asymmetric.sign(spec, name, PRIVATE[spec], DIGEST)
    assert asymmetric.verify(spec, name, PUBLIC[spec], DIGEST, signature)
    assert not asymmetric.verify(spec, name, PUBLIC[spec], bytes(32), signature)
    assert not asymmetric.verify(spec, name, PUBLIC[spec], DIGEST, b"")


@pytest.mark.parametrize(
    ("spec", "name"), [(spec, name) for spec in PAIRS for name in ENCRYPTIONS.get(spec, ())]
)
def test_encryption(spec: KeySpec, name: str) -> None:
    text = bytes(asymmetric.longest(spec, name))
    ciphertext = asymmetric.encrypt(spec, name, PUBLIC[spec], text)
    assert asymmetric.decrypt(spec, name, PRIVATE[spec], ciphertext) == text
    with pytest.raises(ValueError, match=r"."):
        asymmetric.encrypt(spec, name, PUBLIC[spec], text + b"\0")
    with pytest.raises(Unopenable):
        asymmetric.decrypt(spec, name, PRIVATE[spec], ciphertext[:-1])


def test_a_machine_without_sm2_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> bytes:
        raise Unavailable

    monkeypatch.setattr(sm2, "sign", missing)
    with pytest.raises(UnsupportedOperation):
        asymmetric.sign(KeySpec.EC_SM2, "SM2DSA", PRIVATE[KeySpec.EC_SM2], DIGEST)


@pytest.mark.parametrize("spec", PAIRS)
def test_a_key_that_is_ready_is_the_same_key(spec: KeySpec) -> None:
    private = asymmetric.ready(spec, PRIVATE[spec])
    assert isinstance(private, bytes) == (spec is KeySpec.EC_SM2)
    assert asymmetric.public_key(spec, private) == PUBLIC[spec]
    for algorithm in SIGNATURES[spec]:
        for _ in range(2):
            signature = asymmetric.sign(spec, algorithm, private, DIGEST)
            assert asymmetric.verify(spec, algorithm, PUBLIC[spec], DIGEST, signature)


def test_what_only_looks_like_a_wrapped_key_is_refused() -> None:
    """OpenSSL gives random bytes for a wrong padding, some of them as long as a key."""
    entropy = SeededEntropy(b"wrapped")
    private, public = PRIVATE[KeySpec.RSA_2048], PUBLIC[KeySpec.RSA_2048]
    how = (KeySpec.RSA_2048, "RSAES_PKCS1_V1_5")
    good = asymmetric.encrypt(*how, public, DIGEST)
    assert asymmetric.unwrap(*how, private, good, 32, entropy) == DIGEST
    with pytest.raises(Unopenable):
        asymmetric.unwrap(*how, private, good, 31, entropy)
    looks = 0
    for _ in range(20_000):
        wrapped = b"\0" + entropy.take(255)
        try:
            looks += len(asymmetric.decrypt(*how, private, wrapped)) == 32
        except Unopenable:
            continue
        with pytest.raises(Unopenable):
            asymmetric.unwrap(*how, private, wrapped, 32, entropy)
        if looks == 2:
            break
    assert looks == 2
