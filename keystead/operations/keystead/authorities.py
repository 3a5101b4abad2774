"""The server's own CA: its operator's means to have another one; not reachable over the network."""

from typing import Annotated

from keystead.api import coerce
from keystead.api.operation import Call, operation
from keystead.api.wire_types import Param, Reply, Request
from keystead.clock import iso8601
from keystead.crypto.authority import describe, make_authority
from keystead.domain.authorities import LOCAL, Names, serving, succeed
from keystead.domain.keys.key import DAY
from keystead.domain.products import KEYSTEAD
from keystead.errors import InvalidParameter

_MOST = 100  # names


@coerce.rule(f"1 to {_MOST} host names and IP addresses, separated by commas")
def _names(name: str, text: str) -> Names:
    words = text.split(",")
    try:
        if len(words) > _MOST:
            raise ValueError(text)
        return Names.of(words)
    except ValueError:
        raise InvalidParameter(name=name) from None


MoreNames = Annotated[Names, Param("String", _names)]
Overlap = Annotated[int, Param("Integer", coerce.integer(0, 3650, "days"))]


class RotateAuthorityRequest(Request, frozen=True):
    names: MoreNames = Names()
    overlap_days: Overlap = 30


class RotateAuthorityReply(Reply, frozen=True):
    subject: str
    fingerprint: str
    names: list[str]
    overlap_until: str


@operation(changes=True, product=KEYSTEAD)
def rotate_authority(call: Call, request: RotateAuthorityRequest) -> RotateAuthorityReply:
    """Make a new CA for the names of the one before and more; that one goes on beside it until the overlap ends."""
    kept = call.store.authorities.all()
    names = describe(kept[-1].certificate.encode()).names if kept else LOCAL
    made = make_authority(call.vault, names | LOCAL | request.names, call.now, call.entropy)
    overlap = request.overlap_days * DAY
    call.store.authorities.replace(succeed(kept, made, call.now, overlap))
    described = describe(made.certificate.encode())
    return RotateAuthorityReply(
        subject=described.subject,
        fingerprint=described.fingerprint,
        names=list(described.names.all),
        overlap_until=iso8601(call.now + overlap),
    )


class RetireAuthoritiesRequest(Request, frozen=True):
    pass


class RetireAuthoritiesReply(Reply, frozen=True):
    retired: list[str]  # the subjects of those that were served until now beside the newest


@operation(changes=True, product=KEYSTEAD)
def retire_authorities(call: Call, request: RetireAuthoritiesRequest) -> RetireAuthoritiesReply:
    """End every overlap now: the newest CA alone is served."""
    kept = call.store.authorities.all()
    call.store.authorities.replace(kept[-1:])
    ended = serving(kept[:-1], call.now)
    return RetireAuthoritiesReply(retired=[describe(one.certificate.encode()).subject for one in ended])
