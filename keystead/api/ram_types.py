"""The types of the parameters of Ram, as `wire_types` has those of Kms, and the pages of its listings."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, TypeVar

from keystead.access.decisions import PolicyType as TypeOfPolicy
from keystead.access.documents import MAXIMUM_CHARACTERS, Malformed, identity_document
from keystead.api.coerce import Rule, integer, rule, text_up_to
from keystead.api.wire_types import Param, Request, Role, choice
from keystead.domain import identities
from keystead.domain.accounts import AccessKeyStatus
from keystead.domain.sign_in import CODE, DEVICE_NAME, SERIAL_NUMBER
from keystead.errors import InvalidParameter, MalformedPolicyDocument
from keystead.forms import Form

T = TypeVar("T")

_ROTATE = "DeleteOldestNonDefaultVersionWhenLimitExceeded"


def _named(form: Form) -> Rule[str]:
    def parse(name: str, text: str) -> str:
        if not form.fits(text):
            raise InvalidParameter(name=name)
        return text

    return Rule(parse, form.words)


@rule(f"JSON: a policy, at most {MAXIMUM_CHARACTERS} characters")
def _document(name: str, text: str) -> str:
    try:
        identity_document(text)
    except Malformed as error:
        raise MalformedPolicyDocument(reason=error) from None
    return text


# fmt: off
UserName = Annotated[str, Param("String", _named(identities.NAME), role=Role.USER)]
NewUserName = Annotated[str, Param("String", _named(identities.NAME))]
GroupName = Annotated[str, Param("String", _named(identities.GROUP_NAME), role=Role.GROUP)]
NewGroupName = Annotated[str, Param("String", _named(identities.GROUP_NAME))]
PolicyName = Annotated[str, Param("String", _named(identities.POLICY_NAME), role=Role.POLICY)]
PolicyType = Annotated[str, choice(TypeOfPolicy.SYSTEM, TypeOfPolicy.CUSTOM)]
# What was meant to be a policy may be anything.
PolicyDocument = Annotated[str, Param("String", _document, sensitive=True, errors=(MalformedPolicyDocument,))]
VersionId = Annotated[str, Param("String", _named(Form(r"v[1-9][0-9]{0,8}", "v and a number, as v1")))]
RotateStrategy = Annotated[str, choice("None", _ROTATE)]
DisplayName = Annotated[str, Param("String", text_up_to(128), empty=True)]
Comments = Annotated[str, Param("String", text_up_to(128), empty=True)]
MobilePhone = Annotated[str, Param("String", text_up_to(32), empty=True)]
Email = Annotated[str, Param("String", text_up_to(128), empty=True)]
NewDisplayName = Annotated[str | None, Param("String", text_up_to(128), empty=True)]
NewComments = Annotated[str | None, Param("String", text_up_to(128), empty=True)]
NewMobilePhone = Annotated[str | None, Param("String", text_up_to(32), empty=True)]
NewEmail = Annotated[str | None, Param("String", text_up_to(128), empty=True)]
Description = Annotated[str, Param("String", text_up_to(1024), empty=True)]
Status = Annotated[str, choice(*AccessKeyStatus)]
DeviceName = Annotated[str, Param("String", _named(DEVICE_NAME), role=Role.MFA)]
SerialNumber = Annotated[str, Param("String", _named(SERIAL_NUMBER))]
DeletedSerialNumber = Annotated[str, Param("String", _named(SERIAL_NUMBER), role=Role.MFA)]
AuthenticationCode = Annotated[str, Param("String", _named(CODE), sensitive=True)]
Marker = Annotated[str, Param("String", text_up_to(128, "what the page before gave"))]
MaxItems = Annotated[int, Param("Integer", integer(1, 1000))]
# fmt: on


class MarkedRequest(Request, frozen=True):
    """A request for some items of a listing, from where another one ended."""

    marker: Marker = ""
    max_items: MaxItems = 100


def marked(
    items: Iterable[T], name_of: Callable[[T], str], request: MarkedRequest
) -> tuple[Sequence[T], str]:
    """The items that are asked for, in order of their names, and the marker of the next ones, "" if there are none.

    The marker is the name of the next item, so that a listing goes on where it was whatever comes or goes meanwhile.
    """
    rest = sorted((one for one in items if name_of(one) >= request.marker), key=name_of)
    page, beyond = rest[: request.max_items], rest[request.max_items :]
    return page, name_of(beyond[0]) if beyond else ""
