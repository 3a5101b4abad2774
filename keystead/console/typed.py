"""What was typed into a form that calls an operation: read by the operation's own rules, before the service is asked."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from keystead.api.catalogue import CATALOGUE
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.products import KMS, Product
from keystead.errors import KmsError

_OF_FIELDS = ("InvalidParameter", "MissingParameter")
_NAMED = re.compile(r'parameter "([A-Za-z0-9]+)"')


class Typed(NamedTuple):
    """A form: what was typed, what is wrong with it, and the rules in words (to be translated), all by the names of the
    operation's parameters; and why the service refused it."""

    values: Mapping[str, str]
    errors: Mapping[str, Markup]
    hints: Mapping[str, str]
    refused: Refused | None = None

    @property
    def status(self) -> int:
        """The status of a page that shows it."""
        if self.refused is not None:
            return self.refused.status
        return 400 if self.errors else 200


BARE = Typed({}, {}, {})  # of a form that has nothing to type into but a proof


def blank(visit: Visit, hints: Mapping[str, str], known: Mapping[str, str] | None = None) -> Typed:
    """A form that nobody has sent yet, with what is known, and what the address fills in."""
    known = known or {}
    return Typed({name: visit.field(name) or known.get(name, "") for name in hints}, {}, hints)


def read(
    visit: Visit, action: str, names: Iterable[str], hints: Mapping[str, str], *, product: Product = KMS
) -> Typed:
    """The fields of these names, as an operation reads its parameters of the same names. Lines end as they do on the wire,
    and spaces around are not meant."""
    _ = visit._
    values: dict[str, str] = {}
    errors: dict[str, Markup] = {}
    operation = CATALOGUE.find(product.version, action)
    assert operation is not None
    fields = {field.name: field for field in operation.fields}
    for name in names:
        field, text = fields[name], visit.field(name).replace("\r\n", "\n")
        values[name] = text = text if field.param.sensitive else text.strip()
        if text == "":
            if field.required and not field.param.empty:
                errors[name] = _("Fill this in.")
            continue
        try:
            field.param.parse(name, text)
        except KmsError as error:
            rule = hints.get(name)
            errors[name] = (
                _("This is not accepted. %(rule)s", rule=_(rule)) if rule else Markup.escape(error.text)
            )
    return Typed(values, errors, hints)


async def send(
    visit: Visit, action: str, form: Typed, *, product: Product = KMS, **more: str
) -> tuple[dict[str, Any] | None, Typed]:
    """Call an operation with a form, after the proof that came with it, if one did. The reply, or None with the form that
    says what is wrong, or why it was refused."""
    if form.errors:
        return None, form
    try:
        await visit.confirm()
        return await visit.call(action, form.values, product=product, **more), form
    except Refused as refused:
        return None, _beside(visit, form._replace(refused=refused))


def _beside(visit: Visit, form: Typed) -> Typed:
    """The form with the refusal beside the field that it is about, if it is about one."""
    refused = form.refused
    named = _NAMED.search(refused.message) if refused is not None and refused.code in _OF_FIELDS else None
    if named is None or named[1] not in form.values:
        return form
    rule = form.hints.get(named[1], "")
    text = visit._("This is not accepted. %(rule)s", rule=visit._(rule) if rule else "")
    return form._replace(errors={**form.errors, named[1]: text}, refused=None)


async def act(
    visit: Visit, action: str, parameters: Mapping[str, str], *, product: Product = KMS
) -> Refused | None:
    """Call an operation for a button that stands alone; its refusal, to be shown on the page that the button is on. If a
    proof is needed first, the way leads to where it is given."""
    try:
        await visit.call(action, parameters, product=product)
    except Refused as refused:
        if refused.code == "ConfirmationRequired":
            raise
        return refused
    return None


async def perhaps(
    visit: Visit, action: str, parameters: Mapping[str, str], *, product: Product = KMS
) -> dict[str, Any] | Refused:
    """What a part of a page shows, or its refusal, which does not cost the other parts."""
    try:
        return await visit.call(action, parameters, product=product)
    except Refused as refused:
        if refused.status == 401:
            raise
        return refused
