"""Compares all rows with their seals, the sums of each bucket with its rows, and the record with the buckets."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from keystead.store.sealed import (
    BUCKET_ROWS,
    BY_NUMBER,
    KEY_BUCKETS,
    KEY_VERSIONS,
    KEYS,
    RECORD,
    SEALED,
    SERVER,
    Row,
    Table,
    bucket_of,
)
from keystead.store.seals import (
    NOTHING,
    PRIME,
    Codes,
    Found,
    Sums,
    altered,
    altered_bucket,
    altered_record,
    read_record,
    shown,
    unpacked,
)

_OLD = "the row was put back as it was before"
_BACK = "the row had been removed, and was brought back"
_GONE = "a row was removed"
_SEVERAL = "several rows were altered, removed or brought back; each of them may be one"


class _Rows(Protocol):
    def rows(self, sql: str, values: Any = ()) -> list[Row]: ...

    def each(self, sql: str, values: Any = ()) -> Iterator[Row]: ...


class Examined(NamedTuple):
    """What there is, and what of it was altered. `revision` is -1 if no record opens."""

    rows: int
    revision: int
    found: tuple[Found, ...]


def examine(database: _Rows, codes: Codes, progress: Callable[[int], None] = lambda rows: None) -> Examined:
    """All of it, in one pass over each table. `progress` is told how many rows were read, now and then."""
    found: list[Found] = []
    stored, revision = _buckets(database, codes, found)
    sums: dict[str, list[int]] = {}
    bad: dict[str, list[Found]] = {}
    count = 0
    for table in SEALED:
        holds, scope_of, key_of, location = codes.holds, table.scope, table.key_of, table.location
        for row in database.each(table.select):
            count += 1
            if not count % 100_000:
                progress(count)
            bucket = bucket_of(scope_of(row))
            element = holds(table, row)
            if element is None:
                one = altered(table, row)
                found.append(one)
                bad.setdefault(bucket, []).append(one)
                continue
            so_far = sums.get(bucket)
            if so_far is None:
                so_far = sums[bucket] = [0, 0, 0]
            so_far[0] += 1
            so_far[1] += element
            so_far[2] += element * location(key_of(row))
    for bucket in sorted(stored.keys() | sums.keys()):
        amount, plain, placed = sums.get(bucket, (0, 0, 0))
        is_now = Sums(amount, plain, placed).reduced
        was = stored.get(bucket, NOTHING)
        if was is not None and was != is_now:
            found += _explained(database, codes, bucket, was, is_now, bad.get(bucket, []))
    return Examined(count, revision, tuple(found))


def _buckets(database: _Rows, codes: Codes, found: list[Found]) -> tuple[dict[str, Sums | None], int]:
    """The sums that each bucket should have, None if they are not to be trusted; and the revision."""
    record = read_record(database, codes.sealer)
    stored: dict[str, Sums | None] = {}
    total = NOTHING
    for bucket, blob in database.each("SELECT bucket, blob FROM seals"):
        if bucket == RECORD:
            continue
        content = codes.sealer.open(bucket, blob)
        stored[bucket] = None if content is None else unpacked(content)
        if content is None:
            found.append(altered_bucket(bucket))
        _, element = codes.of(BUCKET_ROWS, (bucket, blob))
        total = total.plus(element, BUCKET_ROWS.location((bucket,)))
    total = total.reduced
    if record is None:
        found.append(altered_record("was altered or removed"))
        return {**stored, **dict.fromkeys(KEY_BUCKETS)}, -1
    revision, was = record.revision, record.total
    of_keys = {bucket: unpacked(sums) for bucket, sums in zip(KEY_BUCKETS, record.keys, strict=True)}
    if was == total:
        return {**stored, **of_keys}, revision
    damaged = [bucket for bucket, sums in stored.items() if sums is None]
    if len(damaged) == 1 and was.rows == total.rows:
        return {**stored, **of_keys}, revision  # that explains it
    location = _location(was, total)
    old = [bucket for bucket in stored if BUCKET_ROWS.location((bucket,)) == location]
    if len(old) == 1 and was.rows == total.rows and not damaged:
        stored[old[0]] = None
        found.append(
            Found(
                "seals", (old[0],), old[0], "these rows were put back as they were before", ("bucket", old[0])
            )
        )
    else:
        found.append(altered_record("is not of these rows: they, or it, are those of another time"))
    return {**stored, **of_keys}, revision


def _location(was: Sums, is_now: Sums) -> int:
    """Where the one row is that makes the difference, if it is one; else a number that is no location."""
    plain = (was.plain - is_now.plain) % PRIME
    return (was.placed - is_now.placed) * pow(plain, -1, PRIME) % PRIME if plain else -1


def _explained(
    database: _Rows, codes: Codes, bucket: str, was: Sums, is_now: Sums, bad: list[Found]
) -> list[Found]:
    """What happened to the rows of a bucket, beside those that are known to be bad."""
    location = _location(was, is_now)
    table = BY_NUMBER.get(location & 0xFF) if location < 1 << 40 else None
    missing = was.rows - is_now.rows
    if table is None or abs(missing) > 1:
        return [Found("rows", (), bucket, _SEVERAL, ("bucket", bucket))]
    if missing == 1:
        if any(one.table == table.name and _locates(table, one, location) for one in bad):
            return []  # it was altered where it stands
        return [_gone(database, table, bucket, location)]
    rows = [
        row
        for row in database.each(table.select)
        if table.location(table.key_of(row)) == location and bucket_of(table.scope(row)) == bucket
    ]
    what = _OLD if missing == 0 else _BACK
    if not rows:
        return [Found("rows", (), bucket, _SEVERAL, ("bucket", bucket))]
    return [_found(table, row, bucket, what) for row in rows]


def _found(table: Table, row: Row, bucket: str, what: str) -> Found:
    key = table.key_of(row)
    blocks = ("bucket", SERVER) if bucket == SERVER else ("row", table.number, key)
    return Found(table.name, shown(key), bucket, what, blocks)


def _locates(table: Table, bad: Found, location: int) -> bool:
    key = bad.blocks[2] if bad.blocks[0] == "row" else bad.key
    return table.location(key) == location


def _gone(database: _Rows, table: Table, bucket: str, location: int) -> Found:
    """The row that is missing: by its name, if something else in the database has that still."""
    if bucket == SERVER:
        return Found(table.name, (), bucket, _GONE, ("bucket", SERVER))
    for key in _candidates(database, table, bucket):
        if table.location(key) == location:
            scope = table.scope_of_key(key) or bucket
            if bucket_of(scope) == bucket:
                return Found(
                    table.name, shown(key), bucket, "the row was removed", ("scope", table.number, scope)
                )
    # Whose it was is not known: nothing of the kind in the bucket is to be believed.
    blocks = ("bucket", bucket) if bucket.startswith("keys ") else ("scope", table.number, bucket)
    return Found(table.name, (), bucket, _GONE, blocks)


def _candidates(database: _Rows, table: Table, bucket: str) -> Iterable[Row]:
    """Keys that a missing row may have had."""
    if table.kind == "account":
        account = bucket.partition(" ")[2]
        for name in _names(database, account):
            for key in ((name,), (account, name)):
                if len(key) == len(table.key):
                    yield key
        if len(table.key) == 1:  # digests are bytes, and in no other place
            return
    elif table is KEYS:
        yield from _places(database)
    elif table is KEY_VERSIONS:
        for place in _places(database):
            (count,) = database.rows(
                "SELECT count(*) FROM key_versions WHERE account = ? AND region = ? AND key_id = ?", place
            )[0]
            yield from ((*place, number) for number in range(1, int(count) + 2))
    elif table.name == "aliases":
        for account, region, resource in _resources(database, "alias/"):
            yield account, region, resource
    elif table.name == "tags":
        names = [name for (name,) in database.rows("SELECT DISTINCT name FROM tags")]
        yield from ((*place, name) for place in _places(database) for name in names)


def _names(database: _Rows, account: str) -> Iterator[str]:
    """What the rows and records of an account call its users, AccessKeys and policies."""
    yield account
    for column in ("principal", "access_key_id"):
        for (name,) in database.each(f"SELECT DISTINCT {column} FROM audit WHERE account = ?", (account,)):  # noqa: S608
            yield name
    for sql in (
        "SELECT DISTINCT user_id FROM access_keys WHERE account = ?",
        "SELECT user_id FROM members WHERE account = ?",
        "SELECT group_id FROM members WHERE account = ?",
        "SELECT holder FROM attachments WHERE account = ?",
        "SELECT policy FROM attachments WHERE account = ?",
        "SELECT policy FROM policy_versions WHERE account = ?",
        "SELECT user_id FROM login_profiles WHERE account = ?",
    ):
        for (name,) in database.each(sql, (account,)):
            yield name


def _places(database: _Rows) -> Iterator[Row]:
    """Where keys are, or were by what is left of them."""
    yield from database.each(
        "SELECT account, region, key_id FROM keys UNION SELECT account, region, key_id FROM key_versions "
        "UNION SELECT account, region, key_id FROM aliases"
    )
    for account, region, resource in _resources(database, "key/"):
        yield account, region, resource.removeprefix("key/")


def _resources(database: _Rows, kind: str) -> Iterator[tuple[str, str, str]]:
    """Account, region and name of what records are about: ARNs such as acs:kms:cn-hangzhou:1000000000000001:key/id."""
    for (resources,) in database.each("SELECT DISTINCT resources FROM audit"):
        try:
            arns = [str(one).split(":", 4) for one in json.loads(resources)]
        except (ValueError, TypeError):  # somebody altered it
            continue
        for words in arns:
            if words[:2] == ["acs", "kms"] and words[4:] and words[4].startswith(kind):
                yield words[3], words[2], words[4]
