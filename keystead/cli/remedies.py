"""What to do about a refusal: the rule of the parameter that was refused, or the key or name that is in the way."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keystead.api.catalogue import Field, Operation
from keystead.cli import edition, output
from keystead.domain.keys import aliases
from keystead.errors import KmsError

# A call to the same server: the members of its answer, or None if there is none.
Ask = Callable[[str, dict[str, str]], Mapping[str, Any] | None]

_OF_STATE = {
    "Disabled": "keystead kms EnableKey --KeyId {key} enables it",
    "PendingDeletion": "keystead kms CancelKeyDeletion --KeyId {key} keeps it",
    "PendingImport": "keystead key import {key} FILE gives it its material",
}
_STATE_CODES = (
    "Rejected.Disabled", "Rejected.PendingDeletion", "Rejected.PendingImport", "Rejected.StateModifiedFailed",
)  # fmt: skip


_NOT_FOUND = ("Forbidden.KeyNotFound", "Forbidden.AliasNotFound", "InvalidResourceId.NotFound")
# Our messages and the vendor's, which quotes the name or does not.
_NAMED = re.compile(r'parameter "?([A-Za-z0-9.]+)"? is (?:not|needed|invalid)\b')


def remedy(
    refusal: Mapping[str, Any],
    parameters: Mapping[str, str],
    operation: Operation | None,
    ask: Ask,
    server: str,
) -> str:
    """A hint for a call with these parameters that was refused with these members; "" if there is none to give.

    `operation` is None for one that this program does not know, `server` the URL that was called.
    """
    code = str(refusal["Code"])

    def describe(key: str) -> Mapping[str, Any]:
        answer = ask("DescribeKey", {"KeyId": key}) if key else None
        found = (answer or {}).get("KeyMetadata")
        if isinstance(found, dict) and {"KeyId", "KeyState", "Arn", "DeleteDate"} <= found.keys():
            return found
        return {}

    alias = parameters.get("AliasName", "")
    key = parameters.get("KeyId") or parameters.get("DestinationKeyId") or ""
    if code == "AliasAlreadyExists":
        return _of_taken(alias, key, describe(alias))
    if code in _STATE_CODES:
        return _of_state(code, describe(key))
    if code == "Rejected.DeletionProtection":
        return _of_protected(describe(key))
    if code in _NOT_FOUND:
        return _of_service(alias or key) or _of_unknown(
            alias or key, parameters.get("RegionId", ""), ask, server
        )
    if code == "Forbidden.KeyVersionNotFound" and key:
        return f"keystead kms ListKeyVersions --KeyId {key} shows its versions"
    if code == "InvalidAccessKeyId.NotFound":
        return (
            f"{server} does not know this AccessKey; keystead access-key list shows its own, on its machine"
        )
    if code == "InvalidParameter" and alias.startswith(aliases.RESERVED):
        return f"{aliases.RESERVED} is reserved for the keys of services"
    hints = [] if operation is None else [_rule(operation, refusal, parameters)]
    document = parameters.get("PolicyDocument", "")
    if code == "MalformedPolicyDocument" and not document.lstrip().startswith("{"):
        hints.append("--PolicyDocument file:PATH reads it from a file")
    if code == "Unsupported.Alias" and (found := describe(key)):
        hints.append(f"{key} stands for {found['KeyId']}")
    return "; ".join(filter(None, hints))


def _rule(operation: Operation, refusal: Mapping[str, Any], parameters: Mapping[str, str]) -> str:
    """What the parameter that was refused may be, as far as this program knows."""
    code, named = str(refusal["Code"]), _NAMED.search(str(refusal.get("Message", "")))
    given = [
        field for field in operation.fields if any(name.split(".")[0] == field.name for name in parameters)
    ]
    if code in ("InvalidParameter", "MissingParameter") and named is not None:
        wanted = [named[1]]
    elif code == "InvalidParameter":
        wanted = [field.name for field in given if _refused(field, parameters.get(field.name, ""))]
    else:
        # Of the operation's own errors too some are about a parameter: those that its type can give.
        wanted = [field.name for field in given if any(one.code == code for one in field.param.errors)]
    told = []
    for name in wanted:
        words = operation.rule(name)
        choices = next((field.param.choices for field in operation.fields if field.name == name), ())
        value = parameters.get(name, "")
        if value and value not in choices and (near := _meant(value, choices)):
            words = f"{words}; did you mean {near}?"
        if words:
            told.append(f"--{name} is {words}")
    return "; ".join(told)


def _meant(value: str, choices: Sequence[str]) -> str:
    """The choice that has this in it, as AES_256 is in Aliyun_AES_256, else the one that is most like it; "" for none."""
    within = (one for one in choices if len(value) > 2 and value.lower() in one.lower())
    return next(within, "") or output.nearest(value, choices)


def _refused(field: Field, text: str) -> bool:
    """Whether this program's own rule refuses this, too. The client file has the rules in words only."""
    if not edition.WHOLE:
        return False
    try:
        field.param.parse(field.name, text)
    except (KmsError, ValueError):
        return True
    return False


