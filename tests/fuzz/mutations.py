"""Requests for a fuzzed server, from a seed: rightly signed ones with odd parameters, and bytes that are hardly requests."""

import base64
import json
import random
import time
import uuid
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, urlencode

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE, Operation
from keystead.clock import iso8601
from tests.harness import sign_acs3, sign_v1

FORM = "application/x-www-form-urlencoded"
HOST = "localhost"


class World(NamedTuple):
    """What the server has, so that odd requests reach deeper than "not found"."""

    access_key: tuple[str, str]
    key_id: str
    disabled: str
    alias: str
    blob: str


# --- values


def some_text(source: random.Random) -> str:
    letters = source.choice(
        [
            "abcXYZ019-_.~ +/=&%*'\"{}:,;<>\\",
            "é密ß\u0130\u200b\u202e\ufeff\U0001f512\u0301",
            "\0\1\t\n\r\x1b\x7f\x85\u2028",
            "0123456789",
        ]
    )
    return "".join(source.choices(letters, k=source.choice([1, 1, 2, 2, 8, 8, 40, 255, 256])))


def some_number(source: random.Random) -> str:
    return source.choice(
        ["-1", "0", "1", "6", "7", "366", "367", "1024", "1025", "2147483647", "2147483648", "9" * 500, "1e9", "1.0",
         "0x10", "+5", " 5", "5 ", "٣", "NaN", "-0", "00007", str(source.randrange(2**70))]
    )  # fmt: skip


