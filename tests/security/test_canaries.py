"""Known secrets go through every operation, in good and failing calls; afterwards they are nowhere to be found."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import sqlite3
import ssl
import sys
import textwrap
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.hashes import SM3, Hash
from cryptography.hazmat.primitives.hmac import HMAC

from keystead.api.operation import CATALOGUE
from keystead.clock import SystemClock, iso8601
from keystead.crypto.primitives import sm2
from keystead.crypto.wrapping import _wrapping_key_facts
from keystead.domain.keys.algorithms import ASYMMETRIC, RSA
from keystead.domain.keys.key import KeySpec
from keystead.domain.products import KMS
from keystead.entropy import SystemEntropy
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from tests.canaries import Finding, encodings, files, rows, search
from tests.live import LiveServer
from tests.live import keystead as command

EVERY_SPEC = Path(__file__).parents[1] / "vectors" / "seed" / "every.toml"
FORM = "application/x-www-form-urlencoded"
PLAINTEXTS = {
    "plaintext": b"canary-4f1c-plain/text+one",
    "plaintext with a line break": "canary-77a1\nzwei ü drei".encode(),
    "plaintext in base64": b"\x00\xfecanary-0b93\xff\x10 binary",
    "plaintext that is refused": b"canary-e6d2-refused",
}
MATERIAL = b"canary-2c9b-material-of-32-bytes"
SEALED = b"canary-51d0-for a public key\x00\xff"
MESSAGE = b"canary-c0de-message of a code\xfe\x01"
SID = "canary-9d2e-policy"
STATEMENT = {
    "Sid": SID,
    "Effect": "Allow",
    "Action": ["kms:*"],
    "Principal": {"RAM": ["acs:ram::1000000000000001:*"]},
    "Resource": ["*"],
}
POLICY = json.dumps({"Version": "1", "Statement": [STATEMENT]})
SEEDED = ("LTAISEEDED", "canary-88aa-seeded-secret")
KNOWN = PLAINTEXTS | {
    "imported material": MATERIAL,
    "plaintext for a public key": SEALED,
    "message of a code": MESSAGE,
    "policy": SID.encode(),
    "seeded AccessKey's secret": SEEDED[1].encode(),
}
REFUSED = {"OpenKmsService", "GetChallenge"}  # always
SENSITIVE = {field.name for operation in CATALOGUE for field in operation.fields if field.param.sensitive}
Pair = tuple[str, str]


# --- every way to sign


def digest(scheme: str, data: bytes) -> bytes:
    if scheme != "ACS3-HMAC-SM3":
        return hashlib.sha256(data).digest()
    sm3 = Hash(SM3())
    sm3.update(data)
    return sm3.finalize()


def mac(scheme: str, key: bytes, message: bytes) -> bytes:
    if scheme != "ACS3-HMAC-SM3":
        return hmac.digest(key, message, "sha1" if scheme == "HMAC-SHA1" else "sha256")
    code = HMAC(key, SM3())
    code.update(message)
    return code.finalize()


def canonical(parameters: dict[str, str]) -> str:
    return "&".join(
        f"{quote(name, safe='~')}={quote(parameters[name], safe='~')}" for name in sorted(parameters)
    )


def signed(
    scheme: str, method: str, form: bool, host: str, access_key: Pair, parameters: dict[str, str]
) -> tuple[str, dict[str, str], bytes]:
    """Target, headers and body of a call."""
    now, nonce = iso8601(time.time()), uuid.uuid4().hex
    headers = {"host": host, "content-type": FORM} if form else {"host": host}
    if not scheme.startswith("ACS"):
        whole = {
            **parameters,
            "AccessKeyId": access_key[0],
            "SignatureMethod": scheme,
            "SignatureVersion": "1.0",
            "SignatureNonce": nonce,
            "Timestamp": now,
        }
        to_sign = f"{method}&%2F&{quote(canonical(whole), safe='~')}".encode()
        whole["Signature"] = base64.b64encode(mac(scheme, f"{access_key[1]}&".encode(), to_sign)).decode()
        return ("/", headers, urlencode(whole).encode()) if form else (f"/?{urlencode(whole)}", headers, b"")
    parameters = dict(parameters)
    body = b""
    if form:
        body, query = urlencode(parameters).encode(), ""
    else:
        query = canonical(parameters)
    headers |= {
        "x-acs-date": now,
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": digest(scheme, body).hex(),
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    whole_text = f"{method}\n/\n{query}\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
    to_sign = f"{scheme}\n{digest(scheme, whole_text.encode()).hex()}".encode()
    key, credential = access_key[1].encode(), access_key[0]
    if scheme.startswith("ACS4"):
        key = b"aliyun_v4" + key
        scope = (now[:10].replace("-", ""), "cn-hangzhou", "kms", "aliyun_v4_request")
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        credential = "/".join((credential, *scope))
    headers["authorization"] = (
        f"{scheme} Credential={credential},SignedHeaders={names},Signature={mac(scheme, key, to_sign).hex()}"
    )
    return f"/?{query}", headers, body


SCHEMES = ["HMAC-SHA1", "HMAC-SHA256", "ACS3-HMAC-SHA256", "ACS3-HMAC-SM3", "ACS4-HMAC-SHA256"]
WAYS = [
    (scheme, method, form)
    for scheme in SCHEMES
    for method, form in (("GET", False), ("POST", False), ("POST", True))
]


class Caller:
    """Calls a server in one way of signing."""

    def __init__(self, server: LiveServer, access_key: Pair) -> None:
        found = server.description
        self.host = found["url"].partition("://")[2]
        name, port = self.host.rsplit(":", 1)
        context = ssl.create_default_context(cafile=found["ca_file"])
        self.connection = http.client.HTTPSConnection(name, int(port), timeout=30, context=context)
        self.access_key = access_key
        self.way = WAYS[0]
        self.done: set[str] = set()  # operations that succeeded
        self.own: dict[str, str] = {}  # keys by spec

    def send(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, Any]]:
        self.connection.request(method, target, body or None, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        members = json.loads(content) if b"<?xml" not in content else {}
        return answer.status, members

    def call(
        self, action: str, access_key: Pair | None = None, /, **parameters: str
    ) -> tuple[int, dict[str, Any]]:
        scheme, method, form = self.way
        whole = {"Action": action, "Version": "2016-01-20", **parameters}
        return self.send(
            method, *signed(scheme, method, form, self.host, access_key or self.access_key, whole)
        )

    def ok(self, action: str, **parameters: str) -> dict[str, Any]:
        status, members = self.call(action, None, **parameters)
        assert status == 200, (self.way, action, members.get("Code"))
        self.done.add(action)
        return members

    def key(self, **parameters: str) -> str:
        """A new key's id."""
        return str(self.ok("CreateKey", **parameters)["KeyMetadata"]["KeyId"])

    def of(self, spec: str) -> str:
        """The id of a key of this spec, made at the first call."""
        if spec not in self.own:
            self.own[spec] = self.key(KeySpec=spec)
        return self.own[spec]

    def version_of(self, key_id: str) -> dict[str, str]:
        """KeyId and KeyVersionId of a key's latest version."""
        listed = self.ok("ListKeyVersions", KeyId=key_id)["KeyVersions"]["KeyVersion"]
        return {"KeyId": key_id, "KeyVersionId": listed[0]["KeyVersionId"]}


