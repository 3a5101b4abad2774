"""Keys: the list, found by any of their names and by what they are."""

from starlette.responses import Response

from keystead.console.pages.key_frame import Given, Offer, container, page_number, regions
from keystead.console.routing import Pages
from keystead.console.visit import Visit
from keystead.domain.keys.key import KeySpec, KeyUsage
from keystead.domain.keys.lifecycle import KeyState
from keystead.domain.products import CONSOLE

pages = Pages()
_ROWS = 50
_QUERY_CHARACTERS = 256
_TAG_CHARACTERS = 128


@pages.get("/keys")
async def show(visit: Visit) -> Response:
    typed = Given({name: value.strip() for name, value in visit.fields().items()})
    typed["query"] = typed["query"][:_QUERY_CHARACTERS]
    wanted = {
        "Query": typed["query"],
        "KeyState": _one_of(typed["state"], tuple(KeyState)),
        "KeySpec": _one_of(typed["spec"], tuple(KeySpec)),
        "KeyUsage": _one_of(typed["usage"], tuple(KeyUsage)),
        "TagKey": typed["tag_key"][:_TAG_CHARACTERS],
        "TagValue": typed["tag_value"][:_TAG_CHARACTERS],
    }
    page = page_number(visit)
    found = await visit.call(
        "SearchKeys", {**wanted, "PageNumber": str(page), "PageSize": str(_ROWS)}, product=CONSOLE
    )
    create, everything = "kms:CreateKey", container(visit, "key")
    await visit.look_up_rights([(create, everything)])
    return visit.render(
        "keys/list.html",
        keys=found["Keys"]["Key"],
        total=found["TotalCount"],
        page=page,
        rows=_ROWS,
        typed=typed,
        filtered=any(wanted.values()),
        states=_choices(visit, tuple(KeyState)),
        specs=_choices(visit, tuple(KeySpec)),
        usages=_choices(visit, tuple(KeyUsage)),
        regions=regions(visit),
        create=Offer(visit.may(create, everything), create),
        query={name: value for name, value in typed.items() if value and name not in ("page", "done")},
    )


def _choices(visit: Visit, known: tuple[str, ...]) -> list[tuple[str, str]]:
    return [("", visit._("any")), *((str(one), str(one)) for one in known)]


def _one_of(text: str, known: tuple[str, ...]) -> str:
    # What somebody wrote into the address is no filter.
    return text if text in known else ""
