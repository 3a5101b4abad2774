"""Key pairs and OpenSSL's command line, both ways: what one encrypts or signs, the other decrypts or verifies."""

import base64
import subprocess
from pathlib import Path

import pytest

from keystead.crypto.primitives import sm2
from keystead.domain.keys.algorithms import ENCRYPTIONS, EXPORTS, IMPORTS, SIGNATURES
from keystead.domain.keys.key import KeySpec
from keystead.server.data import seed_file as seeds
from keystead.server.data import seeding
from tests.harness import Members, Service, base64_of, version_of
from tests.live import needs
from tests.operations.test_material import pass_time as expire

pytestmark = pytest.mark.interop

MAKE = {
    **{spec: f"RSA -pkeyopt rsa_keygen_bits:{spec[4:]}" for spec in KeySpec if spec.startswith("RSA")},
    KeySpec.EC_P256: "EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve",
    KeySpec.EC_P256K: "EC -pkeyopt ec_paramgen_curve:secp256k1 -pkeyopt ec_param_enc:named_curve",
    KeySpec.EC_SM2: "SM2",
}
OPTIONS = {
    "RSAES_PKCS1_V1_5": "-pkeyopt rsa_padding_mode:pkcs1",
    "RSAES_OAEP_SHA_1": "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1 -pkeyopt rsa_mgf1_md:sha1",
    "RSAES_OAEP_SHA_256": "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256",
    "SM2PKE": "",
    "RSA_PSS_SHA_256": "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1",
    "RSA_PKCS1_SHA_256": "",
    "ECDSA_SHA_256": "",
}
OF_SM2 = "-rawin -digest sm3 -pkeyopt distid:1234567812345678"
MESSAGE = b"a message of some length"
VERSION = "00000000-0000-4000-8000-000000000001"


