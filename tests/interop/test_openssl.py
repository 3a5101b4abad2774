"""Key pairs and OpenSSL's command line, both ways: what one encrypts or signs, the other decrypts or verifies."""

import base64
import subprocess
from pathlib import Path

import pytest

from keystead.crypto import sm2
from keystead.domain.algorithms import ENCRYPTIONS, SIGNATURES
from keystead.domain.keys import KeySpec
from keystead.server import seed as seeds
from tests.harness import Members, Service, base64_of
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
    "RSAES_OAEP_SHA_1": "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1 -pkeyopt rsa_mgf1_md:sha1",
    "RSAES_OAEP_SHA_256": "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256",
    "SM2PKE": "",
    "RSA_PSS_SHA_256": "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1",
    "RSA_PKCS1_SHA_256": "",
    "ECDSA_SHA_256": "",
}
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
    seeds.plant(service.pipeline, seeds.read(str(folder / "seed.toml")))
    pair = {"KeyId": "k", "KeyVersionId": VERSION}
    (folder / "public.pem").write_text(service.ok("GetPublicKey", **pair)["PublicKey"])
    openssl(folder, "pkey -in private.pem -pubout -out theirs.pem")
    assert (folder / "theirs.pem").read_text() == (folder / "public.pem").read_text()
    return service, pair


@pytest.mark.parametrize(
    ("spec", "algorithm"), [(spec, name) for spec, names in ENCRYPTIONS.items() for name in names], ids=str
)
def test_encryption(tmp_path: Path, spec: KeySpec, algorithm: str) -> None:
    service, pair = of_openssl(tmp_path, spec, "ENCRYPT/DECRYPT")
    (tmp_path / "plain").write_bytes(MESSAGE)
    openssl(tmp_path, f"pkeyutl -encrypt -pubin -inkey public.pem {OPTIONS[algorithm]} -in plain -out theirs")
    theirs = base64_of((tmp_path / "theirs").read_bytes())
    opened = service.ok("AsymmetricDecrypt", CiphertextBlob=theirs, Algorithm=algorithm, **pair)
    assert base64.b64decode(opened["Plaintext"]) == MESSAGE
    sealed = service.ok("AsymmetricEncrypt", Plaintext=base64_of(MESSAGE), Algorithm=algorithm, **pair)
    raw = base64.b64decode(sealed["CiphertextBlob"])
    if spec is KeySpec.EC_SM2:
        # OpenSSL reads the DER of GM/T 0009 only; ours is the plain C1 || C3 || C2.
        def integer(number: bytes) -> bytes:
            short = number.lstrip(b"\0")
            content = b"\0" + short if short[0] & 0x80 else short
            return bytes([2, len(content)]) + content

        body = integer(raw[1:33]) + integer(raw[33:65]) + b"\x04\x20" + raw[65:97]
        body += bytes([4, len(raw) - 97]) + raw[97:]
        raw = (b"\x30\x81" if len(body) > 127 else b"\x30") + bytes([len(body)]) + body
    (tmp_path / "ours").write_bytes(raw)
    openssl(tmp_path, f"pkeyutl -decrypt -inkey private.pem {OPTIONS[algorithm]} -in ours -out opened")
    assert (tmp_path / "opened").read_bytes() == MESSAGE


@pytest.mark.parametrize(
    ("spec", "algorithm"), [(spec, name) for spec, names in SIGNATURES.items() for name in names], ids=str
)
def test_signatures(tmp_path: Path, spec: KeySpec, algorithm: str) -> None:
    service, pair = of_openssl(tmp_path, spec, "SIGN/VERIFY")
    (tmp_path / "message").write_bytes(MESSAGE)
    if spec is KeySpec.EC_SM2:
        options = "-rawin -digest sm3 -pkeyopt distid:1234567812345678"
        openssl(tmp_path, f"pkeyutl -sign -inkey private.pem {options} -in message -out theirs")
        check = f"pkeyutl -verify -pubin -inkey public.pem {options} -in message -sigfile ours"
        digest = sm2.z_digest(sm2.load_public((tmp_path / "public.pem").read_bytes()), MESSAGE)
    else:
        options = OPTIONS[algorithm]
        openssl(tmp_path, f"dgst -sha256 -sign private.pem {options} -out theirs message")
        openssl(tmp_path, "dgst -sha256 -binary -out digest message")
        check = f"dgst -sha256 -verify public.pem {options} -signature ours message"
        digest = (tmp_path / "digest").read_bytes()
    signing = {**pair, "Algorithm": algorithm, "Digest": base64_of(digest)}
    theirs = base64_of((tmp_path / "theirs").read_bytes())
    assert service.ok("AsymmetricVerify", Value=theirs, **signing)["Value"] is True
    (tmp_path / "ours").write_bytes(base64.b64decode(service.ok("AsymmetricSign", **signing)["Value"]))
    openssl(tmp_path, check)


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("RSAES_PKCS1_V1_5", "-pkeyopt rsa_padding_mode:pkcs1"),
        ("RSAES_OAEP_SHA_1", OPTIONS["RSAES_OAEP_SHA_1"]),
        ("RSAES_OAEP_SHA_256", OPTIONS["RSAES_OAEP_SHA_256"]),
        ("SM2PKE", ""),
    ],
)
def test_material_made_and_wrapped_by_openssl(tmp_path: Path, algorithm: str, options: str) -> None:
    needs("openssl")
    service = Service()
    key_id = service.key(Origin="EXTERNAL")
    openssl(tmp_path, "rand -out material 32")

    def bring(expires: int = 0) -> None:
        given = service.ok(
            "GetParametersForImport",
            KeyId=key_id,
            WrappingAlgorithm=algorithm,
            WrappingKeySpec="EC_SM2" if algorithm == "SM2PKE" else "RSA_2048",
        )
        (tmp_path / "public.der").write_bytes(base64.b64decode(given["PublicKey"]))
        openssl(
            tmp_path,
            f"pkeyutl -encrypt -pubin -keyform DER -inkey public.der {options} -in material -out wrapped",
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