# --- the calls


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def every_operation(caller: Caller, secrets: dict[str, bytes]) -> None:
    """Each of them at least once, well."""
    caller.done = set()
    data(caller, secrets)
    pairs_and_codes(caller, secrets)
    bring_and_take(caller, secrets)
    about_keys(caller)
    for action in REFUSED:
        assert caller.call(action)[0] == 400
    assert caller.done == {operation.action for operation in CATALOGUE.of(KMS)} - REFUSED


def about_keys(caller: Caller) -> None:
    """What is done to keys, and said of them."""
    key_id = caller.key(Policy=POLICY, Tags='[{"TagKey": "a", "TagValue": "b"}]')
    for action in ("DescribeKey", "DisableKey", "EnableKey", "ListResourceTags", "GetKeyPolicy"):
        caller.ok(action, KeyId=key_id)
    for action in ("ListKeys", "DescribeRegions", "DescribeAccountKmsStatus"):
        caller.ok(action)
    caller.ok("UpdateKeyDescription", KeyId=key_id, Description="d")
    caller.ok("SetKeyPolicy", KeyId=key_id, Policy=POLICY)
    caller.call("SetKeyPolicy", KeyId=key_id, Policy=POLICY, PolicyName="other")
    version_id = caller.ok("CreateKeyVersion", KeyId=key_id)["KeyVersion"]["KeyVersionId"]
    caller.ok("DescribeKeyVersion", KeyId=key_id, KeyVersionId=version_id)
    caller.ok("UpdateRotationPolicy", KeyId=key_id, EnableAutomaticRotation="true", RotationInterval="7d")
    caller.ok("TagResource", KeyId=key_id, Tags='[{"TagKey": "c", "TagValue": "d"}]')
    caller.ok("UntagResource", KeyId=key_id, TagKeys='["c"]')
    several = {"RegionId": "cn-hangzhou", "ResourceType": "key", "ResourceId.1": key_id}
    caller.ok("TagResources", **several, **{"Tag.1.Key": "e"})
    caller.ok("ListTagResources", **several)
    caller.ok("UntagResources", **several, **{"TagKey.1": "e"})
    for protect in ("true", "false"):
        caller.ok("SetDeletionProtection", KeyId=key_id, EnableDeletionProtection=protect)
    caller.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    caller.ok("CancelKeyDeletion", KeyId=key_id)


