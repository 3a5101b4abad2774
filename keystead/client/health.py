"""What the ops listener of a server says of it: whether it is ready, and since when it runs."""

import http.client
import json
import re
from urllib.parse import urlsplit

import msgspec

from keystead.client.transport import reason
from keystead.errors import Unreachable

_SECONDS = 5.0
_ANSWER_BYTES = 1 << 20
_STARTED = re.compile(r"^process_start_time_seconds (\S+)", re.MULTILINE)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`problems` is what keeps calls from being answered; none: it is ready. `started` is in seconds since 1970, None where
    the server's system does not tell. `warnings` is what is wrong besides, `database` what is weak in one that several
    servers share."""

    problems: tuple[str, ...]
    started: float | None
    warnings: tuple[str, ...] = ()
    database: tuple[str, ...] = ()


def ask(url: str) -> Health:
    """What the ops listener at this address says. Unreachable if it gives no such answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        told = json.loads(_get(connection, "/ready"))
        found = _STARTED.search(_get(connection, "/metrics").decode())
        return Health(
            problems=tuple(map(str, told["problems"])),
            started=None if found is None else float(found[1]),
            warnings=tuple(map(str, told.get("warnings", ()))),  # an earlier version says none
            database=tuple(map(str, told.get("database", ()))),
        )
    except (OSError, http.client.HTTPException) as error:
        why = reason(error)
    except (ValueError, LookupError, TypeError, AttributeError):
        why = "it is another program's"
    finally:
        connection.close()
    raise Unreachable(
        f"no health and metrics at {url}: {why}", hint="check ops-listen, and what else uses that port"
    )


def _get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    return connection.getresponse().read(_ANSWER_BYTES)
