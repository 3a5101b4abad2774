"""Which key is good for what: spec, usage, origin, operation and algorithm, from tables, cell by cell."""

import base64
from collections.abc import Callable

import pytest

from keystead.crypto.primitives import asymmetric
from keystead.domain.keys.key import KeySpec
from tests.harness import Members, Service, base64_of, version_of
from tests.operations.test_states import (
    SM2_WRAPPING,
    external,
    sm2_material,
)

Names = dict[str, str]
SYMMETRIC = ("Aliyun_AES_256", "Aliyun_AES_192", "Aliyun_AES_128", "Aliyun_SM4")
RSA = ("RSA_2048", "RSA_3072", "RSA_4096")
MACS = ("HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512", "HMAC_SM3")
USAGES = ("ENCRYPT/DECRYPT", "SIGN/VERIFY", "GENERATE/VERIFY_MAC")
ORIGINS = ("Aliyun_KMS", "EXTERNAL", "EXTERNAL_KEY_STORE")
LENGTHS = {"Aliyun_AES_256": 32, "Aliyun_AES_192": 24, "Aliyun_AES_128": 16, "Aliyun_SM4": 16}


def answer(service: Service, action: str, parameters: Names) -> str:
    """`Success` or the code of the refusal, of InvalidParameter with the parameter's name."""
    status, members = service.call(action, **parameters)
    code = str(members.get("Code", "Success"))
    assert (status == 200) == (code == "Success")
    return f"{code} {members['Message'].split(chr(34))[1]}" if code == "InvalidParameter" else code


# --- what keys there can be

# Each usage with the keys of the server's own material, with those of imported material, and both when automatic rotation
# is asked for: k is a key, u a refused KeyUsage, o a refused Origin, r a refused rotation.
CREATED = """
                 ENCRYPT/DECRYPT   SIGN/VERIFY   GENERATE/VERIFY_MAC
Aliyun_AES_256   k k k r           u u u u       u u u u
Aliyun_AES_192   k k k r           u u u u       u u u u
Aliyun_AES_128   k k k r           u u u u       u u u u
Aliyun_SM4       k k k r           u u u u       u u u u
RSA_2048         k o r o           k o r o       u u u u
RSA_3072         k o r o           k o r o       u u u u
RSA_4096         k o r o           k o r o       u u u u
EC_P256          u u u u           k o r o       u u u u
EC_P256K         u u u u           k o r o       u u u u
EC_SM2           k o r o           k o r o       u u u u
HMAC_SHA_224     u u u u           u u u u       k o r o
HMAC_SHA_256     u u u u           u u u u       k o r o
HMAC_SHA_384     u u u u           u u u u       k o r o
HMAC_SHA_512     u u u u           u u u u       k o r o
HMAC_SM3         u u u u           u u u u       k o r o
"""
ANSWERS = {
    "k": "Success",
    "u": "InvalidParameter KeyUsage",
    "o": "Unsupported.Origin",
    "r": "UnsupportedOperation",
}
DEFAULTS = {
    **dict.fromkeys((*SYMMETRIC, *RSA, "EC_SM2"), "ENCRYPT/DECRYPT"),
    **dict.fromkeys(("EC_P256", "EC_P256K"), "SIGN/VERIFY"),
    **dict.fromkeys(MACS, "GENERATE/VERIFY_MAC"),
}