def pairs_and_codes(caller: Caller, secrets: dict[str, bytes]) -> None:
    """Key pairs and codes: of new keys, and of those of the seed."""
    sealers = {caller.of("EC_SM2"): "SM2PKE", "rsa-2048-encrypt": "RSAES_OAEP_SHA_256"}
    for key_id, algorithm in sealers.items():
        pair = {**caller.version_of(key_id), "Algorithm": algorithm}
        blob = caller.ok("AsymmetricEncrypt", Plaintext=text_of(SEALED), **pair)["CiphertextBlob"]
        assert caller.ok("AsymmetricDecrypt", CiphertextBlob=blob, **pair)["Plaintext"] == text_of(SEALED)
        caller.call("AsymmetricDecrypt", CiphertextBlob=text_of(SEALED), **pair)
        caller.call("AsymmetricEncrypt", Plaintext=text_of(SEALED * 20), **pair)
    signers = {
        caller.of("EC_P256"): "ECDSA_SHA_256",
        "rsa-2048-sign": "RSA_PSS_SHA_256",
        "ec-sm2-sign": "SM2DSA",
    }
    for key_id, algorithm in signers.items():
        pair = caller.version_of(key_id)
        caller.ok("GetPublicKey", **pair)
        signing = {**pair, "Algorithm": algorithm, "Digest": text_of(bytes(32))}
        value = caller.ok("AsymmetricSign", **signing)["Value"]
        assert caller.ok("AsymmetricVerify", Value=value, **signing)["Value"] is True
        caller.ok("AsymmetricVerify", Value=text_of(SEALED), **signing)
    coding = {
        "KeyId": caller.of("HMAC_SHA_256"),
        "Algorithm": "HMAC_SHA_256",
        "Message": text_of(MESSAGE),
    }
    code = caller.ok("GenerateMac", **coding)["Mac"]
    secrets[f"code of {coding['KeyId']}"] = base64.b64decode(code)
    assert caller.ok("VerifyMac", Mac=code, **coding)["Value"] is True
    caller.call("VerifyMac", Mac=text_of(MESSAGE), **coding)


