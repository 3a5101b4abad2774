"""The server that a proxy speaks for: at a fixed URL, or whichever runs on a data directory now."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keystead.errors import OperatorError


class Gone(Exception):
    """No server answers now."""


class Upstream:
    """Connects to the server. With `description` (a server.json) it follows from one server to the next."""

    def __init__(self, *, url: str = "", ca_file: str | None = None, description: Path | None = None) -> None:
        if url:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise OperatorError(
                    f"{url!r} is not an endpoint",
                    hint="write it as https://HOST:PORT, for example https://kms:8443",
                )
        self._url = url
        self._ca_file = ca_file
        self._description = description
        self._context: tuple[object, ssl.SSLContext] | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A verified connection; Gone if there is none to be had."""
        url, ca_file = self._where()
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        try:
            context = self._tls(ca_file) if secure else None
            return await asyncio.wait_for(
                asyncio.open_connection(
                    parts.hostname, port, ssl=context, server_hostname=parts.hostname if secure else None
                ),
                5,
            )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise Gone(f"{url}: {str(error) or type(error).__name__}") from None

    def _where(self) -> tuple[str, str | None]:
        if self._description is None:
            return self._url, self._ca_file
        try:
            found: dict[str, Any] = json.loads(self._description.read_bytes())
            return str(found["url"]), found["ca_file"]
        except (OSError, ValueError, KeyError):
            raise Gone(f"no server runs on {self._description.parent}") from None

    def _tls(self, ca_file: str | None) -> ssl.SSLContext:
        # A server that starts anew may have a new CA, so the context is kept only as long as the file is the same.
        state = None if ca_file is None else (ca_file, Path(ca_file).stat().st_mtime_ns)
        if self._context is None or self._context[0] != state:
            self._context = (state, ssl.create_default_context(cafile=ca_file))
        return self._context[1]
