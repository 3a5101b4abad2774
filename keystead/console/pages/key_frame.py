"""What all pages about one key share: finding it, its tabs, and what may be done with it in its state by whom."""

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, NamedTuple

from markupsafe import Markup
from starlette.responses import Response

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.catalogue import CATALOGUE
from keystead.console.locales import marked as N_
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.arns import Arn, alias_arn
from keystead.domain.keys.algorithms import ASYMMETRIC, SYMMETRIC, Use, good
from keystead.domain.keys.key import KeySpec, KeyUsage, Origin
from keystead.domain.keys.lifecycle import KeyState, is_open
from keystead.domain.products import KMS
from keystead.domain.regions import REGIONS

_TABS = (
    ("facts", "", N_("Facts")),
    ("versions", "/versions", N_("Versions and rotation")),
    ("import", "/import", N_("Import of material")),
    ("policy", "/policy", N_("Key policy")),
    ("use", "/use", N_("Use")),
    ("snippets", "/snippets", N_("Snippets")),
    ("deletion", "/deletion", N_("Deletion")),
)
_WHY = {
    KeyState.ENABLED: N_("Not while the key is enabled."),
    KeyState.DISABLED: N_("Not while the key is disabled."),
    KeyState.PENDING_DELETION: N_("Not while the key waits for its deletion."),
    KeyState.PENDING_IMPORT: N_("Not while the key waits for its material."),
}


class Given(dict[str, Any]):
    """Fields by name, for a template: what was not given is empty."""

    def __missing__(self, name: str) -> str:
        return ""


class Offer(NamedTuple):
    """Whether a control works: whoever looks at it has the permission, and the key is in the state for it."""

    allowed: bool
    needs: str  # the permission
    why: str = ""  # else: what stands against it


class ShownKey:
    """A key as DescribeKey tells of it."""

    def __init__(self, visit: Visit, told: Mapping[str, Any]) -> None:
        self._visit = visit
        self.told = told
        self.id: str = told["KeyId"]
        self.arn: str = told["Arn"]
        self.spec, self.usage = KeySpec(told["KeySpec"]), KeyUsage(told["KeyUsage"])
        self.origin, self.state = Origin(told["Origin"]), KeyState(told["KeyState"])
        self.path = f"/keys/{self.id}"

    def __getattr__(self, name: str) -> Any:
        """What DescribeKey calls `KeyState` and the like; empty if it does not apply."""
        if not name[:1].isupper():
            raise AttributeError(name)
        return self.told.get(name, "")

    @property
    def of_service(self) -> bool:
        """Whether it is the key of a service, which that manages."""
        return bool(self.told["Creator"] != self._visit.account)

    @property
    def asymmetric(self) -> bool:
        return self.spec in ASYMMETRIC

    @property
    def symmetric(self) -> bool:
        return self.spec in SYMMETRIC

    @property
    def external(self) -> bool:
        return self.good(Use.IMPORT)

    @property
    def rotates(self) -> bool:
        """Whether it can be rotated by itself."""
        return self.good(Use.AUTOMATIC_ROTATION)

    @property
    def trial(self) -> str:
        """Where below `/try` there is something to try with it."""
        if self.symmetric:
            return ""
        if self.good(Use.MAC):
            return "/mac"
        return "/sign" if self.good(Use.SIGNATURE) else "/encrypt-to-pair"

    def good(self, use: Use) -> bool:
        return good(use, self.spec, self.usage, self.origin)

    def is_state(self, *names: str) -> bool:
        return self.told["KeyState"] in names

    async def look_up(self, *actions: str) -> None:
        """Find out which of these operations may be done with the key, for `offer`."""
        await self._visit.look_up_rights((f"kms:{action}", self.arn) for action in actions)

    def offer(self, action: str) -> Offer:
        """Whether a control for this operation works, and if not why."""
        _ = self._visit._
        operation = CATALOGUE.find(KMS.version, action)
        assert operation is not None
        assert operation.gate is not None
        permission = operation.action_on()
        if not self._visit.may(permission, self.arn):
            return Offer(False, permission)
        if self.of_service and operation.changes and not operation.of_services:
            return Offer(False, permission, _("It is the key of a service, which manages it."))
        if not is_open(operation.gate, self.state):
            return Offer(False, permission, _(_WHY[self.state]))
        return Offer(True, permission)

    @property
    def tabs(self) -> list[tuple[str, str, Markup]]:
        return [
            (name, f"/console{self.path}{path}", self._visit._(text))
            for name, path, text in _TABS
            if name != "import" or self.external
        ]


Page = Callable[..., Awaitable[Response]]


def about_key(page: Page) -> Page:
    """A page or form about a key that exists in the account and region: `page(visit, key)`; else one that says so."""

    @wraps(page)
    async def found(visit: Visit, key_id: str) -> Response:
        try:
            key = await find(visit, key_id)
        except Refused as refused:
            if (missing := not_found(visit, refused, key_id)) is None:
                raise
            return missing
        return await page(visit, key)

    return found


async def find(visit: Visit, key_id: str) -> ShownKey:
    """The key with this id. Refused if there is none."""
    return ShownKey(visit, (await visit.call("DescribeKey", {"KeyId": key_id}))["KeyMetadata"])


def not_found(visit: Visit, refused: Refused, key_id: str) -> Response | None:
    """The page that says that there is no such key here, if that is what the refusal says."""
    if refused.code not in ("Forbidden.KeyNotFound", "Forbidden.AliasNotFound", "InvalidParameter"):
        return None
    return visit.render("keys/not_found.html", 404, key_id=key_id, regions=regions(visit))


def show(
    visit: Visit, key: ShownKey, tab: str, /, status: int = 200, *, template: str = "", **values: Any
) -> Response:
    """A tab of the key's page, or a page of its own below that."""
    values.setdefault("problem", None)
    values["errors"], values["typed"] = Given(values.get("errors", {})), Given(values.get("typed", {}))
    return visit.render(f"keys/{template or tab}.html", status, key=key, tab=tab, **values)


def container(visit: Visit, kind: str) -> str:
    """What a call about no single key or alias is authorized on."""
    return str(Arn(region=visit.region, account=visit.account, resource=kind))


def arn_of_alias(visit: Visit, name: str) -> str:
    return alias_arn(visit.account, visit.region, name)


def regions(visit: Visit) -> list[tuple[str, str]]:
    """All regions, for the switch: those that clients know, the server's own, and the one that was chosen."""
    return [(name, name) for name in sorted({*REGIONS, visit.console.served.region, visit.region})]


async def ask(
    visit: Visit, action: str, /, **parameters: str
) -> tuple[dict[str, Any] | None, Refused | None]:
    """The answer of a call for a part of a page; where the permission is missing, the refusal in its place."""
    try:
        return await visit.call(action, parameters), None
    except Refused as refused:
        if refused.status != 403:
            raise
        return None, refused


def page_number(visit: Visit) -> int:
    """Which page of a listing the address asks for; the first for anything else."""
    text = visit.request.query_params.get("page", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 and int(text) else 1
