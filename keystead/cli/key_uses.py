"""Who used a key of late: what `keystead key usage` shows, and the warning before a command ends its use."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from keystead.cli import output
from keystead.clock import SystemClock

if TYPE_CHECKING:
    from keystead.client.transport import Session

ENDS_USE = frozenset({"DisableKey", "ScheduleKeyDeletion", "DeleteKeyMaterial"})
DAYS = 30  # within which a use says that somebody needs the key still
_NAMED = 3  # callers in a warning


def table(members: Mapping[str, Any]) -> None:
    """Print the answer to UsageOfKey."""
    rows: list[tuple[str, ...]] = [
        ("VERSION", "CALLER", "ACCESSKEY", "OPERATION", "LAST", "CALLS", "REFUSED"),
        *(
            (
                use["KeyVersionId"],
                _caller(use),
                use["AccessKeyId"] or "(console)",
                use["Action"],
                use["LastDate"],
                str(use["Count"]),
                str(use["Refused"]),
            )
            for use in members["Uses"]["Use"]
        ),
    ]
    if len(rows) > 1:
        output.table(rows, first=3)
    shown, total = len(rows) - 1, members["TotalCount"]
    if shown < total:
        output.note(f"the latest {shown} of {total} callers, versions and operations")
    before = f"keystead audit list --key {members['KeyId']} shows what was before"
    output.note(f"{'counted' if shown else 'nobody used it'} since {members['Since']}; {before}")


def warn(session: "Session", parameters: Mapping[str, str]) -> None:
    """Say on stderr who used the key within the last days; nothing where nobody did, or the server does not tell."""
    from keystead.domain.products import KEYSTEAD

    asked = {name: parameters[name] for name in ("KeyId", "RegionId") if name in parameters}
    answer = session.call("UsageOfKey", KEYSTEAD.version, asked)
    if not 200 <= answer.status < 300 or "Uses" not in answer.members:
        return  # another service, or a caller who may not know
    after = SystemClock().now() - DAYS * 86_400
    uses = [
        use
        for use in answer.members["Uses"]["Use"]
        if use["Count"] > use["Refused"] and datetime.fromisoformat(use["LastDate"]).timestamp() >= after
    ]
    if not uses:
        return
    callers = list(dict.fromkeys(map(_caller, uses)))
    more = f" and {len(callers) - _NAMED} more" if len(callers) > _NAMED else ""
    output.warning(
        f"the key was used within the last {DAYS} days, by {', '.join(callers[:_NAMED])}{more}; the last time on "
        f"{uses[0]['LastDate']} by {uses[0]['Action']}; keystead key usage {answer.members['KeyId']} shows all"
    )


def _caller(use: Mapping[str, Any]) -> str:
    name = use["UserName"] or ("root" if use["CallerType"] == "root-account" else use["Principal"])
    return f"{name}@{use['AccountId']}" if use["CallerType"] in ("root-account", "ram-user") else str(name)
