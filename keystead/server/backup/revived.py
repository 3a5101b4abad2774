"""What a restore brings back to life, takes away and undoes: the changes that were recorded after the backup was made."""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.catalogue import CATALOGUE
from keystead.domain.audit import Head, Kind, Record
from keystead.domain.products import CONSOLE
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory
from keystead.store.contents import Contents

# What takes something away: undone, it is there again.
_WITHDRAW = frozenset(
    {
        "DeleteAccessKey", "DeleteAlias", "DeleteGroup", "DeleteKey", "DeleteKeyMaterial", "DeleteLoginProfile",
        "DeletePolicy", "DeletePolicyVersion", "DeleteUser", "DeleteVirtualMFADevice", "DetachPolicyFromGroup",
        "DetachPolicyFromUser", "DisableKey", "ExpireKeyMaterial", "RemoveUserFromGroup", "RetireAuthorities",
        "ScheduleKeyDeletion", "UnbindMFADevice",
    }
)  # fmt: skip
_MAKE = (
    "Add", "Attach", "Bind", "CancelKeyDeletion", "Create", "EnableKey", "Import", "RotateKey", "SeedKey",
)  # fmt: skip
# What takes back what takes away, if it is of the same subject.
_TAKES_BACK = {
    "AddUserToGroup": "RemoveUserFromGroup",
    "AttachPolicyToGroup": "DetachPolicyFromGroup",
    "AttachPolicyToUser": "DetachPolicyFromUser",
    "BindMFADevice": "UnbindMFADevice",
    "CancelKeyDeletion": "ScheduleKeyDeletion",
    "CreateAlias": "DeleteAlias",
    "CreateLoginProfile": "DeleteLoginProfile",
    "EnableKey": "DisableKey",
    "ImportKeyMaterial": "DeleteKeyMaterial",
}
# Nobody is signed in after a restore, and what was temporary is over.
_PASSING = frozenset(
    {"CreateConfirmationCode", "CreateSignInLink", "CreateTemporaryAccessKey", "ExtendTemporaryAccessKey"}
)
_CHANGING = {one.action for one in CATALOGUE if one.changes and one.product is not CONSOLE} - _PASSING


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change: when (milliseconds since 1970), what, to what, and by whom."""

    time: int
    action: str
    subject: str
    principal: str


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """What happened between a backup and its restore, as far as records are left."""

    records: int
    until: int  # of the last record, in milliseconds since 1970
    revived: tuple[Change, ...]  # was taken away, and is there again
    lost: tuple[Change, ...]  # was made, and is not there
    undone: tuple[Change, ...]  # was changed, and is as before
    latest_nonce: int = (
        0  # the second of the latest request that is known to have been accepted; 0 where that is not known
    )


def in_directory(path: Path, chain: str, head: Head) -> Since:
    """By the old data directory. OperatorError if its log does not lead on from the head."""
    directory = DataDirectory(path)
    if not directory.database.exists():
        raise OperatorError(
            f"there is no data in {path}", hint="--old names the data directory that was used before"
        )
    with closing(Contents(directory.database)) as contents:
        verdicts = {one.chain: one for one in contents.verify(head)}
        if chain not in verdicts or not verdicts[chain].noted:
            raise _unconnected(path)
        if bad := verdicts[chain].bad:
            raise OperatorError(
                f"the audit log in {path} is damaged: {bad}", hint="leave --old out, and read it yourself"
            )
        found = summed(one for one in contents.all() if one.chain == chain and one.sequence > head.count)
        return msgspec.structs.replace(found, latest_nonce=contents.latest_nonce())


def in_log(path: Path, chain: str, head: Head) -> Since:
    """By an exported log. OperatorError if it is none, or does not lead on from the head."""
    try:
        with path.open("rb") as file:
            return summed(_follow(path, _records(file), chain, head))
    except OSError as error:
        raise OperatorError(f"cannot read {path}: {error.strerror}", hint="check the path") from None
    except (ValueError, TypeError, KeyError):  # msgspec's errors are ValueErrors
        raise OperatorError(
            f"{path} is not an exported audit log",
            hint="it is what keystead audit export prints, a record on each line",
        ) from None


def summed(records: Iterable[Record]) -> Since:
    """What the records of the time between come to. What was taken back is left out."""
    amount, until = 0, 0
    revived: dict[tuple[str, str], Change] = {}
    lost: dict[tuple[str, str], Change] = {}
    undone: dict[tuple[str, str], Change] = {}
    for record in records:
        amount, until = amount + 1, record.time
        if record.code or not (record.action in _CHANGING or record.kind is Kind.SERVICE_EVENT):
            continue
        subject = _subject(record)
        change = Change(time=record.time, action=record.action, subject=subject, principal=record.principal)
        if _withdraws(record):
            made_since = [key for key in lost if key[1] == subject and key[0].startswith(("Create", "Seed"))]
            if (
                record.action in ("DeleteKey", "DeleteAlias", "DeleteUser", "DeleteGroup", "DeletePolicy")
                and made_since
            ):
                for key in [one for one in (*lost, *revived, *undone) if one[1] == subject]:
                    for kept in (lost, revived, undone):
                        kept.pop(key, None)
            elif not made_since:
                revived[record.action, subject] = change
        elif record.action.startswith(_MAKE):
            revived.pop((_TAKES_BACK.get(record.action, ""), subject), None)
            lost[record.action, subject] = change
        else:
            revived.pop((record.action, subject), None)  # an AccessKey or account that is active again
            undone[record.action, subject] = change
    return Since(
        records=amount,
        until=until,
        revived=tuple(revived.values()),
        lost=tuple(lost.values()),
        undone=tuple(undone.values()),
    )


def _withdraws(record: Record) -> bool:
    if record.action in ("UpdateAccessKey", "UpdateAccount"):
        return json.loads(record.parameters).get("Status") in ("Inactive", "Disabled")
    return record.action in _WITHDRAW


def _subject(record: Record) -> str:
    """What was changed, the same for all records about it: the end of an ARN, and by which names else it was called."""
    names = [arn.rpartition(":")[2] for arn in json.loads(record.resources)]
    named = [name for name in names if "/" in name]
    if record.product == "Kms":
        return " ".join(named[:1])
    parameters = {
        name: value
        for name, value in json.loads(record.parameters).items()
        if name.endswith(("Name", "Id", "Number"))
    }
    return " ".join(dict.fromkeys([*(str(value) for value in parameters.values()), *named]))


def _records(lines: Iterable[bytes]) -> Iterator[Record]:
    for line in lines:
        members = json.loads(line)
        members["time"] = round(datetime.fromisoformat(members["time"]).timestamp() * 1000)
        members["resources"] = json.dumps(members["resources"])
        members["parameters"] = json.dumps(members["parameters"])
        yield msgspec.convert(members, Record)


def _follow(path: Path, records: Iterable[Record], chain: str, head: Head) -> Iterator[Record]:
    """The records behind the head, in their order; OperatorError if one is missing, or the log ends before the head."""
    expected = head.count + 1
    reached = False
    for record in records:
        if record.chain != chain:
            continue
        reached = reached or record.sequence >= head.count
        if record.sequence <= head.count:
            continue
        if record.sequence != expected:
            raise _unconnected(path)
        expected += 1
        yield record
    if not reached:
        raise _unconnected(path)


def _unconnected(path: Path) -> OperatorError:
    return OperatorError(
        f"the audit log in {path} does not go on where that of the backup ends",
        hint="it may be of another server, or older than the backup; without it the restore lists what to look at",
    )