def created() -> list[tuple[str, str, str, bool, str]]:
    """Spec, usage, origin, whether rotation is asked for, and the answer."""
    found = []
    for line in CREATED.splitlines()[2:]:
        spec, *letters = line.split()
        for place, letter in enumerate(letters):
            usage, column = USAGES[place // 4], place % 4
            found.append((spec, usage, ORIGINS[column % 2], column > 1, ANSWERS[letter]))
        found += [
            (spec, usage, ORIGINS[2], asked, ANSWERS["o"]) for usage in USAGES for asked in (False, True)
        ]
    return found


def test_the_table_has_every_spec() -> None:
    assert len(created()) == 15 * 3 * 3 * 2
    assert list(dict.fromkeys(spec for spec, *_ in created())) == list(KeySpec)
    assert set(DEFAULTS) == set(KeySpec)


@pytest.mark.parametrize(("spec", "usage", "origin", "rotated", "expected"), created())
def test_create_key(spec: str, usage: str, origin: str, rotated: bool, expected: str) -> None:
    service = Service()
    asked = {"KeySpec": spec, "KeyUsage": usage, "Origin": origin}
    if rotated:
        asked |= {"EnableAutomaticRotation": "true", "RotationInterval": "7d"}
    assert answer(service, "CreateKey", asked) == expected
    keys = service.ok("ListKeys")["Keys"]["Key"]
    assert len(keys) == (expected == "Success")
    for key in keys:
        metadata = service.ok("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]
        assert {name: metadata[name] for name in ("KeySpec", "KeyUsage", "Origin")} == {
            "KeySpec": spec,
            "KeyUsage": usage,
            "Origin": origin,
        }
        assert metadata["KeyState"] == ("Enabled" if origin == "Aliyun_KMS" else "PendingImport")
        assert metadata["AutomaticRotation"] == ("Enabled" if rotated else "Disabled")


@pytest.mark.parametrize("spec", [spec for spec in DEFAULTS if spec not in ("RSA_3072", "RSA_4096")])
def test_what_a_key_is_for_if_nothing_is_said(spec: str) -> None:
    service = Service()
    assert service.ok("CreateKey", KeySpec=spec)["KeyMetadata"]["KeyUsage"] == DEFAULTS[spec]


# --- what each kind of key can do

CLASSES = ("symmetric", "external", "encrypts", "signs", "codes")
KINDS: dict[str, list[tuple[str, str]]] = {  # spec and usage
    "symmetric": [(spec, "ENCRYPT/DECRYPT") for spec in SYMMETRIC],
    "external": [(spec, "ENCRYPT/DECRYPT") for spec in SYMMETRIC],
    "encrypts": [(spec, "ENCRYPT/DECRYPT") for spec in (*RSA, "EC_SM2")],
    "signs": [(spec, "SIGN/VERIFY") for spec in (*RSA, "EC_P256", "EC_P256K", "EC_SM2")],
    "codes": [(spec, "GENERATE/VERIFY_MAC") for spec in MACS],
}
# y: it succeeds; u: UnsupportedOperation; r: Rejected.UnsupportedOperation; o: Unsupported.Origin.
USES = """
                                symmetric  external  encrypts  signs  codes
Encrypt                         y          y         u         u      u
GenerateDataKey                 y          y         u         u      u
GenerateDataKeyWithoutPlaintext y          y         u         u      u
GenerateAndExportDataKey        y          y         u         u      u
ReEncrypt                       y          y         u         u      u
ReEncrypt:source                y          y         y         r      r
AsymmetricEncrypt               r          r         y         r      r
AsymmetricDecrypt               r          r         y         r      r
AsymmetricSign                  r          r         r         y      r
AsymmetricVerify                r          r         r         y      r
GetPublicKey                    r          r         y         y      r
GenerateMac                     r          r         r         r      y
VerifyMac                       r          r         r         r      y
CreateKeyVersion                y          r         y         y      r
UpdateRotationPolicy            y          r         r         r      r
GetParametersForImport          o          y         o         o      o
ImportKeyMaterial               o          y         o         o      o
DeleteKeyMaterial               o          y         o         o      o
"""
LETTERS = {
    "y": "Success",
    "u": "UnsupportedOperation",
    "r": "Rejected.UnsupportedOperation",
    "o": "Unsupported.Origin",
}
# An algorithm that the spec has, if it has one of the kind.
SEALING = {**dict.fromkeys(RSA, "RSAES_OAEP_SHA_256"), "EC_SM2": "SM2PKE"}
SIGNING = {
    **dict.fromkeys(RSA, "RSA_PSS_SHA_256"),
    "EC_P256": "ECDSA_SHA_256",
    "EC_P256K": "ECDSA_SHA_256",
    "EC_SM2": "SM2DSA",
}
MAC_BYTES = {"HMAC_SHA_224": 28, "HMAC_SHA_256": 32, "HMAC_SHA_384": 48, "HMAC_SHA_512": 64, "HMAC_SM3": 32}


class Keys:
    """A service with one key of every kind, made when it is first asked for."""

    def __init__(self) -> None:
        self.service = Service()
        self._made: dict[tuple[str, str], Members] = {}

    def pair(self, spec: str, usage: str) -> Members:
        """KeyId and KeyVersionId of the key that was there first."""
        if (spec, usage) not in self._made:
            made = self.service.key(KeySpec=spec, KeyUsage=usage)
            self._made[spec, usage] = version_of(self.service, made)
        return dict(self._made[spec, usage])

    def sealed(self, pair: Members, spec: str, algorithm: str) -> str:
        """A ciphertext that opens under the private key, whatever the key is for."""
        if spec not in SEALING:
            return "AA=="
        pem = str(self.service.ok("GetPublicKey", **pair)["PublicKey"])
        der = base64.b64decode("".join(pem.splitlines()[1:-1]))
        public = asymmetric.load_public(KeySpec(spec), der)
        return base64_of(asymmetric.encrypt(KeySpec(spec), algorithm, public, b"abc"))

    def signed(self, pair: Members, spec: str, usage: str) -> str:
        """A signature of the key if it makes any."""
        if usage != "SIGN/VERIFY":
            return "AA=="
        asked = {**pair, "Algorithm": SIGNING[spec], "Digest": base64_of(bytes(32))}
        return str(self.service.ok("AsymmetricSign", **asked)["Value"])


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


def wrapping(service: Service) -> Names:
    """A public key to export a data key with."""
    private = asymmetric.generate(KeySpec.EC_SM2, service.entropy)
    return {**SM2_WRAPPING, "PublicKeyBlob": base64_of(asymmetric.public_key(KeySpec.EC_SM2, private))}


def parameters(keys: Keys, action: str, pair: Members, spec: str, usage: str) -> Names:
    """What the operation wants, right in all but the key."""
    service, about = keys.service, {"KeyId": str(pair["KeyId"])}
    sealing = {**pair, "Algorithm": SEALING.get(spec, "RSAES_OAEP_SHA_256")}
    signing = {
        **pair,
        "Algorithm": SIGNING.get(spec, "RSA_PSS_SHA_256"),
        "Digest": base64_of(bytes(32)),
    }
    coding = {**about, "Message": "AA==", "Algorithm": spec if spec in MACS else "HMAC_SHA_256"}
    match action:
        case "Encrypt":
            return {**about, "Plaintext": "x"}
        case "GenerateAndExportDataKey":
            return {**about, **wrapping(service)}
        case "ReEncrypt":
            own = keys.pair("Aliyun_AES_256", "ENCRYPT/DECRYPT")
            blob = service.ok("Encrypt", KeyId=own["KeyId"], Plaintext="x")["CiphertextBlob"]
            return {"CiphertextBlob": blob, "DestinationKeyId": about["KeyId"]}
        case "ReEncrypt:source":
            source = {
                "SourceKeyId": about["KeyId"],
                "SourceKeyVersionId": str(pair["KeyVersionId"]),
                "DestinationKeyId": str(keys.pair("Aliyun_AES_256", "ENCRYPT/DECRYPT")["KeyId"]),
            }
            if spec in SYMMETRIC:
                blob = service.ok("Encrypt", Plaintext="x", **about)["CiphertextBlob"]
                return {**source, "CiphertextBlob": blob}
            algorithm = sealing["Algorithm"]
            blob = keys.sealed(pair, spec, algorithm)
            return {**source, "CiphertextBlob": blob, "SourceEncryptionAlgorithm": algorithm}
        case "AsymmetricEncrypt":
            return {**sealing, "Plaintext": "AA=="}
        case "AsymmetricDecrypt":
            return {**sealing, "CiphertextBlob": keys.sealed(pair, spec, sealing["Algorithm"])}
        case "AsymmetricSign":
            return signing
        case "AsymmetricVerify":
            return {**signing, "Value": keys.signed(pair, spec, usage)}
        case "GetPublicKey":
            return pair
        case "GenerateMac":
            return coding
        case "VerifyMac":
            return {**coding, "Mac": base64_of(bytes(MAC_BYTES.get(spec, 32)))}
        case "UpdateRotationPolicy":
            return {**about, "EnableAutomaticRotation": "true", "RotationInterval": "7d"}
        case "GetParametersForImport":
            return {**about, **SM2_WRAPPING}
        case "ImportKeyMaterial":
            origin = service.ok("DescribeKey", **about)["KeyMetadata"]["Origin"]
            taker = about["KeyId"] if origin == "EXTERNAL" else service.key(Origin="EXTERNAL")
            return {**sm2_material(service, taker, bytes(LENGTHS.get(spec, 32))), **about}
        case _:
            return about


def uses() -> list[tuple[str, str, str, str, str]]:
    """Class of the key, spec, usage, operation and answer."""
    found = []
    for line in USES.splitlines()[2:]:
        action, *letters = line.split()
        for name, letter in zip(CLASSES, letters, strict=True):
            found += [(name, *kind, action, LETTERS[letter]) for kind in KINDS[name]]
    return found


def test_the_kinds_are_those_that_can_be_made() -> None:
    can = {
        (spec, usage, origin)
        for spec, usage, origin, rotated, told in created()
        if told == "Success" and not rotated
    }
    listed = {
        (*kind, "EXTERNAL" if name == "external" else "Aliyun_KMS")
        for name in CLASSES
        for kind in KINDS[name]
    }
    assert listed == can


@pytest.mark.parametrize(("name", "spec", "usage", "action", "expected"), uses())
def test_use(name: str, spec: str, usage: str, action: str, expected: str, keys: Keys) -> None:
    service = keys.service
    pair = keys.pair(spec, usage)
    if name == "external":
        pair = version_of(service, external(service, spec, LENGTHS[spec]))
    asked = parameters(keys, action, pair, spec, usage)
    assert answer(service, action.partition(":")[0], asked) == expected


# --- algorithms

ALGORITHMS = (
    "RSAES_OAEP_SHA_256",
    "RSAES_OAEP_SHA_1",
    "SM2PKE",
    "RSA_PSS_SHA_256",
    "RSA_PKCS1_SHA_256",
    "ECDSA_SHA_256",
    "SM2DSA",
    "RSAES_PKCS1_V1_5",  # for material and data keys only
)
# The algorithms in their order above; y: it succeeds; n: InvalidParameter.
OF_SPECS = """
           encrypts         signs
RSA_2048   y y n n n n n n  n n n y y n n n
RSA_3072   y y n n n n n n  n n n y y n n n
RSA_4096   y y n n n n n n  n n n y y n n n
EC_SM2     n n y n n n n n  n n n n n n y n
EC_P256    - - - - - - - -  n n n n n y n n
EC_P256K   - - - - - - - -  n n n n n y n n
"""
USED_BY = {
    "ENCRYPT/DECRYPT": ["AsymmetricEncrypt", "AsymmetricDecrypt", "ReEncrypt"],
    "SIGN/VERIFY": ["AsymmetricSign", "AsymmetricVerify"],
}


def algorithms() -> list[tuple[str, str, str, str, bool]]:
    """Operation, spec, usage, algorithm, and whether it goes."""
    found: list[tuple[str, str, str, str, bool]] = []
    for line in OF_SPECS.splitlines()[2:]:
        spec, *letters = line.split()
        for place, letter in enumerate(letters):
            usage, algorithm = USAGES[place // 8], ALGORITHMS[place % 8]
            found += [(one, spec, usage, algorithm, letter == "y") for one in USED_BY[usage] if letter != "-"]
    return found


@pytest.mark.parametrize(("action", "spec", "usage", "algorithm", "fits"), algorithms())
def test_algorithm(action: str, spec: str, usage: str, algorithm: str, fits: bool, keys: Keys) -> None:
    """What is to be opened or verified is right for an algorithm of the key, so that only the name can be refused."""
    pair = keys.pair(spec, usage)
    digest = base64_of(bytes(32))
    name = "SourceEncryptionAlgorithm" if action == "ReEncrypt" else "Algorithm"
    asked = {**pair, name: algorithm}
    match action:
        case "AsymmetricEncrypt":
            asked["Plaintext"] = "AA=="
        case "AsymmetricDecrypt":
            asked["CiphertextBlob"] = keys.sealed(pair, spec, algorithm if fits else SEALING[spec])
        case "AsymmetricSign":
            asked["Digest"] = digest
        case "AsymmetricVerify":
            made = {**pair, "Algorithm": algorithm if fits else SIGNING[spec], "Digest": digest}
            asked |= {"Digest": digest, "Value": keys.service.ok("AsymmetricSign", **made)["Value"]}
        case _:
            asked |= {
                "CiphertextBlob": keys.sealed(pair, spec, algorithm if fits else SEALING[spec]),
                "SourceKeyId": pair["KeyId"],
                "SourceKeyVersionId": pair["KeyVersionId"],
                "DestinationKeyId": keys.pair("Aliyun_AES_256", "ENCRYPT/DECRYPT")["KeyId"],
            }
    assert answer(keys.service, action, asked) == ("Success" if fits else f"InvalidParameter {name}")
    if fits and action == "AsymmetricVerify":
        assert keys.service.ok(action, **asked)["Value"] is True


@pytest.mark.parametrize("action", ["GenerateMac", "VerifyMac"])
@pytest.mark.parametrize("algorithm", MACS)
@pytest.mark.parametrize("spec", MACS)
def test_the_algorithm_of_a_code_is_its_keys_own(spec: str, algorithm: str, action: str, keys: Keys) -> None:
    about = {"KeyId": keys.pair(spec, "GENERATE/VERIFY_MAC")["KeyId"], "Message": "AA=="}
    made = keys.service.ok("GenerateMac", Algorithm=spec, **about)["Mac"]
    asked = {**about, "Algorithm": algorithm} | ({"Mac": made} if action == "VerifyMac" else {})
    expected = "Success" if spec == algorithm else "InvalidParameter Algorithm"
    assert answer(keys.service, action, asked) == expected


# --- who it is for


@pytest.mark.parametrize("action", ["AsymmetricDecrypt", "Decrypt", "GenerateDataKey"])
def test_a_recipient_is_refused(action: str, keys: Keys) -> None:
    own = keys.pair("Aliyun_AES_256", "ENCRYPT/DECRYPT")
    if action == "AsymmetricDecrypt":
        pair = keys.pair("EC_SM2", "ENCRYPT/DECRYPT")
        asked = parameters(keys, action, pair, "EC_SM2", "ENCRYPT/DECRYPT")
    elif action == "Decrypt":
        sealed = keys.service.ok("Encrypt", KeyId=own["KeyId"], Plaintext="x")
        asked = {"CiphertextBlob": sealed["CiphertextBlob"]}
    else:
        asked = {"KeyId": own["KeyId"]}
    assert answer(keys.service, action, {**asked, "Recipient": ""}) == "Success"
    assert answer(keys.service, action, {**asked, "Recipient": "r"}) == "UnsupportedOperation"


# --- what another key made


@pytest.mark.parametrize("spec", ["RSA_2048", "EC_P256", "EC_P256K", "EC_SM2"])
def test_a_signature_of_another_key_is_not_this_keys(spec: str, keys: Keys) -> None:
    service, pair = keys.service, keys.pair(spec, "SIGN/VERIFY")
    signing = {"Algorithm": SIGNING[spec], "Digest": base64_of(bytes(32))}
    other = version_of(service, service.key(KeySpec=spec, KeyUsage="SIGN/VERIFY"))
    for signer in (pair, other):
        value = service.ok("AsymmetricSign", **signer, **signing)["Value"]
        verified = service.ok("AsymmetricVerify", Value=value, **pair, **signing)
        assert verified["Value"] is (signer is pair)


@pytest.mark.parametrize("spec", ["RSA_2048", "EC_SM2"])
def test_a_ciphertext_of_another_key_does_not_open(spec: str, keys: Keys) -> None:
    service, pair = keys.service, keys.pair(spec, "ENCRYPT/DECRYPT")
    other = version_of(service, service.key(KeySpec=spec, KeyUsage="ENCRYPT/DECRYPT"))
    for sealer, expected in ((pair, "Success"), (other, "InvalidParameter CiphertextBlob")):
        sealed = service.ok("AsymmetricEncrypt", Plaintext="AA==", Algorithm=SEALING[spec], **sealer)
        blob = sealed["CiphertextBlob"]
        asked = {**pair, "Algorithm": SEALING[spec], "CiphertextBlob": blob}
        assert answer(service, "AsymmetricDecrypt", asked) == expected
        source = {
            "CiphertextBlob": blob,
            "SourceKeyId": pair["KeyId"],
            "SourceKeyVersionId": pair["KeyVersionId"],
            "SourceEncryptionAlgorithm": SEALING[spec],
            "DestinationKeyId": keys.pair("Aliyun_AES_256", "ENCRYPT/DECRYPT")["KeyId"],
        }
        assert answer(service, "ReEncrypt", source) == expected


def test_the_source_that_is_named_is_the_one_of_the_ciphertext(keys: Keys) -> None:
    service = keys.service
    own, other = (version_of(service, service.key()) for _ in range(2))
    sealed = service.ok("Encrypt", KeyId=own["KeyId"], Plaintext="x")["CiphertextBlob"]
    for key_id, version_id, expected in (
        (own["KeyId"], own["KeyVersionId"], "Success"),
        (own["KeyId"], "", "Success"),
        ("", own["KeyVersionId"], "Success"),
        (other["KeyId"], "", "InvalidParameter CiphertextBlob"),
        (own["KeyId"], other["KeyVersionId"], "InvalidParameter CiphertextBlob"),
        ("", other["KeyVersionId"], "InvalidParameter CiphertextBlob"),
    ):
        asked = {
            "CiphertextBlob": sealed,
            "SourceKeyId": key_id,
            "SourceKeyVersionId": version_id,
            "DestinationKeyId": own["KeyId"],
        }
        assert answer(service, "ReEncrypt", asked) == expected


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("spec", MACS)
def test_a_code_that_differs_in_one_bit_does_not_hold(spec: str, keys: Keys) -> None:
    asked = {
        "KeyId": keys.pair(spec, "GENERATE/VERIFY_MAC")["KeyId"],
        "Algorithm": spec,
        "Message": base64_of(b"message"),
    }
    mac = base64.b64decode(keys.service.ok("GenerateMac", **asked)["Mac"])
    assert keys.service.ok("VerifyMac", Mac=base64_of(mac), **asked)["Value"] is True
    changes: list[Callable[[bytes], bytes]] = [
        lambda mac: flipped(mac, 0),
        lambda mac: flipped(mac, len(mac) // 2),
        lambda mac: flipped(mac, len(mac) - 1),
        lambda mac: mac[:-1],
        lambda mac: mac + b"\0",
    ]
    for change in changes:
        assert keys.service.ok("VerifyMac", Mac=base64_of(change(mac)), **asked)["Value"] is False


# --- lengths


@pytest.mark.parametrize(("length", "expected"), [(31, False), (32, True), (33, False)])
@pytest.mark.parametrize("action", ["AsymmetricSign", "AsymmetricVerify"])
@pytest.mark.parametrize("spec", ["RSA_2048", "EC_P256", "EC_P256K", "EC_SM2"])
def test_a_digest_has_32_bytes(action: str, spec: str, length: int, expected: bool, keys: Keys) -> None:
    asked = {**keys.pair(spec, "SIGN/VERIFY"), "Algorithm": SIGNING[spec], "Digest": base64_of(bytes(length))}
    if action == "AsymmetricVerify":
        asked["Value"] = keys.signed(keys.pair(spec, "SIGN/VERIFY"), spec, "SIGN/VERIFY")
    assert answer(keys.service, action, asked) == ("Success" if expected else "InvalidParameter Digest")


@pytest.mark.parametrize(
    ("spec", "length", "expected"),
    [
        ("Aliyun_AES_256", 31, "InvalidKeyMaterial"),
        ("Aliyun_AES_256", 32, "Success"),
        ("Aliyun_AES_256", 33, "InvalidKeyMaterial"),
        ("Aliyun_AES_192", 23, "InvalidKeyMaterial"),
        ("Aliyun_AES_192", 24, "Success"),
        ("Aliyun_AES_192", 25, "InvalidKeyMaterial"),
        ("Aliyun_AES_128", 15, "InvalidKeyMaterial"),
        ("Aliyun_AES_128", 16, "Success"),
        ("Aliyun_AES_128", 17, "InvalidKeyMaterial"),
        ("Aliyun_SM4", 15, "InvalidKeyMaterial"),
        ("Aliyun_SM4", 16, "Success"),
        ("Aliyun_SM4", 17, "InvalidKeyMaterial"),
    ],
)
def test_material_is_as_long_as_the_keys_of_its_spec(spec: str, length: int, expected: str) -> None:
    service = Service()
    key_id = service.key(Origin="EXTERNAL", KeySpec=spec)
    assert answer(service, "ImportKeyMaterial", sm2_material(service, key_id, bytes(length))) == expected
    state = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"]
    assert state == ("Enabled" if expected == "Success" else "PendingImport")


NEVER = ""
INVALID_TIME = "InvalidParameter KeyMaterialExpireUnix"


@pytest.mark.parametrize(
    ("seconds", "expected", "told"),
    [
        (None, "Success", NEVER),
        (0, "Success", NEVER),
        ("now - 1", INVALID_TIME, NEVER),
        ("now", INVALID_TIME, NEVER),
        ("now + 1", "Success", "2026-01-02T03:04:06Z"),
        (253_402_300_799, "Success", "9999-12-31T23:59:59Z"),
        (253_402_300_800, INVALID_TIME, NEVER),
    ],
)
def test_when_material_can_expire(seconds: int | str | None, expected: str, told: str) -> None:
    service = Service()
    key_id = service.key(Origin="EXTERNAL")
    asked = sm2_material(service, key_id, bytes(32))
    if isinstance(seconds, str):
        seconds = int(service.clock.now()) + {"now - 1": -1, "now": 0, "now + 1": 1}[seconds]
    if seconds is not None:
        asked["KeyMaterialExpireUnix"] = str(seconds)
    assert answer(service, "ImportKeyMaterial", asked) == expected
    metadata = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert metadata["MaterialExpireTime"] == told
    assert metadata["KeyState"] == ("Enabled" if expected == "Success" else "PendingImport")


@pytest.mark.parametrize("count", [20, 21])
def test_several_tags_are_at_most_20(count: int, keys: Keys) -> None:
    service = keys.service
    key_id = service.key()
    about = {"RegionId": service.region, "ResourceType": "key", "ResourceId.1": key_id}
    tags = {f"Tag.{number}.Key": f"n{number}" for number in range(1, count + 1)}
    names = {f"TagKey.{number}": f"n{number}" for number in range(1, count + 1)}
    status = 200 if count == 20 else 400
    assert service.call("TagResources", **about, **tags)[0] == status
    assert len(service.ok("ListResourceTags", KeyId=key_id)["Tags"]["Tag"]) == (count if status == 200 else 0)
    assert service.call("UntagResources", **about, **names)[0] == status
    assert service.ok("ListResourceTags", KeyId=key_id)["Tags"]["Tag"] == []
    assert service.call("ListTagResources", **about, **tags)[0] == status