def _of_unknown(name: str, region: str, ask: Ask, server: str) -> str:
    """Where it was looked for, and how to see what is there."""
    option = f" --region {region}" if region else ""
    place, near = f"at {server}", ""
    (first, *_) = _rows(ask("ListKeys", {"PageSize": "1"}), "Keys", "Key") or [{}]
    parts = str(first.get("KeyArn", "")).split(":")  # acs:kms:REGION:ACCOUNT:key/ID
    if len(parts) == 5:
        place = f"in region {parts[2]} of account {parts[3]} {place}"
    elif region:
        place = f"in region {region} {place}, which shows no key there"
    if aliases.is_alias(name):
        found = _rows(ask("ListAliases", {"PageSize": "100"}), "Aliases", "Alias")
        near = output.nearest(name, [str(one.get("AliasName")) for one in found])
    told = f"it was looked for {place}; keystead kms ListKeys{option} shows the keys, ListAliases{option} their other names"
    return f"did you mean {near}? {told}" if near else told


def _rows(answer: Mapping[str, Any] | None, listed: str, row: str) -> list[dict[str, Any]]:
    """The rows of a listing; none if there is no answer, or it is of another shape."""
    found = (answer or {}).get(listed)
    rows = found.get(row) if isinstance(found, dict) else None
    return [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []


def _of_taken(alias: str, wanted: str, found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    if wanted.endswith(found["KeyId"]):
        return f"{alias} names this very key already"
    told = f"{alias} names the key {_shown(found)}"
    if found["KeyState"] == "PendingDeletion":
        told += f", and goes with it; {_OF_STATE['PendingDeletion'].format(key=found['KeyId'])}"
    return (
        f"{told}; keystead kms UpdateAlias --AliasName {alias} --KeyId {wanted} moves the alias, "
        f"DeleteAlias --AliasName {alias} frees it"
    )


def _of_state(code: str, found: Mapping[str, Any]) -> str:
    state = found.get("KeyState")
    if state not in _OF_STATE or (state == "Disabled" and code != "Rejected.Disabled"):
        return ""
    return f"it is the key {_shown(found)}; {_OF_STATE[state].format(key=found['KeyId'])}"


def _of_protected(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    reason = found.get("DeletionProtectionDescription")
    told = f"the reason that was given: {reason}; " if reason else ""
    return (
        f"{told}keystead kms SetDeletionProtection --ProtectedResourceArn {found['Arn']} "
        "--EnableDeletionProtection false allows it"
    )


def _of_service(name: str) -> str:
    if not name.startswith(f"{aliases.RESERVED}/"):
        return ""
    if aliases.service_of(name):
        return "the server has made no key for this service; keystead serve --service-keys yes makes them when asked for"
    services = sorted(aliases.SERVICES)
    if near := output.nearest(name.rpartition("/")[2], services):
        return f"did you mean {aliases.RESERVED}/{near}?"
    return f"it is none of the services that have a key: {', '.join(services)}"


def _shown(found: Mapping[str, Any]) -> str:
    until = f" until {found['DeleteDate']}" if found["KeyState"] == "PendingDeletion" else ""
    return f"{found['KeyId']}, which is in state {found['KeyState']}{until}"
