"""The parameters of a request, from its query and its form body: decoded once, strictly, and never taken twice."""

import re
from collections.abc import Mapping

import msgspec

from keystead.api.http.message import HttpRequest
from keystead.api.http.percent import broken_escape, percent_decoded
from keystead.errors import ActionNotFound, BadRequest

MAXIMUM = 512
FORM = "application/x-www-form-urlencoded"
_PLAIN = re.compile(r"\A[A-Za-z0-9_.\-]{1,64}\Z")


class Parameters(msgspec.Struct, frozen=True):
    """Decoded parameters by name. `merged` has all of them; signatures need to know what came in the query."""

    query: dict[str, str]
    form: dict[str, str]
    merged: dict[str, str]

    def __repr__(self) -> str:
        return f"<Parameters {len(self.query)} in the query, {len(self.form)} in the form>"


def parse(request: HttpRequest) -> Parameters:
    """The request's parameters.

    BadRequest for what is badly encoded, doubled, too many, or in a body that is not a form; ActionNotFound for any
    path but `/`. Reasons name parameters at most, never their values.
    """
    path, _, query_text = request.target.partition("?")
    if path not in ("/", ""):
        raise ActionNotFound
    return with_form(_decode(query_text), request.headers, request.body)


def with_form(query: dict[str, str], headers: Mapping[str, str], body: bytes) -> Parameters:
    """The parameters of a query that was decoded, and those of a body; BadRequest as with `parse`."""
    if not body:
        return Parameters(query, {}, query)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise BadRequest(reason=f"A body must be {FORM}.")
    try:
        form = _decode(body.decode("ascii"))
    except UnicodeDecodeError:
        raise BadRequest(reason="The form body must be percent-encoded ASCII.") from None
    merged = query | form
    if len(merged) != len(query) + len(form):
        raise _doubled(next(name for name in form if name in query))
    return Parameters(query, form, merged)


def _decode(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if not text:
        return found
    # Clients write a space as + or as %20; a plus is always %2B.
    text = text.replace("+", " ")
    if "%" in text and broken_escape(text):
        raise BadRequest(reason="A percent sign must be followed by two hexadecimal digits.")
    pairs = text.split("&")
    if len(pairs) > MAXIMUM:
        raise BadRequest(reason=f"There may be at most {MAXIMUM} parameters.")
    for pair in pairs:
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in name:
            name = percent_decoded(name)
        if "%" in value:
            value = percent_decoded(value)
        if name in found:
            raise _doubled(name)
        found[name] = value
    return found


def _doubled(name: str) -> BadRequest:
    shown = f' "{name}"' if _PLAIN.match(name) else ""
    return BadRequest(reason=f"The parameter{shown} is given more than once.")
