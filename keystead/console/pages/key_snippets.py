"""One key: the lines that use it, for each official client."""

from starlette.responses import Response

from keystead.console.pages.key_frame import ShownKey, about_key, ask, show
from keystead.console.routing import Pages
from keystead.console.snippets import place_of, snippets
from keystead.console.visit import Visit

pages = Pages()


@pages.get("/keys/{key_id}/snippets")
@about_key
async def show_snippets(visit: Visit, key: ShownKey) -> Response:
    named, _ = await ask(visit, "ListAliasesByKeyId", KeyId=key.id, PageSize="1")
    aliases = [one["AliasName"] for one in named["Aliases"]["Alias"]] if named else []
    version = ""
    if key.asymmetric:
        told, _ = await ask(visit, "ListKeyVersions", KeyId=key.id, PageSize="1")
        version = told["KeyVersions"]["KeyVersion"][0]["KeyVersionId"] if told else "KEY-VERSION-ID"
    place = place_of(visit.request.headers.get("host", ""), visit.region, visit.console.served.region)
    return show(
        visit,
        key,
        "snippets",
        place=place,
        name=aliases[0] if aliases else key.id,
        snippets=snippets(place, aliases[0] if aliases else key.id, version, key.spec, key.usage, key.origin),
    )