def some_json(source: random.Random) -> str:
    depth = source.choices([10, 900, 1100, 30_000], [20, 10, 10, 1])[0]
    wide = source.choices([10, 50, 5000], [20, 10, 1])[0]
    kinds: list[Callable[[], str]] = [
        lambda: "[" * depth,
        lambda: "[" * depth + "]" * depth,
        lambda: '{"a":' * depth + "1" + "}" * depth,
        lambda: json.dumps({str(number): "x" for number in range(wide)}),
        lambda: json.dumps([{"TagKey": f"k{number}", "TagValue": "v"} for number in range(wide // 10)]),
        lambda: json.dumps([{"Key": "KeyState", "Values": [str(number) for number in range(wide)]}]),
        lambda: '{"a":' + "9" * 5000 + "}",
        lambda: '{"a":1e999999}',
        lambda: '{"a":NaN,"b":-Infinity}',
        lambda: '{"a":"1","a":"2"}',
        lambda: '{"\\ud800":"\\udfff"}',
        lambda: '{"a":"' + "\\u0000" * wide + '"}',
        lambda: json.dumps({some_text(source): some_text(source) for _ in range(4)}),
        lambda: json.dumps({"": ""}),
        lambda: json.dumps(
            [{"Key": source.choice(["KeyState", "Origin", ""]), "Values": [some_text(source)]}]
        ),
        lambda: json.dumps([{"TagKey": some_text(source), "TagValue": some_text(source)}]),
        lambda: source.choice(
            ["null", "true", "[]", "{}", '""', "0", "[null]", "[[]]", "[{}]", "{]", "\ufeff{}"]
        ),
    ]
    return source.choice(kinds)()


def some_reference(source: random.Random, world: World) -> str:
    return source.choice(
        [world.key_id, world.disabled, world.alias, "alias/none", "alias/", "alias/acs/kms", world.key_id.upper(),
         str(uuid.UUID(int=source.getrandbits(128))), f"acs:kms:cn-hangzhou:1:key/{world.key_id}", "acs:kms:::", "acs:",
         f"acs:kms:cn-hangzhou:1000000000000001:{world.alias}", "key/" + world.key_id, "../" * 20, "a" * 65]
    )  # fmt: skip


def some_blob(source: random.Random, world: World) -> str:
    raw = bytearray(base64.b64decode(world.blob))
    raw[source.randrange(len(raw))] ^= 1 << source.randrange(8)
    return source.choice(
        [
            base64.b64encode(raw).decode(),
            world.blob[: source.randrange(len(world.blob))],
            world.blob + "\n",
            world.blob + "=",
            base64.urlsafe_b64encode(raw).decode(),
            base64.b64encode(source.randbytes(source.choice([0, 37, 118, 119, 8310, 8311]))).decode(),
            "=" * 9,
        ]
    )


def some_value(source: random.Random, world: World) -> str:
    kind = source.randrange(10)
    if kind < 3:
        return some_text(source)
    if kind < 5:
        return some_number(source)
    if kind < 7:
        return some_json(source)
    if kind < 8:
        return some_reference(source, world)
    if kind < 9:
        return some_blob(source, world)
    return source.choice(
        [
            "",
            "true",
            "FALSE",
            "yes",
            "x" * 6144,
            "x" * 6145,
            "密" * 2049,
            "QUJD" * 2048,
            "d" * 8193,
            "y" * 60_000,
        ]
    )


# --- rightly signed requests


ORDINARY = {"AliasName": "alias/fuzz", "Plaintext": "x", "Description": "d", "PendingWindowInDays": "7"}
OPERATIONS: list[Operation] = list(CATALOGUE)
COMMON = [
    "RegionId",
    "Format",
    "Version",
    "Action",
    "SecurityToken",
    "DryRun",
    "SignatureType",
    "Extra",
    "KeyId.1",
]


def ordinary(operation: Operation, world: World) -> dict[str, str]:
    known = {**ORDINARY, "KeyId": world.key_id, "CiphertextBlob": world.blob, "AliasName": world.alias}
    return {field.name: known[field.name] for field in operation.fields if field.name in known}


def odd_parameters(source: random.Random, world: World) -> dict[str, str]:
    """A call of some operation with one to three odd values, seldom with none."""
    operation = source.choice(OPERATIONS)
    parameters = {
        "Action": operation.action,
        "Version": operation.product.version,
        **ordinary(operation, world),
    }
    names = [field.name for field in operation.fields]
    names = names or COMMON
    odd = source.choices([0, 1, 2, 3], [2, 10, 3, 1])[0]
    for name in source.sample(names, min(odd, len(names))):
        kind = next((field.param.kind for field in operation.fields if field.name == name), "")
        if kind == "Map" and source.random() < 0.3:
            for _ in range(source.choices([1, 3, 600], [10, 10, 1])[0]):
                parameters[f"{name}.{some_text(source)}"] = some_text(source)
        else:
            parameters[name] = some_value(source, world)
    if source.random() < 0.1:
        parameters[source.choice(COMMON)] = some_value(source, world)
    if operation.action == "CreateKey" and source.random() < 0.98:
        parameters["Policy"] = (
            "x"  # read last, and refused: all others are parsed, and the world does not grow
        )
    if operation.action == "ScheduleKeyDeletion":
        parameters["PendingWindowInDays"] = source.choice(
            ["0", "6", "367", "-7", "7.0", "", "seven", "7" * 300]
        )
    if operation.action == "DisableKey" and parameters.get("KeyId") == world.key_id:
        parameters["KeyId"] = world.disabled
    if operation.action == "DeleteAlias" and parameters.get("AliasName") == world.alias:
        parameters["AliasName"] = "alias/none"
    return parameters


def encoded(parameters: dict[str, str], source: random.Random) -> str:
    """A query or form in one of the ways to write it."""
    if source.random() < 0.5:
        return urlencode(parameters)
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in parameters.items())


def chunked(body: bytes, source: random.Random) -> bytes:
    pieces = []
    while body:
        size = source.choice([1, 7, 100, len(body)])
        pieces.append(b"%x%b\r\n%b\r\n" % (len(body[:size]), source.choice([b"", b";a=b"]), body[:size]))
        body = body[size:]
    return b"".join(pieces) + b"0\r\n" + source.choice([b"", b"X-Trailer: 1\r\n"]) + b"\r\n"


def framed(method: str, target: str, headers: dict[str, str], body: bytes, source: random.Random) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if body and source.random() < 0.3:
        lines.append("Transfer-Encoding: chunked")
        body = chunked(body, source)
    elif body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return f"{method} {target} HTTP/1.1\r\n".encode() + "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def signed_request(source: random.Random, world: World, parameters: dict[str, str]) -> bytes:
    """The call as one well-formed request: RPC v1 by GET or POST, in query or form or both, or ACS3."""
    now, nonce = iso8601(time.time()), uuid.UUID(int=source.getrandbits(128)).hex
    if source.random() < 0.2 and "Signature" not in parameters:
        headers = {"host": HOST, "x-acs-action": "ListKeys", "x-acs-version": "2016-01-20"}
        if source.random() < 0.8:
            headers |= {"x-acs-action": parameters["Action"], "x-acs-version": parameters["Version"]}
        # What is odd in action and version stays in the query: a header line cannot carry it.
        headers = {
            name: value
            for name, value in headers.items()
            if value.isascii() and value.isprintable() and value
        }
        query = {
            name: value for name, value in parameters.items() if headers.get(f"x-acs-{name.lower()}") != value
        }
        signed = sign_acs3(headers, world.access_key, query=query, timestamp=now, nonce=nonce)
        return framed("POST", f"/?{encoded(query, source)}", signed, b"", source)
    method = source.choice(["GET", "POST", "POST"])
    whole = sign_v1(parameters, world.access_key, method=method, timestamp=now, nonce=nonce)
    headers = {"Host": HOST, "User-Agent": "fuzz"}
    place = source.randrange(3) if method == "POST" else 0
    long = sum(map(len, whole.values())) > 20_000
    if place or long:
        names = list(whole)
        cut = 0 if place == 1 or long else source.randrange(len(names))
        query = {name: whole[name] for name in names[:cut]}
        body = encoded({name: whole[name] for name in names[cut:]}, source).encode()
        headers["Content-Type"] = FORM
        if method == "GET":
            method = "POST"  # wrongly signed, then; a GET with a long form would be no better
        return framed(method, f"/?{encoded(query, source)}", headers, body, source)
    return framed(method, f"/?{encoded(whole, source)}", headers, b"", source)


# --- bytes


def insert(source: random.Random, raw: bytes, what: bytes) -> bytes:
    at = source.randrange(len(raw) + 1)
    return raw[:at] + what + raw[at:]


def with_header(raw: bytes, line: bytes) -> bytes:
    head, _, rest = raw.partition(b"\r\n")
    return head + b"\r\n" + line + b"\r\n" + rest


def flip_bits(source: random.Random, raw: bytes) -> bytes:
    changed = bytearray(raw)
    for _ in range(source.choice([1, 1, 2, 20])):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def odd_bytes(source: random.Random, raw: bytes) -> bytes:
    return insert(
        source,
        raw,
        source.choice([b"\0", b"\xff", b"\xc0\x80", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\x80" * 50]),
    )


def odd_escape(source: random.Random, raw: bytes) -> bytes:
    target, _, rest = raw.partition(b" HTTP")
    escape = source.choice(
        [b"%", b"%z", b"%zz", b"%00", b"%ff", b"%c0%80", b"%ed%a0%80", b"%u1234", b"%25%32%35", b"+&=&&=="]
    )
    return target[:6] + insert(source, target[6:], escape) + b" HTTP" + rest


def cut_off(source: random.Random, raw: bytes) -> bytes:
    return raw[: source.randrange(len(raw))]


def without_piece(source: random.Random, raw: bytes) -> bytes:
    at = source.randrange(len(raw))
    return raw[:at] + raw[at + source.choice([1, 2, 10, 100]) :]


def doubled_piece(source: random.Random, raw: bytes) -> bytes:
    at, size = source.randrange(len(raw)), source.choice([1, 10, 100, 1000])
    return raw[: at + size] + raw[at:]


def odd_method(source: random.Random, raw: bytes) -> bytes:
    methods = [
        b"HEAD",
        b"PUT",
        b"DELETE",
        b"OPTIONS",
        b"TRACE",
        b"CONNECT",
        b"PRI",
        b"get",
        b"G\0T",
        b"",
        b"X" * 300,
        b"POST\t",
    ]
    return source.choice(methods) + b" " + raw.partition(b" ")[2]


def odd_version(source: random.Random, raw: bytes) -> bytes:
    versions = [
        b"HTTP/1.0",
        b"HTTP/2.0",
        b"HTTP/0.9",
        b"HTTP/1.2",
        b"HTTP/11",
        b"http/1.1",
        b"HTTP/1.1 ",
        b"",
        b"\xff",
    ]
    return raw.replace(b"HTTP/1.1", source.choice(versions), 1)


def odd_target(source: random.Random, raw: bytes) -> bytes:
    method, _, rest = raw.partition(b" ")
    target = rest.partition(b" ")[0]
    new = source.choice(
        [b"*", b"", b"//" + target, b"http://localhost" + target, b"/x" + target, b"/..;/" + target, target + b"#a",
         target.replace(b"&", b";"), target + b"&" + target[2:], target + b"&a" * 600, target + b"&a=" + b"b" * 140_000,
         b"/?" + b"&" * 3000, target + b"\xc3\xa9", b"/"]
    )  # fmt: skip
    return raw.replace(target, new, 1) if target else method + b" " + new + rest


def odd_header(source: random.Random, raw: bytes) -> bytes:
    line = source.choice(
        [b"Host: a", b"Host:", b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999", b"Content-Length: 1e3",
         b"Content-Length: 0x5", b"Content-Length: 5, 5", b"Content-Length:", b"Transfer-Encoding: chunked",
         b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding:\x0bchunked", b"Expect: 100-continue",
         b"Expect: more", b"Upgrade: h2c", b"Connection: upgrade, close", b"Connection: keep-alive, close, x", b"Content-Encoding: gzip",
         b"Content-Type: application/json", b"Content-Type: multipart/form-data; boundary=x", b"Accept: text/xml", b"Accept: " + b"a" * 20_000,
         b"X-Long: " + b"a" * 40_000, b"\r\n".join(b"X-%d: y" % number for number in range(150)), b" folded", b"no colon", b": empty",
         b"X\0Y: z", b"X-Null: \0", b"X-Byte: \xff\xfe", b"x-acs-action: ListKeys", b"x-acs-version: \xe5\xaf\x86",
         b"Authorization: ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=" + b"0" * 64, b"Authorization: " + b"A" * 5000,
         b"Authorization: ACS4-HMAC-SHA256 Credential=a/20260101/x/kms/aliyun_v4_request,SignedHeaders=host,Signature=" + b"0" * 64,
         b"X-Forwarded-For: 1.2.3.4", b"Range: bytes=0-", b"Cookie: " + b"a=b;" * 900]
    )  # fmt: skip
    return with_header(raw, line)


def odd_body(source: random.Random, raw: bytes) -> bytes:
    head = raw.partition(b"\r\n\r\n")[0]
    body = source.choice(
        [b"zz\r\n", b"-1\r\n\r\n", b"ffffffffffffffffff\r\n", b"5\r\nabc", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"5;" + b"x" * 30_000 + b"\r\n",
         b"0\r\nX: y\r\n" * 200 + b"\r\n", b"a=b\r\n\r\n", b"5 \r\nabcde\r\n0\r\n\r\n", b"5\nabcde\n0\n\n", b"\0" * 5000, b"a=%ff&b=%00"]
    )  # fmt: skip
    head = head.replace(
        b"Content-Length: ", source.choice([b"Content-Length: ", b"X-Length: ", b"Content-Length: 9"])
    )
    kind = source.choice([b"", b"\r\nTransfer-Encoding: chunked", b"\r\nContent-Length: %d" % len(body)])
    return head + kind + b"\r\nContent-Type: " + FORM.encode() + b"\r\n\r\n" + body


def garbage(source: random.Random, raw: bytes) -> bytes:
    return source.choice(
        [source.randbytes(source.choice([1, 5, 100, 5000])), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + source.randbytes(500),
         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n" * 5000, b"GET /\r\n\r\n", b"\0" * 3000, b"A" * 200_000, b"SSH-2.0-x\r\n", raw[::-1]]
    )  # fmt: skip


CHANGES: list[Callable[[random.Random, bytes], bytes]] = [
    flip_bits, odd_bytes, odd_escape, cut_off, without_piece, doubled_piece, odd_method, odd_version, odd_target, odd_header,
    odd_body, garbage,
]  # fmt: skip


def changed_bytes(source: random.Random, raw: bytes) -> bytes:
    """A request changed in one to three ways."""
    for _ in range(source.choice([1, 1, 1, 2, 3])):
        raw = source.choice(CHANGES)(source, raw) or b"\n"
    return raw
