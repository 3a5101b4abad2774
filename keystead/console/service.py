"""Calls from the console to the service. They are those of the person who is signed in, and have no more rights."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead import __version__
from keystead.api.catalogue import CATALOGUE
from keystead.api.http.message import Channel, HttpResponse
from keystead.api.http.receive import HEADER_CHARACTERS, Received
from keystead.domain.products import KMS, Product

Call = Callable[[Received], Awaitable[HttpResponse]]
USER_AGENT = f"keystead-console/{__version__}"


class Refused(Exception):
    """The service's refusal of a call, as the wire has it: code, message in English, and what an operator may look for."""

    def __init__(self, action: str, status: int, body: Mapping[str, Any]) -> None:
        self.action = action
        self.status = status
        self.code: str = body.get("Code", "InternalFailure")
        self.message: str = body.get("Message", "")
        self.request_id: str = body.get("RequestId", "")
        self.detail: Mapping[str, Any] = body.get("AccessDeniedDetail") or {}
        super().__init__(self.code)

    @property
    def permission(self) -> str:
        """What policies would have to allow; empty: that is not why."""
        return str(self.detail.get("AuthAction", ""))


class Service:
    """The service, for one request of one person."""

    def __init__(self, call: Call, *, session: str, source: str, host: str, tls: str, region: str) -> None:
        self._call = call
        self._session = session
        self._source = source
        self._host = host
        self._tls = tls
        self._region = region

    async def __call__(
        self,
        action: str,
        /,
        parameters: Mapping[str, str] | None = None,
        *,
        product: Product = KMS,
        **more: str,
    ) -> dict[str, Any]:
        """Call an operation with parameters by their names on the wire. Refused if it is.

        Empty ones are left out, but for those of which the empty text is a value.
        """
        operation = CATALOGUE.find(product.version, action)
        blank = {one.name for one in operation.fields if one.param.empty} if operation is not None else set()
        asked = {**(parameters or {}), **more}
        given = {
            "Format": "JSON",
            **{name: value for name, value in asked.items() if value != "" or name in blank},
        }
        if product.regional:
            given.setdefault("RegionId", self._region)
        response = await self._call(
            Received(
                channel=Channel.CONSOLE,
                source=self._source,
                tls=self._tls,
                host=self._host[:HEADER_CHARACTERS],
                user_agent=USER_AGENT,
                parameters=given,
                action=action,
                version=product.version,
                size=sum(len(name) + len(value) for name, value in given.items()),
                session=self._session,
            )
        )
        body: dict[str, Any] = msgspec.json.decode(response.body)
        if response.status >= 300:
            raise Refused(action, response.status, body)
        return body