def bring_and_take(caller: Caller, secrets: dict[str, bytes]) -> None:
    """Material in, out, and in again; data keys out."""
    number = len(secrets)
    key_id = caller.key(Origin="EXTERNAL")
    wrapping = {"WrappingKeySpec": "EC_SM2", "WrappingAlgorithm": "SM2PKE"}
    given = caller.ok("GetParametersForImport", KeyId=key_id, **wrapping)
    public = sm2.load_public(base64.b64decode(given["PublicKey"]))
    bringing = {"KeyId": key_id, "ImportToken": given["ImportToken"]}
    wrapped = sm2.encrypt(public, MATERIAL)
    secrets[f"wrapped material {number}"] = wrapped
    secrets[f"import token of {key_id}"] = base64.b64decode(given["ImportToken"])
    for _ in range(2):
        caller.ok("ImportKeyMaterial", EncryptedKeyMaterial=text_of(wrapped), **bringing)
        caller.call("ImportKeyMaterial", EncryptedKeyMaterial=text_of(MATERIAL), **bringing)
        caller.ok("DeleteKeyMaterial", KeyId=key_id)
    caller.ok("ImportKeyMaterial", EncryptedKeyMaterial=text_of(wrapped), **bringing)
    caller.call("ImportKeyMaterial", EncryptedKeyMaterial=text_of(sm2.encrypt(public, SEALED)), **bringing)
    wrapping["PublicKeyBlob"] = given["PublicKey"]
    blob = caller.ok("GenerateAndExportDataKey", KeyId=key_id, **wrapping)["CiphertextBlob"]
    caller.ok("ExportDataKey", CiphertextBlob=blob, **wrapping)
    data_key = base64.b64decode(caller.ok("Decrypt", CiphertextBlob=blob)["Plaintext"])
    secrets[f"exported data key {number}"] = data_key


