"""What to do about a refusal whose reason lies in another key or name than the one that was asked for."""

from collections.abc import Callable, Mapping
from typing import Any

from keystead.cli import output
from keystead.domain.keys import aliases

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


def remedy(code: str, parameters: Mapping[str, str], ask: Ask) -> str:
    """A hint for a call with these parameters that was refused with this code; "" if there is none to give."""

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
    if code == "Forbidden.AliasNotFound":
        return _of_service(alias or key)
    if code == "MalformedPolicyDocument" and not parameters.get("PolicyDocument", "").lstrip().startswith(
        "{"
    ):
        return "--PolicyDocument file:PATH reads the document from a file"
    if code == "InvalidParameter" and alias.startswith(aliases.RESERVED):
        return f"{aliases.RESERVED} is reserved for the keys of services"
    return ""


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
