"""The words of `keystead audit`: what they name must be in the store, or in a record."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keystead.cli import output
from keystead.domain import arns

if TYPE_CHECKING:
    from keystead.server.operator import Reader


def action_of(reader: "Reader", action: str) -> str:
    """An action that there is, or that a record names."""
    import keystead.operations  # noqa: F401 - fills the catalogue
    from keystead.api.operation import CATALOGUE

    if not action or action in {one.action for one in CATALOGUE}:
        return action
    recorded = [one for one in reader.actions() if one]
    if action in recorded:
        return action
    raise _unknown("operation", action, [*(one.action for one in CATALOGUE), *recorded])


def caller_of(reader: "Reader", caller: str) -> str:
    """A caller that the store knows, or that a record names."""
    known = reader.callers() if caller else ()
    if caller and caller not in known:
        # It is not shown: people paste secrets where an AccessKey id belongs.
        raise _unknown("user, account or AccessKey of this name", caller, known, shown=False)
    return caller


def account_of(reader: "Reader", account: str) -> str:
    """An account that the store has."""
    if account and account not in (known := reader.accounts()):
        near = output.nearest(account, known)
        raise output.WrongCommandLine(
            "there is no account of this id",
            hint=f"did you mean {near}?" if near else "keystead account list shows all",
        )
    return account


def resource(reader: "Reader", key: str) -> str:
    """The end of the ARN that is meant by an id, an alias, or an ARN; an alias stands for its key."""
    if not key:
        return ""
    arn = arns.parse(key)
    if key.startswith("acs:") and (arn is None or not _is_here(reader, arn)):
        raise _no_key(key)
    name = arn.resource if arn is not None else key
    if name.startswith("alias/"):
        keys = sorted(set(reader.keys_of_alias(name)))
        if len(keys) > 1:
            raise output.WrongCommandLine(
                f"{name} stands for several keys", hint=f"name one of them by its id, as {keys[0]}"
            )
        if keys:
            output.note(f"{name} is key {keys[0]} now")
            return f"key/{keys[0]}"
        found = name
    else:
        found = f"key/{name.removeprefix('key/')}"
        if reader.has_key(found.removeprefix("key/")):
            return found
    if not reader.has_resource(found):
        raise _no_key(key)
    return found


def _is_here(reader: "Reader", arn: arns.Arn) -> bool:
    """Whether the key or alias of an ARN is there; where the store has none of its name, whether a record names it."""
    kind, _, name = arn.resource.partition("/")
    if kind == "key" and (places := reader.places_of_key(name)):
        return (arn.account, arn.region) in places
    if kind == "alias" and reader.keys_of_alias(arn.resource):
        return arn.region in reader.regions_of_alias(arn.account, arn.resource)
    return kind in ("key", "alias") and reader.has_resource(str(arn).removeprefix("acs:"))


def _no_key(key: str) -> output.WrongCommandLine:
    return output.WrongCommandLine(
        f"there is no key or alias {key!r}, and no record names one",
        hint="keystead kms ListKeys and ListAliases show all",
    )


def _unknown(what: str, name: str, known: Sequence[str], *, shown: bool = True) -> output.WrongCommandLine:
    near = output.nearest(name, known)
    hint = f"did you mean {near}?" if near else "keystead audit list shows those of the newest records"
    told = f"{what} {name!r}" if shown else what
    return output.WrongCommandLine(f"there is no {told}, and no record names one", hint=hint)
