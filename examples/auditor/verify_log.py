"""Prove an exported audit log of Keystead against a signed checkpoint; needs Python 3.9 or later, and nothing else.

    python verify_log.py LOG CHECKPOINT KEY

LOG is what `keystead audit export --format records` printed. CHECKPOINT is a file, and KEY the public key or a file with it;
both were kept where whoever could alter the log could not alter them. The exit status is 0 if all records up to the
checkpoint are what was signed, and no record after it is out of its chain.
"""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path

write = json.JSONEncoder(separators=(",", ":")).encode
NUMBERS = ("format", "sequence", "time", "status", "revision")
COLUMNS = (
    "format", "chain", "sequence", "time", "kind", "account", "region", "product", "version", "action", "caller_type",
    "principal", "access_key_id", "session", "source", "host", "user_agent", "tls", "resources", "parameters", "status",
    "code", "request_id", "revision",
)  # fmt: skip

# Ed25519 (RFC 8032): the field, the order of the base point, the curve's constant, a square root of -1.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, I = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)  # noqa: E741


def point(raw):
    """The point of 32 bytes, as x and y; ValueError if there is none."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * I % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("no point of the curve")
    return (P - x if x % 2 != sign else x), y


def add(one, other):
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def times(number, base):
    found = (0, 1)
    for bit in bin(number)[2:]:
        found = add(found, found)
        if bit == "1":
            found = add(found, base)
    return found


def signed(key, signature, text):
    """Whether it is the key's signature of the text."""
    scalar = int.from_bytes(signature[32:], "little")
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % L
    base = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    try:
        right = add(point(signature[:32]), times(challenge, point(key)))
    except ValueError:
        return False
    return len(signature) == 64 and scalar < L and times(scalar, base) == right


def read_key(text):
    """Name, id and 32 bytes of a public key, as `keystead audit key` prints it."""
    if not re.fullmatch(r"[^+\s]+\+[0-9a-f]{8}\+[0-9A-Za-z+/]+=*", text.strip()):
        raise ValueError("that is not the public key of checkpoints")
    name, number, encoded = text.strip().split("+", 2)
    raw = base64.b64decode(encoded, validate=True)
    key_id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if len(raw) != 33 or raw[0] != 1 or key_id.hex() != number:
        raise ValueError("the key was altered")
    return name, key_id, raw[1:]


def read_checkpoint(note, name, key_id, key):
    """Chain, count and hash that the key signed."""
    text, _, signatures = note.rpartition("\n\n")
    lines = [
        re.fullmatch("\u2014 ([^+\\s]+) ([0-9A-Za-z+/]+=*)", line) for line in signatures.split("\n")[:-1]
    ]
    if not all(lines) or not note.endswith("\n"):
        raise ValueError("the checkpoint is not whole")
    for found in lines:
        value = base64.b64decode(found[2])
        if (found[1], value[:4]) == (name, key_id):
            if not signed(key, value[4:], f"{text}\n".encode()):
                raise ValueError("the checkpoint was altered: the signature is not of this text")
            origin, count, digest, kind = text.split("\n")
            if not origin.startswith("keystead/") or not kind.startswith("keystead-audit-chain/1 "):
                raise ValueError("this is no checkpoint of audit records")
            return origin[len("keystead/") :], int(count), base64.b64decode(digest)
    raise ValueError("the checkpoint is not signed by this key")


class Proof:
    """What is proved of a log whose lines are taken in their order; ValueError says what is wrong."""

    def __init__(self, chain, count, digest):
        self.chain, self.count, self.digest = chain, count, digest
        self.lines, self.heads, self.seen = 0, {}, (count, digest) == (0, bytes(32))

    def take(self, line):
        """The next line: it must be a record, written as it was exported, and the next one of its chain."""
        self.lines += 1
        try:
            record = json.loads(line)
            columns = COLUMNS[:-1] if record["format"] == 1 else COLUMNS  # the first format has no revision
            values = {name: (int if name in NUMBERS else str)(record[name]) for name in columns}
            stored = bytes.fromhex(record["hash"])
            if (write({**values, "hash": stored.hex()}) + "\n").encode() != line:
                raise ValueError("it is not as it was exported, or was cut off")
        except Exception as error:
            raise ValueError(f"line {self.lines} is no record: {error}") from None
        texts = [str(value).encode() for value in values.values()]
        hashed = b"".join(b"%d:%b" % (len(text), text) for text in texts)
        length, previous = self.heads.get(values["chain"], (0, bytes(32)))
        if (values["sequence"], stored) != (length + 1, hashlib.sha256(previous + hashed).digest()):
            raise ValueError(f"line {self.lines} was altered or moved, or one before it was taken out")
        self.heads[values["chain"]] = length + 1, stored
        if (values["chain"], length + 1, stored) == (self.chain, self.count, self.digest):
            self.seen = True

    def end(self):
        """How many records there are on the chain, which hold the one that was signed."""
        length = self.heads.get(self.chain, (0, b""))[0]
        if length < self.count:
            raise ValueError(
                f"the log ends at record {length} of chain {self.chain}, and {self.count} were signed: it was cut off"
            )
        if not self.seen:
            raise ValueError(f"record {self.count} is not the one that was signed: the log was written anew")
        return length


def main(log, checkpoint, key):
    try:
        name, key_id, raw = read_key(key if "+" in key else Path(key).read_text(encoding="utf-8"))
        chain, count, digest = read_checkpoint(Path(checkpoint).read_bytes().decode(), name, key_id, raw)
        proof = Proof(chain, count, digest)
        with open(log, "rb") as lines:
            for line in lines:
                proof.take(line)
        length = proof.end()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"the first {count} of {length} records of chain {chain} are those that were signed")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