def openssl(folder: Path, command: str) -> None:
    ended = subprocess.run(
        ["openssl", *command.split()], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, (command, ended.stderr)


def of_openssl(folder: Path, spec: KeySpec, usage: str) -> tuple[Service, Members]:
    """A service with a private key that OpenSSL made, and its public key in `public.pem` as GetPublicKey gives it."""
    needs("openssl")
    openssl(folder, f"genpkey -algorithm {MAKE[spec]} -out private.pem")
    pem = (folder / "private.pem").read_text()
    (folder / "seed.toml").write_text(
        f'[[key]]\nid = "k"\nspec = "{spec}"\nusage = "{usage}"\n'
        f'[[key.version]]\nid = "{VERSION}"\nmaterial = """\n{pem}"""\n'
    )
    service = Service()
    seeding.seed_store(service.pipeline, seeds.read(str(folder / "seed.toml")))
    pair = {"KeyId": "k", "KeyVersionId": VERSION}
    (folder / "public.pem").write_text(service.ok("GetPublicKey", **pair)["PublicKey"])
    openssl(folder, "pkey -in private.pem -pubout -out theirs.pem")
    assert (folder / "theirs.pem").read_text() == (folder / "public.pem").read_text()
    return service, pair


def of_keystead(folder: Path, spec: KeySpec, usage: str) -> tuple[Service, Members]:
    """A service with a key pair that it made itself, and the public key in `public.pem`."""
    needs("openssl")
    service = Service()
    pair = version_of(service, service.key(KeySpec=spec, KeyUsage=usage))
    (folder / "public.pem").write_text(service.ok("GetPublicKey", **pair)["PublicKey"])
    return service, pair


def theirs_opens(folder: Path, service: Service, pair: Members, algorithm: str) -> None:
    """What OpenSSL encrypts under the public key, the service decrypts."""
    (folder / "plain").write_bytes(MESSAGE)
    openssl(folder, f"pkeyutl -encrypt -pubin -inkey public.pem {OPTIONS[algorithm]} -in plain -out theirs")
    theirs = base64_of((folder / "theirs").read_bytes())
    opened = service.ok("AsymmetricDecrypt", CiphertextBlob=theirs, Algorithm=algorithm, **pair)
    assert base64.b64decode(opened["Plaintext"]) == MESSAGE


def opened_by_openssl(folder: Path, algorithm: str, ciphertext: str) -> bytes:
    """What the private key in `private.pem` opens."""
    raw = base64.b64decode(ciphertext)
    if algorithm == "SM2PKE":
        # OpenSSL reads the DER of GM/T 0009 only; ours is the plain C1 || C3 || C2.
        def integer(number: bytes) -> bytes:
            short = number.lstrip(b"\0")
            content = b"\0" + short if short[0] & 0x80 else short
            return bytes([2, len(content)]) + content

        body = integer(raw[1:33]) + integer(raw[33:65]) + b"\x04\x20" + raw[65:97]
        body += bytes([4, len(raw) - 97]) + raw[97:]
        raw = (b"\x30\x81" if len(body) > 127 else b"\x30") + bytes([len(body)]) + body
    (folder / "ours").write_bytes(raw)
    openssl(folder, f"pkeyutl -decrypt -inkey private.pem {OPTIONS[algorithm]} -in ours -out opened")
    return (folder / "opened").read_bytes()


def signing(folder: Path, spec: KeySpec, pair: Members, algorithm: str) -> Members:
    """What is asked to sign the message, with the digest that goes with the key in `public.pem`."""
    (folder / "message").write_bytes(MESSAGE)
    if spec is KeySpec.EC_SM2:
        digest = sm2.z_digest(sm2.load_public((folder / "public.pem").read_bytes()), MESSAGE)
    else:
        openssl(folder, "dgst -sha256 -binary -out digest message")
        digest = (folder / "digest").read_bytes()
    return {**pair, "Algorithm": algorithm, "Digest": base64_of(digest)}


def ours_verifies(folder: Path, service: Service, spec: KeySpec, asked: Members) -> None:
    """What the service signs, OpenSSL verifies with the public key."""
    (folder / "ours").write_bytes(base64.b64decode(service.ok("AsymmetricSign", **asked)["Value"]))
    if spec is KeySpec.EC_SM2:
        openssl(folder, f"pkeyutl -verify -pubin -inkey public.pem {OF_SM2} -in message -sigfile ours")
    else:
        openssl(
            folder,
            f"dgst -sha256 -verify public.pem {OPTIONS[asked['Algorithm']]} -signature ours message",
        )


@pytest.mark.parametrize(
    ("spec", "algorithm"), [(spec, name) for spec, names in ENCRYPTIONS.items() for name in names], ids=str
)
def test_encryption(tmp_path: Path, spec: KeySpec, algorithm: str) -> None:
    service, pair = of_openssl(tmp_path, spec, "ENCRYPT/DECRYPT")
    theirs_opens(tmp_path, service, pair, algorithm)
    sealed = service.ok("AsymmetricEncrypt", Plaintext=base64_of(MESSAGE), Algorithm=algorithm, **pair)
    assert opened_by_openssl(tmp_path, algorithm, sealed["CiphertextBlob"]) == MESSAGE


@pytest.mark.parametrize(
    ("spec", "algorithm"), [(spec, name) for spec, names in SIGNATURES.items() for name in names], ids=str
)
def test_signatures(tmp_path: Path, spec: KeySpec, algorithm: str) -> None:
    service, pair = of_openssl(tmp_path, spec, "SIGN/VERIFY")
    asked = signing(tmp_path, spec, pair, algorithm)
    if spec is KeySpec.EC_SM2:
        openssl(tmp_path, f"pkeyutl -sign -inkey private.pem {OF_SM2} -in message -out theirs")
    else:
        openssl(tmp_path, f"dgst -sha256 -sign private.pem {OPTIONS[algorithm]} -out theirs message")
    theirs = base64_of((tmp_path / "theirs").read_bytes())
    assert service.ok("AsymmetricVerify", Value=theirs, **asked)["Value"] is True
    ours_verifies(tmp_path, service, spec, asked)


@pytest.mark.parametrize("spec", ENCRYPTIONS)
def test_encryption_under_a_key_that_the_service_made(tmp_path: Path, spec: KeySpec) -> None:
    service, pair = of_keystead(tmp_path, spec, "ENCRYPT/DECRYPT")
    for algorithm in ENCRYPTIONS[spec]:
        theirs_opens(tmp_path, service, pair, algorithm)


@pytest.mark.parametrize("spec", SIGNATURES)
def test_signatures_of_a_key_that_the_service_made(tmp_path: Path, spec: KeySpec) -> None:
    service, pair = of_keystead(tmp_path, spec, "SIGN/VERIFY")
    for algorithm in SIGNATURES[spec]:
        ours_verifies(tmp_path, service, spec, signing(tmp_path, spec, pair, algorithm))


@pytest.mark.parametrize(
    ("spec", "algorithm"), [(spec, name) for spec, names in EXPORTS.items() for name in names], ids=str
)
def test_exported_data_keys(tmp_path: Path, spec: KeySpec, algorithm: str) -> None:
    needs("openssl")
    service = Service()
    key_id = service.key()
    openssl(tmp_path, f"genpkey -algorithm {MAKE[spec]} -out private.pem")
    openssl(tmp_path, "pkey -in private.pem -pubout -outform DER -out public.der")
    wrapping = {
        "PublicKeyBlob": base64_of((tmp_path / "public.der").read_bytes()),
        "WrappingKeySpec": spec,
        "WrappingAlgorithm": algorithm,
    }
    context = {"EncryptionContext": '{"app":"web"}'}
    made = service.ok("GenerateDataKeyWithoutPlaintext", KeyId=key_id, **context)
    made |= service.ok("ExportDataKey", CiphertextBlob=made["CiphertextBlob"], **wrapping, **context)
    for count in ("16", "32", "64"):
        both = service.ok(
            "GenerateAndExportDataKey", KeyId=key_id, NumberOfBytes=count, **wrapping, **context
        )
        for one in (made, both):
            opened = service.ok("Decrypt", CiphertextBlob=one["CiphertextBlob"], **context)["Plaintext"]
            data_key = opened_by_openssl(tmp_path, algorithm, one["ExportedDataKey"])
            assert base64_of(data_key) == opened
            assert len(data_key) == (32 if one is made else int(count))


@pytest.mark.parametrize(
    ("spec", "algorithm"), [(spec, name) for spec, names in IMPORTS.items() for name in names], ids=str
)
def test_material_made_and_wrapped_by_openssl(tmp_path: Path, spec: KeySpec, algorithm: str) -> None:
    needs("openssl")
    service = Service()
    key_id = service.key(Origin="EXTERNAL")
    openssl(tmp_path, "rand -out material 32")

    def bring(expires: int = 0) -> None:
        given = service.ok(
            "GetParametersForImport",
            KeyId=key_id,
            WrappingAlgorithm=algorithm,
            WrappingKeySpec=spec,
        )
        (tmp_path / "public.der").write_bytes(base64.b64decode(given["PublicKey"]))
        openssl(
            tmp_path,
            f"pkeyutl -encrypt -pubin -keyform DER -inkey public.der {OPTIONS[algorithm]} -in material -out wrapped",
        )
        service.ok(
            "ImportKeyMaterial",
            KeyId=key_id,
            EncryptedKeyMaterial=base64_of((tmp_path / "wrapped").read_bytes()),
            ImportToken=given["ImportToken"],
            KeyMaterialExpireUnix=str(expires),
        )

    bring()
    blobs = [service.ok("Encrypt", KeyId=key_id, Plaintext="one")["CiphertextBlob"]]
    service.ok("DeleteKeyMaterial", KeyId=key_id)
    bring(int(service.clock.now()) + 60)
    blobs.append(service.ok("Encrypt", KeyId=key_id, Plaintext="two")["CiphertextBlob"])
    expire(service, 60)
    assert service.refused("Decrypt", CiphertextBlob=blobs[0]) == "Rejected.PendingImport"
    bring()
    assert [service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] for blob in blobs] == ["one", "two"]
