"""Records and the rows that they are kept as."""

from collections.abc import Sequence
from typing import Any

from keystead.domain.audit import COLUMNS, REVEALING, Kind, Record
from keystead.store.lookups import Wanted

SELECT_RECORD = f"SELECT {', '.join(COLUMNS)}, hash FROM audit"  # noqa: S608 - constant names

_CALLER = "(principal = ? OR access_key_id = ? OR session = ? OR principal IN (SELECT user_id FROM users WHERE name = ?))"


def conditions_of(wanted: Wanted) -> tuple[str, list[Any]]:
    """The condition of a query for records, and its values."""
    conditions, values = ["TRUE"], list[Any]()
    for condition, value in (
        ("time >= ?", wanted.since),
        ("time < ?", wanted.until),
        ("action = ?", wanted.action or None),
        (_CALLER, wanted.caller or None),
        ("account = ?", wanted.account or None),
        ("access_key_id = ?", wanted.session or None),
        ("kind = ?", wanted.kind or None),
        # Within the JSON list of ARNs: the whole of one's end, not a part of it.
        ("instr(resources, ?) > 0", f':{wanted.resource}"' if wanted.resource else None),
    ):
        if value is not None:
            conditions.append(condition)
            values += [value] * condition.count("?")
    if wanted.revealing:
        conditions.append(f"action IN ({', '.join('?' * len(REVEALING))})")
        values += sorted(REVEALING)
    if wanted.failed is not None:
        conditions.append("code <> ''" if wanted.failed else "code = ''")
    return " AND ".join(conditions), values


def record_of(row: Sequence[object]) -> tuple[Record, bytes]:
    """A record and its hash, of the columns of a row; TypeError or ValueError for what can be neither."""
    values = dict(zip(COLUMNS, row, strict=False))
    values["kind"] = Kind(str(values["kind"]))
    stored = row[len(COLUMNS)]
    if not isinstance(stored, bytes):
        raise TypeError("a hash is bytes")
    return Record(**values), stored  # type: ignore[arg-type]
