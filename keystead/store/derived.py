"""What the embedded store keeps beside its sealed rows, made from them: how long listings are, and whom policies name."""

from keystead.domain.policies import guests
from keystead.store.database import Database
from keystead.store.listing import STRETCH
from keystead.store.sealed import KEYS

_STRETCHES = f"""
SELECT 'keys ' || account || ' ' || region AS listing, position / {STRETCH} AS stretch,
    state || ' ' || spec || ' ' || usage || ' ' || origin || ' ' || protection || ' ' || service AS facets,
    count(*) AS amount
FROM keys GROUP BY 1, 2, 3
UNION ALL SELECT 'aliases ' || account || ' ' || region, position / {STRETCH}, '', count(*) FROM aliases GROUP BY 1, 2, 3
UNION ALL SELECT 'aliases ' || account || ' ' || region || ' ' || key_id, position / {STRETCH}, '', count(*)
FROM aliases GROUP BY 1, 2, 3
"""  # noqa: S608 - a constant
_NAMED = f"{KEYS.select} WHERE policy <> ''"


def differences(database: Database) -> list[str]:
    """What is not as the rows that it is made from say."""
    found = []
    kept = "SELECT listing, stretch, facets, amount FROM stretches"
    for one, other in ((kept, _STRETCHES), (_STRETCHES, kept)):
        more = f"SELECT * FROM ({one}) AS a EXCEPT SELECT * FROM ({other}) AS b"  # noqa: S608 - constants
        rows = database.rows(f"SELECT DISTINCT listing FROM ({more}) AS n")  # noqa: S608 - as above
        found += [f"stretches {listing}: the listing is counted wrong" for (listing,) in rows]
    guests_kept = set(database.rows("SELECT guest, account, region, key_id FROM guests"))
    for row in sorted(guests_kept ^ set(_guests(database))):
        found.append(
            f"guests {' '.join(map(str, row))}: the policy of the key does not say so, or is left out"
        )
    return list(dict.fromkeys(found))


def rebuild(database: Database) -> None:
    """Make it anew."""
    database.rows("DELETE FROM stretches")
    database.rows(f"INSERT INTO stretches {_STRETCHES}")
    database.rows("DELETE FROM guests")
    database.many(
        "INSERT INTO guests (guest, account, region, key_id) VALUES (?, ?, ?, ?)", _guests(database)
    )


def _guests(database: Database) -> list[tuple[str, str, str, str]]:
    found = []
    for row in database.rows(_NAMED):
        _, account, region, key_id = row[:4]
        try:
            named = guests(row[KEYS.columns.index("policy")], account)
        except (ValueError, TypeError, LookupError):  # the row was altered
            continue
        found += [(guest, account, region, key_id) for guest in named]
    return found
