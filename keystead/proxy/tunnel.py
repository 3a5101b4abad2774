"""The way out for everything that is not ours: direct, or by way of the proxy that was set before."""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from keystead.errors import OperatorError

_USABLE = {"http", "https"}


class Tunnel:
    """Opens connections to other hosts as the environment before `run` said."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """OperatorError for a variable that is not the URL of a proxy."""
        self._proxies = {scheme: _proxy_for(scheme, environment) for scheme in ("http", "https")}
        kinds = {proxy.scheme for proxy in self._proxies.values() if proxy is not None} - _USABLE
        # Going direct instead would be what the proxy is there to prevent.
        self.warning = (
            f"the proxy that is set is a {'/'.join(sorted(kinds))} proxy, which cannot be used here: nothing but the "
            "answered hosts is reached"
            if kinds
            else ""
        )
        exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
        self._exempt = [
            one.strip().lower().lstrip("*").lstrip(".") for one in exempt.split(",") if one.strip()
        ]

    def proxy(self, scheme: str, host: str) -> SplitResult | None:
        """The earlier proxy for this host, or None to go there directly."""
        host = host.lower()
        if any(one == "" or host == one or host.endswith(f".{one}") for one in self._exempt):
            return None
        return self._proxies[scheme]

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection whose bytes reach host:port; OSError if there is none."""
        proxy = self.proxy("https", host)
        if proxy is None:
            return await asyncio.open_connection(host, port)
        reader, writer = await self.to_proxy(proxy)
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", *authorization(proxy), "", ""]
        writer.write("\r\n".join(lines).encode())
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            head = b""
        if head.split(b" ", 2)[1:2] != [b"200"]:
            writer.close()
            raise OSError("the proxy that was set before refused the connection")
        return reader, writer

    async def open_tls(self, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the host itself on port 443, as it proves by its certificate; OSError if there is none."""
        reader, writer = await self.open(host, 443)
        try:
            await writer.start_tls(ssl.create_default_context(), server_hostname=host)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def to_proxy(self, proxy: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the earlier proxy itself; OSError if it is none for HTTP."""
        if proxy.scheme not in _USABLE:
            raise OSError(f"a {proxy.scheme} proxy cannot be used here")
        secure = proxy.scheme == "https"
        port = proxy.port or (443 if secure else 80)
        return await asyncio.open_connection(
            proxy.hostname, port, ssl=ssl.create_default_context() if secure else None
        )


def authorization(proxy: SplitResult) -> list[str]:
    """The header with the earlier proxy's credentials, if its URL has any."""
    if proxy.username is None:
        return []
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return [f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}"]


def _proxy_for(scheme: str, environment: Mapping[str, str]) -> SplitResult | None:
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        text = environment.get(name, "")
        if text:
            try:
                parts = urlsplit(text if "://" in text else f"http://{text}")
                if parts.hostname and parts.port != 0:
                    return parts
            except ValueError:
                pass
            raise OperatorError(f"{name} is not the URL of a proxy", hint="as in http://proxy.example:3128")
    return None
