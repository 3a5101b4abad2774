"""What a request says, read before anything is known of who sent it.

Pure, and without keys or store: so it can be done as requests arrive, or in another process.
"""

from collections.abc import Mapping

import msgspec

from keystead.api.http import signature
from keystead.api.http.message import Channel, HttpRequest
from keystead.api.http.parse import parse
from keystead.errors import BadRequest, InternalFailure, KmsError, UnsupportedMethod

HEADER_CHARACTERS = 256  # of a user agent or host, kept in a record


class Received(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A request as the pipeline takes it. What it says is read from the claims, once they are verified; only what no
    signature covers stands beside them."""

    channel: Channel
    source: str
    tls: str
    host: str
    user_agent: str
    user: str = ""
    claimed: str = ""  # with a refusal: the AccessKey id that it seemed to claim, whatever it is
    xml: bool = False  # how it is to be answered
    # With claims: only where they hold no string to sign yet.
    parameters: dict[str, str] = {}
    action: str = ""  # with no claims, as the next
    version: str = ""
    claims: signature.Claims | None = (
        None  # None: there is a refusal, or it came by another way than the network
    )
    refusal: KmsError | None = None  # why it is not taken; its cause, if any, is a fault of ours
    size: int = 0  # bytes of target and body, as they came
    session: str = ""  # by the console: the token of the session; empty: nobody is signed in

    def __repr__(self) -> str:
        return f"<Received {len(self.parameters)} parameters>"


def receive(request: HttpRequest) -> Received:
    """The request's parameters and claims, or why they can't be had. It raises nothing."""
    headers = request.headers
    xml = False
    parameters: dict[str, str] = {}
    action = version = ""
    claims: signature.Claims | None = None
    refusal: KmsError | None = None
    host = headers.get("host", "")
    try:
        if len(host) > HEADER_CHARACTERS:
            # Cut, it could be the name of something else.
            raise BadRequest(reason=f"The Host header may have at most {HEADER_CHARACTERS} characters.")
        found = parse(request)
        parameters = found.merged
        xml = wants_xml(parameters, headers)
        if request.method not in ("GET", "POST"):
            raise UnsupportedMethod
        if request.channel is Channel.NETWORK:
            claims = signature.read_claims(request, found)
            if claims.signed:
                parameters = {}
        else:
            action, version = signature.action_and_version(parameters, headers)
    except KmsError as error:
        refusal = error.with_traceback(
            None
        )  # its frames would keep the request until the next garbage collection
    except Exception as error:  # a bug of ours: the caller learns the request id and nothing else
        refusal = InternalFailure()
        refusal.__cause__ = error
    return Received(
        channel=request.channel,
        source=request.source,
        tls=request.tls,
        host=host[:HEADER_CHARACTERS],
        user_agent=headers.get("user-agent", "")[:HEADER_CHARACTERS],
        user=request.user,
        claimed="" if refusal is None else signature.claimed_id(parameters, headers),
        xml=xml,
        parameters=parameters if refusal is None else {},
        action=action,
        version=version,
        claims=claims,
        refusal=refusal,
        size=len(request.target) + len(request.body),
    )


def wants_xml(parameters: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    """Whether the answer is to be XML: Format in any case, else the accept header; JSON is the default."""
    wanted = parameters.get("Format", "").lower()
    if wanted not in ("", "none"):
        # `none` is what the classic Python SDK sends when no format was set.
        return wanted == "xml"
    accept = headers.get("accept", "").lower()
    return "xml" in accept and "json" not in accept