def data(caller: Caller, secrets: dict[str, bytes]) -> None:
    """Aliases, what is encrypted under them, and data keys."""
    number = len(secrets)
    key_id = caller.key()
    alias = f"alias/a{uuid.uuid4().hex}"
    caller.ok("CreateAlias", KeyId=key_id, AliasName=alias)
    caller.ok("UpdateAlias", KeyId=key_id, AliasName=alias)
    caller.ok("ListAliases")
    caller.ok("ListAliasesByKeyId", KeyId=key_id)
    for name, raw in PLAINTEXTS.items():
        text = base64.b64encode(raw).decode() if "base64" in name else raw.decode()
        context = '{"app":"web"}'
        blob = caller.ok("Encrypt", KeyId=alias, Plaintext=text, EncryptionContext=context)["CiphertextBlob"]
        assert caller.ok("Decrypt", CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == text
        caller.call("Decrypt", CiphertextBlob=blob)
        again = {"CiphertextBlob": blob, "SourceEncryptionContext": context, "DestinationKeyId": key_id}
        caller.ok("ReEncrypt", **again)
        caller.call("Encrypt", KeyId=alias, Plaintext=text, Format="XML")
    specs: tuple[dict[str, str], ...] = ({}, {"KeySpec": "AES_128"}, {"NumberOfBytes": "64"})
    for spec in specs:
        made = caller.ok("GenerateDataKey", **spec, KeyId=key_id)
        secrets[f"data key {number} {spec}"] = base64.b64decode(made["Plaintext"])
        caller.ok("Decrypt", CiphertextBlob=made["CiphertextBlob"])
    sealed = caller.ok("GenerateDataKeyWithoutPlaintext", KeyId=key_id)["CiphertextBlob"]
    secrets[f"data key {number} without plaintext"] = base64.b64decode(
        caller.ok("Decrypt", CiphertextBlob=sealed)["Plaintext"]
    )
    caller.ok("DeleteAlias", AliasName=alias)


def failing_calls(caller: Caller, key_id: str, fault: bool) -> None:
    """Every operation refused in many ways, each with a secret where a careless client might put it."""
    text = PLAINTEXTS["plaintext that is refused"].decode()
    secret = caller.access_key[1]
    root = caller.access_key[0]
    refused: list[tuple[Pair | None, dict[str, str]]] = [
        (None, {**dict.fromkeys(SENSITIVE, text), "Extra": text}),
        (None, {"Plaintext": text * 400, "KeyId": key_id, "Policy": text * 400}),
        (None, {**dict.fromkeys(SENSITIVE, text_of(text.encode())), "KeyId": key_id, "DryRun": "true"}),
        (None, {"Plaintext": text, "KeyId": key_id, "EncryptionContext": "["}),
        (None, {"Plaintext": text, "KeyId": key_id, "PlaintextBlob": text, "CiphertextBlob": text}),
        (None, {"Plaintext": text, "KeyId": key_id, "Format": "XML", "Recipient": text, "Policy": text}),
        (None, {"Plaintext": text, "KeyId": "nowhere", "AccessKeySecret": secret}),
        (None, {"Plaintext": text, "KeyId": key_id, "SecurityToken": secret}),
        ((root, "wrong" + secret), {"Plaintext": text, "KeyId": key_id}),
        (("LTAInobody", secret), {"Plaintext": text, "KeyId": key_id}),
        ((secret, root), {"Plaintext": text, "KeyId": key_id}),
    ]
    for operation in CATALOGUE:
        for access_key, parameters in refused:
            status, _ = caller.call(operation.action, access_key, **parameters)
            # A catalogue's parameters of other operations are ignored, so listings succeed.
            assert status < 500
    if fault:
        status, members = caller.call("Encrypt", KeyId=key_id, Plaintext=f"fault {text}")
        assert (status, members["Code"]) == (500, "InternalFailure")


def malformed(caller: Caller, key_id: str) -> None:
    """What is not even a call; the server may close the connection after each."""
    text = PLAINTEXTS["plaintext that is refused"].decode()
    target, headers, body = signed(
        "HMAC-SHA1", "POST", False, caller.host, caller.access_key,
        {"Action": "Encrypt", "Version": "2016-01-20", "KeyId": key_id, "Plaintext": text},
    )  # fmt: skip
    requests: list[tuple[str, str, dict[str, str], bytes]] = [
        ("POST", target + "&Plaintext=" + text, headers, body),
        ("POST", target + "&a=%zz", headers, body),
        ("POST", target + "&a=%ff", headers, body),
        ("POST", "/" + text + target[1:], headers, body),
        ("PUT", target, headers, body),
        ("DELETE", target, headers, body),
        ("POST", target + "&a=" + text * 8000, headers, body),
        (
            "POST",
            "/",
            {**headers, "content-type": "application/json"},
            json.dumps({"Plaintext": text}).encode(),
        ),
        ("POST", "/", {**headers, "content-type": FORM}, b"Plaintext=" + text.encode() * 60_000),
        ("POST", target, {**headers, "content-encoding": "gzip"}, text.encode()),
        ("POST", "/", {**headers, "authorization": f"Bearer {caller.access_key[1]}"}, b""),
        ("POST", target, {**headers, "x-acs-" + text: text}, b""),
        ("POST", target, {**headers, "expect": text}, b""),
        ("GET", target, {**headers, "cookie": text * 3000}, b""),
        (text, target, headers, body),
    ]
    for method, where, lines, content in requests:
        try:
            status, _ = caller.send(method, where, lines, content)
            assert status < 500
        except (OSError, http.client.HTTPException, ValueError):
            caller.connection.close()


def run_calls(
    server: LiveServer, secrets: dict[str, bytes], ways: list[tuple[str, str, bool]], fault: bool
) -> None:
    key = json.loads((server.data / "root-access-key.json").read_text())
    root = (key["AccessKeyId"], key["AccessKeySecret"])
    data = ("--data", str(server.data))
    made = re.findall(
        r'"(?:AccessKeyId|AccessKeySecret)": "(\w+)"', command("access-key", "create", *data).stdout
    )
    assert len(made) == 2
    secrets |= KNOWN | {
        "root AccessKey's secret": root[1].encode(),
        "AccessKey's secret": made[1].encode(),
    }
    for access_key in (root, (made[0], made[1]))[: len(ways)]:
        caller = Caller(server, access_key)
        key_id = caller.key()
        for caller.way in ways:
            every_operation(caller, secrets)
            failing_calls(caller, key_id, fault)
            malformed(caller, key_id)
        caller.connection.close()
    caller = Caller(server, SEEDED)
    caller.ok("ListKeys")
    caller.connection.close()
    # Our own operations, through the control socket; `create` was before. A secret may be pasted in the place of an id.
    verbs = ("deactivate", "activate", "delete")
    chores = [
        ["list"],
        *([verb, word] for word in (made[1], f"{made[0]}{made[1]}", made[0]) for verb in verbs),
    ]
    for words in chores if len(ways) > 1 else []:
        command("access-key", *words, *data)


# --- the places


def running_places(server: LiveServer, temporary: Path) -> dict[str, bytes]:
    """What is to be seen of a running server."""
    assert server.process is not None
    data = ("--data", str(server.data))
    found = {f"running {name}": content for name, content in files(server.data, temporary).items()}
    with urllib.request.urlopen(f"{server.description['ops_url']}/metrics", timeout=10) as answer:
        found["metrics"] = answer.read()
    for verb in ("list", "export", "verify"):
        told = command("audit", verb, *data)
        found[f"audit {verb}"] = (told.stdout + told.stderr).encode()
    for place, pid in enumerate(server.processes):
        for name in ("cmdline", "environ", "comm"):
            # It may have ended; and who is not root is not shown all of it.
            with contextlib.suppress(FileNotFoundError, PermissionError):
                found[f"{name} of process {place}"] = Path(f"/proc/{pid}/{name}").read_bytes()
    return found


def stopped_places(server: LiveServer, temporary: Path) -> dict[str, bytes]:
    return {
        **files(server.data, temporary),
        "log": server.log.read_bytes(),
        "rows": rows(server.data / "keystead.db"),
    }


def inside(data: Path, tokens: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """The secrets of a stopped server, as only its own vault can say them; `tokens` are import tokens by key."""
    directory = DataDirectory(data)
    world = open_store(directory, SystemClock(), SystemEntropy())
    keys, vault = world.store.keys, world.vault
    try:
        for row in world.store.keyring.all():
            opened = vault._root.unwrap(_wrapping_key_facts(row.generation), row.blob)
            yield f"wrapping key {row.generation}", opened
        for (version_id,) in world.store._database.rows("SELECT version_id FROM key_versions"):  # type: ignore[attr-defined]
            version = keys.version(world.account, version_id)
            assert version is not None
            if material := vault._material_of(version):  # a key may wait for its own
                yield from parts(f"material of {version_id}", version.spec, material)
        for key_id, token in tokens.items():
            key = keys.get(world.account, "cn-hangzhou", key_id)
            assert key is not None
            transport = vault.open_token(key, token)
            yield from parts(f"import key of {key_id}", transport.spec, transport.private_key)
    finally:
        world.store.close()
    encoded = directory.root_key.read_text().split("\n")[1]
    yield "root key", base64.b64decode(encoded)


def parts(name: str, spec: KeySpec, material: bytes) -> Iterator[tuple[str, bytes]]:
    """Material, and of a private key what stands in one piece in a PEM too: its end with RSA, its scalar with a curve."""
    yield name, material
    if spec not in ASYMMETRIC:
        return
    begin = len(material) - 64 if spec in RSA else material.index(b"\x02\x01\x01\x04\x20") + 5
    for start in range(begin, begin + 32, 16):
        yield f"{name} at {start}", material[start : start + 16]


def kept(finding: Finding, server: LiveServer) -> bool:
    """Whether it is where the server keeps it, and tells its owner so."""
    place = finding.place.removeprefix("running ")
    if finding.secret == "policy":
        return place == "rows" or place.startswith(str(server.data / "keystead.db"))
    keeps = {"root key": "root.key", "root AccessKey's secret": "root-access-key.json"}
    name = keeps.get(finding.secret)
    return name is not None and place == str(server.data / name)


def leaks(
    server: LiveServer, temporary: Path, ways: list[tuple[str, str, bool]], fault: bool
) -> list[Finding]:
    """Run a server, call it in all these ways, stop it, and search."""
    temporary.mkdir()
    server.env = {**(server.env or {}), "TMPDIR": str(temporary), "SQLITE_TMPDIR": str(temporary)}
    secrets: dict[str, bytes] = {}
    server.start()
    try:
        run_calls(server, secrets, ways, fault)
        places = running_places(server, temporary)
    finally:
        server.stop()
    places |= stopped_places(server, temporary)
    recorded = places["audit export"].decode()
    called = CATALOGUE if len(ways) > 1 else CATALOGUE.of(KMS)
    assert [one.action for one in called if f'"{one.action}"' not in recorded] == []
    of_key = "import token of "
    tokens = {name.removeprefix(of_key): token for name, token in secrets.items() if name.startswith(of_key)}
    assert len(tokens) >= len(ways)
    secrets |= dict(inside(server.data, tokens))
    assert len([name for name in secrets if name.startswith("material")]) >= len(ways)
    return [finding for finding in search(secrets, places) if not kept(finding, server)]


# A fault whose text quotes the plaintext, and whose frames hold it: in a log of whole tracebacks it would show.
FAULT = """
    import sys
    from keystead.crypto.vault import Vault
    seal = Vault.seal

    def faulty(self, version, context, plaintext):
        if plaintext.startswith(b"fault"):
            try:
                raise KeyError(plaintext)
            except KeyError as error:
                raise RuntimeError(plaintext.decode()) from error
        return seal(self, version, context, plaintext)

    Vault.seal = faulty
    {planted}
    from keystead.cli import main
    sys.exit(main())
"""


def faulty_server(tmp_path: Path, planted: str = "") -> LiveServer:
    program = tmp_path / "faulty.py"
    program.write_text(textwrap.dedent(FAULT).format(planted=planted))
    seed = tmp_path / "seed.toml"
    # Large RSA keys take seconds to check.
    keys = [key for key in EVERY_SPEC.read_text().split("[[key]]") if not re.search("RSA_[34]", key)]
    access_key = f'[[access_key]]\nid = "{SEEDED[0]}"\nsecret = "{SEEDED[1]}"\n'
    seed.write_text(f"{'[[key]]'.join(keys)}\n{access_key}")
    return LiveServer(
        tmp_path / "data", "--log-level", "debug", "--seed", str(seed),
        *(["--front-process", "no"] if planted else []), program=[sys.executable, str(program)],
    )  # fmt: skip


@pytest.mark.fuzz
def test_no_secret_is_anywhere(tmp_path: Path) -> None:
    evidence = bool(os.environ.get("TEST_EVIDENCE"))
    begun = time.monotonic()
    server = faulty_server(tmp_path)
    ways = WAYS if evidence else [WAYS[0], WAYS[4], WAYS[6], WAYS[11], WAYS[13]]
    assert leaks(server, tmp_path / "temporary", ways, fault=True) == []
    assert b"internal failure" in server.log.read_bytes()
    if evidence:
        print(f"\ncanaries: {len(ways)} ways to sign, nothing found, {time.monotonic() - begun:.0f} s")


PLANTED = {
    "logs the URL": "from keystead.server.service import sequencer as s; submit = s.Sequencer.submit; "
    "s.Sequencer.submit = lambda self, request, reply: (sys.stderr.write(request.target), submit(self, request, reply))[1]",
    "logs bodies as they are in memory": "from keystead.server.service import sequencer as s; submit = s.Sequencer.submit; "
    "s.Sequencer.submit = lambda self, request, reply: (print(request.body), submit(self, request, reply))[1]",
    "records all parameters": "from keystead.api import bind; "
    "bind.recordable = lambda operation, parameters: dict(parameters)",
    "tells exceptions": "from keystead.server import logs; import traceback; "
    "logs.failure = lambda name, error, **fields: traceback.print_exception(error)",
    "leaves a temporary file": "import tempfile; "
    "Vault.seal = lambda *all: (tempfile.NamedTemporaryFile(delete=False).write(all[3]), faulty(*all))[1]",
    "shows its material": "from keystead.crypto.material import Material; init = Material.__init__; "
    "Material.__init__ = lambda self, value: (print(value.hex()), init(self, value))[1]",
    "shows private keys as PEM": "from keystead.crypto.primitives import asymmetric as a; sign = a.sign; "
    "a.sign = lambda *all: (print(a.pem(all[2] if all[0] == 'EC_SM2' else a._der(all[2]))), sign(*all))[1]",
    "shows its seed": "import msgspec; from keystead.server.data import seeding as p; plant = p.seed_store; "
    "p.seed_store = lambda *all: (print(msgspec.to_builtins(all[1])), plant(*all))[1]",
    "logs what was claimed": "from keystead.api import pipeline as p; p.claimed_id = lambda text: text",
    "counts by plaintext": "from keystead.server.service.metrics import Metrics; answered = Metrics.answered; "
    "Metrics.answered = lambda self, answer, seconds: "
    "(self._calls.answered(answer.response.body.decode(), 'x'), answered(self, answer, seconds))[1]",
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_leak_is_found(planted: str, tmp_path: Path) -> None:
    server = faulty_server(tmp_path, PLANTED[planted])
    found = leaks(
        server, tmp_path / "temporary", [("HMAC-SHA1", "POST", planted != "logs the URL")], fault=True
    )
    places = {
        "records all parameters": "rows",
        "leaves a temporary file": str(tmp_path / "temporary"),
        "counts by plaintext": "metrics",
    }
    assert any(finding.place.startswith(places.get(planted, "log")) for finding in found), found


@pytest.mark.parametrize("encoding", encodings(b"12345678"))
def test_the_search_finds_each_encoding(encoding: str, tmp_path: Path) -> None:
    secret = b"\x00\xffsecret?>material"
    shift = int(encoding[-1]) if encoding[-1].isdigit() and "base64" in encoding else 0
    if "base64" in encoding:
        alphabet = b"-_" if "url" in encoding else b"+/"
        planted = base64.b64encode(b"abc"[:shift] + secret + b"around", alphabet)
    else:
        planted = encodings(secret)[encoding]
    directory = tmp_path / "deep" / "er"
    directory.mkdir(parents=True)
    (directory / "file").write_bytes(b"x" * 1000 + planted + b"y")
    found = search({"it": secret}, files(tmp_path))
    assert Finding("it", encoding, str(directory / "file")) in found
    assert search({"other": b"\x01other secret"}, files(tmp_path)) == []


def test_the_search_reads_names_links_and_long_values(tmp_path: Path) -> None:
    (tmp_path / "secret-name").touch()
    (tmp_path / "link").symlink_to("/nowhere/secret-link")
    connection = sqlite3.connect(tmp_path / "long.db")
    connection.execute("CREATE TABLE t (a TEXT, b BLOB)")
    # Whatever the size of a page, some of these lie across the end of one.
    secret = "0123456789abcdef"
    connection.execute("INSERT INTO t VALUES (?, ?)", ("x" * 50_000 + secret, b"binary-secret"))
    connection.commit()
    connection.close()
    secrets = {
        "name": b"secret-name",
        "link": b"secret-link",
        "text": secret.encode(),
        "blob": b"binary-secret",
    }
    places = {"names": files(tmp_path)["names of files"], "rows": rows(tmp_path / "long.db")}
    assert {(one.secret, one.place) for one in search(secrets, places) if one.encoding == "raw"} == {
        ("name", "names"), ("link", "names"), ("text", "rows"), ("blob", "rows"),
    }  # fmt: skip
