"""The audit record and the chain that binds each record to all before it."""

import enum
import hashlib
import operator
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

# The operations whose success gives out a plaintext or key material, in the clear or for somebody else to open, or
# turns a ciphertext into one that others can open.
REVEALING = frozenset(
    {
        "AsymmetricDecrypt", "Decrypt", "ExportDataKey", "GenerateAndExportDataKey", "GenerateDataKey", "ReEncrypt",
    }
)  # fmt: skip
FORMAT = 2
GENESIS = bytes(32)


class Kind(enum.StrEnum):
    """What a record tells of."""

    API_CALL = "ApiCall"
    CONSOLE_OPERATION = "ConsoleOperation"
    OPERATOR_COMMAND = "OperatorCommand"
    SERVICE_EVENT = "ServiceEvent"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One call, admitted or refused. No field ever holds the value of a sensitive parameter.

    `time` is milliseconds since 1970. `chain` is the server's id, `sequence` counts from 1 without a gap.
    `resources` and `parameters` are JSON texts; `code` is empty on success. `revision` counts the batches that had changed
    anything by then; a record of format 1 has none, which is 0.
    """

    chain: str
    sequence: int
    time: int
    kind: Kind
    account: str
    region: str
    product: str
    version: str
    action: str
    caller_type: str
    principal: str
    access_key_id: str
    session: str
    source: str
    host: str
    user_agent: str
    tls: str
    resources: str
    parameters: str
    status: int
    code: str
    request_id: str
    format: int = FORMAT
    revision: int = 0


COLUMNS = (
    "format", "chain", "sequence", "time", "kind", "account", "region", "product", "version", "action",
    "caller_type", "principal", "access_key_id", "session", "source", "host", "user_agent", "tls",
    "resources", "parameters", "status", "code", "request_id", "revision",
)  # fmt: skip


columns = operator.attrgetter(*COLUMNS)  # their values, in this order


class Head(msgspec.Struct, frozen=True):
    """The end of a chain: how many records it has, and the hash of the last one."""

    count: int = 0
    hash: bytes = GENESIS

    def __str__(self) -> str:
        return f"{self.count}:{self.hash.hex()}"


def link(previous: bytes, record: Record) -> bytes:
    """SHA-256 over the previous hash and what is hashed of the record."""
    return hashlib.sha256(previous + hashed(columns(record))).digest()


def hashed(values: Sequence[Any]) -> bytes:
    """What is hashed of a record with these columns: of each that its format has the length in bytes, a colon, and the text.
    The format comes first, so that later ones may add columns."""
    # Written out: it is done for every call.
    (
        number, chain, sequence, time, *recurring,
        resources, parameters, status, code, request_id, revision,
    ) = values  # fmt: skip
    end = "" if number == 1 and revision == 0 else f"{len(revision := f'{revision}')}:{revision}"
    found = (
        f"{len(number := f'{number}')}:{number}{len(chain)}:{chain}"
        f"{len(sequence := f'{sequence}')}:{sequence}{len(time := f'{time}')}:{time}{_text_again(tuple(recurring))}"
        f"{len(resources)}:{resources}{len(parameters)}:{parameters}"
        f"{len(status := f'{status}')}:{status}{len(code)}:{code}"
        f"{len(request_id)}:{request_id}{end}"
    )
    if not found.isascii():
        found = text(written(values))
    return found.encode()


def written(values: Sequence[Any]) -> Sequence[Any]:
    """Of a record's columns those that its format has: the first one has no revision."""
    return values[:-1] if values[0] == 1 and values[-1] == 0 else values


def text(values: Iterable[object]) -> str:
    """The part of that for some columns."""
    return "".join([f"{len(value.encode())}:{value}" for value in map(str, values)])


_text_again = lru_cache(1024)(text)  # a client's calls have most of their columns in common
