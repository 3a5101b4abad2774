"""From decoded parameters to what the pipeline works with: operation, region, and the typed request."""

import json
import re
from collections.abc import Mapping

import msgspec

from keystead.api.catalogue import Catalogue, Field, Operation
from keystead.api.wire_types import Request
from keystead.domain.products import KMS, Product
from keystead.errors import (
    ActionNotFound,
    InvalidParameter,
    InvalidVersion,
    KmsError,
    MissingParameter,
)
from keystead.forms import REGION

_ELEMENT = re.compile(r"\A[A-Za-z]+\.(?P<number>[1-9][0-9]{0,3})(?:\.(?P<member>[A-Za-z]+))?\Z")
_RECORDED_CHARACTERS = 8192


class Bound(msgspec.Struct, kw_only=True):
    """What a call asks for, as far as the request alone says it."""

    action: str  # as far as it may be recorded
    region: str  # "" where the product has none
    product: Product = (
        KMS  # that of the Version; of a version that names none, the one that most clients call
    )
    operation: Operation | None = None
    recorded: str = "{}"  # the parameters that may be recorded, as JSON
    dry_run: bool = False
    request: Request | None = None
    refusal: Exception | None = None  # what stands in the way; with it, what comes after is missing

    def __repr__(self) -> str:
        return f"<Bound {self.action}>"


def bind_call(
    catalogue: Catalogue, action: str, version: str, parameters: Mapping[str, str], host: str, home: str
) -> Bound:
    """Find the operation and read its parameters. It raises nothing; `home` is the region of calls that name none."""
    found = Bound(action=recordable_action(action), region=home)
    found.product = catalogue.products.get(version, KMS)
    try:
        found.operation = operation = find_operation(catalogue, action, version)
        found.recorded = msgspec.json.encode(recordable(operation, parameters)).decode()
        found.dry_run = "DryRun" in parameters and dry_run(parameters)
        found.region = region_of(operation.product, host, parameters, home)
        found.request = bind(operation, parameters)
    except Exception as error:  # it is raised when the caller is known
        # A refusal's frames would keep the request until the next garbage collection; a fault's are for the log.
        found.refusal = error.with_traceback(None) if isinstance(error, KmsError) else error
    return found


def find_operation(catalogue: Catalogue, action: str, version: str) -> Operation:
    """The operation asked for; MissingParameter, InvalidVersion or ActionNotFound."""
    if not action:
        raise MissingParameter(name="Action")
    if not version:
        raise MissingParameter(name="Version")
    if version not in catalogue.products:
        raise InvalidVersion
    operation = catalogue.find(version, action)
    if operation is None:
        raise ActionNotFound
    return operation


def region_of(product: Product, host: str, parameters: Mapping[str, str], home: str) -> str:
    """The region of a call: the endpoint's host name says it, else RegionId, else it is the server's own; "" for a product
    that is the same in all regions."""
    if not product.regional:
        return ""
    called = product.region_in(host.rsplit(":", 1)[0].lower())
    if called and REGION.fits(called):
        return called
    region = parameters.get("RegionId", "")
    if not region:
        return home
    if not REGION.fits(region):
        raise InvalidParameter(name="RegionId")
    return region


def dry_run(parameters: Mapping[str, str]) -> bool:
    """Whether the client asks for a dry run; InvalidParameter(DryRun) for anything but true and false."""
    text = parameters.get("DryRun", "").lower()
    if text not in ("", "true", "false"):
        raise InvalidParameter(name="DryRun")
    return text == "true"


def bind(operation: Operation, parameters: Mapping[str, str]) -> Request:
    """The typed request. MissingParameter or the refusal of a parameter's type; parameters of other names are ignored."""
    values: dict[str, object] = {}
    flattened = _flattened(parameters)
    for field in operation.fields:
        if flattened:
            text = text_of(field, parameters)
        else:  # a list never comes as one text
            text = None if field.param.kind == "Array" else parameters.get(field.name)
        if text is None or (text == "" and not field.param.empty):
            if field.required:
                raise MissingParameter(name=field.name)
        else:
            values[field.attribute] = field.param.parse(field.name, text)
    return operation.request(**values)


def recordable_action(action: str) -> str:
    """The letters and digits of an action as sent, of its first 64 characters."""
    if len(action) <= 64 and action.isascii() and action.isalnum():
        return action
    return "".join(letter for letter in action[:64] if letter.isascii() and letter.isalnum())


def recordable(operation: Operation, parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters as sent, without the sensitive ones and without blobs, each cut to 8192 characters."""
    found: dict[str, str] = {}
    flattened = _flattened(parameters)
    for field in operation.recorded:
        for name in (field.name, *_members(field, parameters)) if flattened else (field.name,):
            if text := parameters.get(name):
                found[name] = text[:_RECORDED_CHARACTERS]
    return found


def _flattened(parameters: Mapping[str, str]) -> bool:
    """Whether any parameter may be a member of a map or a list; in most calls none is."""
    return "." in "".join(parameters)


def _members(field: Field, parameters: Mapping[str, str]) -> list[str]:
    """The names that a map or a list is sent as, if it is not sent as one: `Name.key`, `Name.1`, `Name.1.Member`."""
    if field.param.kind not in ("Map", "Array"):
        return []
    prefix = f"{field.name}."
    return [name for name in parameters if name.startswith(prefix)]


def text_of(field: Field, parameters: Mapping[str, str]) -> str | None:
    """The text of a parameter, whichever way it was sent; None for one that was not."""
    text = parameters.get(field.name)
    if field.param.kind == "Array":
        return _array(field, parameters)
    # The Node client flattens a map into EncryptionContext.name=value.
    names = _members(field, parameters)
    if not names:
        return text
    if text is not None:
        raise InvalidParameter(name=field.name)
    flattened = {name.removeprefix(f"{field.name}."): parameters[name] for name in names}
    return json.dumps(flattened, ensure_ascii=False)


def _array(field: Field, parameters: Mapping[str, str]) -> str | None:
    """`Name.1`, `Name.2`, … or `Name.1.Member`, … as a JSON array, in the order of their numbers."""
    rows: dict[int, dict[str, str] | str] = {}
    for name in _members(field, parameters):
        found = _ELEMENT.match(name)
        if found is None:
            continue
        number, member = int(found["number"]), found["member"]
        row = rows.setdefault(number, {} if member else parameters[name])
        if isinstance(row, dict) != bool(member):
            raise InvalidParameter(name=field.name)
        if isinstance(row, dict):
            row[member] = parameters[name]
    return json.dumps([rows[number] for number in sorted(rows)]) if rows else None
