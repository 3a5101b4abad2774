"""What was carried becomes a store of its own: with a chain of records that begins here, under the same seals."""

import msgspec

from keystead.domain.accounts import RootKeyFacts
from keystead.domain.audit import COLUMNS, Head, Record, columns, link
from keystead.store.holds import Hold
from keystead.store.sealed import META
from keystead.store.sealed_table import SealedTable
from keystead.store.seals import Blocked, Sealer, Seals
from keystead.store.session_tables import Sessions
from keystead.store.tables import Keyring
from keystead.store.transfer.ends import Source, Target
from keystead.store.transfer.order import ALL

_APPEND = f"INSERT INTO audit ({', '.join(COLUMNS)}, hash) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"  # noqa: S608


class Landing:
    """Within one transaction of the target, and one of the source. StoredRowAltered if what belongs to the server itself was
    altered at the source."""

    def __init__(self, source: Source, target: Target, sealer: Sealer) -> None:
        self._source = source
        self._target = target
        self._database = target.database
        self._seals = self._database.seals = Seals(target.database, sealer, Blocked())
        self._meta = SealedTable(self._database, META)
        self._seal_anew()

    def begin_anew(self, horizon: int) -> int:
        """End all sessions, and have no request accepted that is of the second `horizon` or before; how many sessions."""
        if self._meta.put(("horizon", str(horizon))) is None:
            self._meta.insert(("horizon", str(horizon)))
        return Sessions(self._database).end_all()

    def have_root_key(self, facts: RootKeyFacts) -> None:
        """Note where the root key is from here on."""
        Keyring(self._database).put_root(facts)

    def begin_chain(self, server: str, now: int) -> None:
        """Have a server with a chain of its own."""
        positions = {
            one.name: self._source.latest_position(one.name) for one in ALL if one.key == ("position",)
        }
        self._target.go_on_from(positions)
        self._target.begin_chain(server, now, self._source.ends())

    def settle(self, record: Record, hold: Hold) -> None:
        """Write the first record of the chain, with the revision that it makes, and what all adds up to."""
        self._seals.advance(self._source.latest_revision())
        record = msgspec.structs.replace(record, revision=self._seals.revision + 1)
        self._database.rows(_APPEND, (*columns(record), link(Head().hash, record)))
        self._seals.flush()
        self._target.at_revision(self._seals.revision)
        self._target.keep(hold)
        self._database.seals = None

    def _seal_anew(self) -> None:
        """Seal what is the same and of another type here: numbers, where only texts are kept."""
        here = dict(self._database.rows("SELECT name, value FROM meta"))
        for row in self._source.database.rows(META.select):
            name, value, _ = row
            if here[name] != value:
                self._seals.remove(META, row)
                seal = self._seals.add(META, (name, here[name]))
                self._database.rows("UPDATE meta SET seal = ? WHERE name = ?", (seal, name))
