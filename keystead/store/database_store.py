"""What stores in databases have in common: their repositories, and the seals of their rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager

from keystead.errors import StoredRowAltered
from keystead.store import tables
from keystead.store.database import Database
from keystead.store.derived import rebuild
from keystead.store.identity_tables import Identities
from keystead.store.key_tables import Keys
from keystead.store.listing import Listing
from keystead.store.lookups import Lookups
from keystead.store.ports import AuditLog, Nonces, Shared
from keystead.store.seal_check import Examined, examine
from keystead.store.sealed import META, SEALED
from keystead.store.sealed_table import SealedTable, seal_table
from keystead.store.seals import Blocked, Sealer, Seals
from keystead.store.session_tables import Sessions
from keystead.store.tally_tables import Tallies


class DatabaseStore(ABC):
    """See keystead.store.ports.Store. `server_id` is the name of the chain that its records go to."""

    nonces: Nonces
    audit: AuditLog
    lookups: Lookups

    def __init__(self, database: Database, server_id: str) -> None:
        self.server_id = server_id
        self._database = database
        self.blocked = Blocked()
        self.reloads = 0
        listing = Listing(database)
        self.keyring = tables.Keyring(database)
        self.accounts = tables.Accounts(database)
        self.identities = Identities(database)
        self.sessions = Sessions(database)
        self.authorities = tables.Authorities(database)
        self.aliases = tables.Aliases(database, listing)
        self.keys = Keys(database, listing, self.aliases)
        self.tallies = Tallies(database)

    @abstractmethod
    def begin(self, alone: bool = False) -> None: ...

    @abstractmethod
    def commit(self) -> None: ...

    @abstractmethod
    def rollback(self) -> None: ...

    @abstractmethod
    def savepoint(self) -> AbstractContextManager[Callable[[], None]]: ...

    @abstractmethod
    def close(self) -> None: ...

    def home(self) -> str:
        """The account that the store was made with, its row altered or not; "" if there is none yet."""
        row = self._database.row("SELECT account FROM accounts ORDER BY position LIMIT 1")
        return "" if row is None else str(row[0])

    @property
    def shared(self) -> Shared | None:
        """The database, if several servers may use it."""
        return None

    @property
    def revision(self) -> int:
        """How many batches have changed anything, with this one if it has; as far as rows are sealed."""
        seals = self._database.seals
        try:
            return self._recorded() if seals is None else seals.revision + self._database.revised
        except StoredRowAltered:  # nothing is used any more, and refusals go on being recorded
            return self._recorded()

    @property
    def seals(self) -> Seals | None:
        """The seals of its rows, once `protect` or `seal_all` gave it their key."""
        return self._database.seals

    def advance(self, revision: int) -> None:
        """Let the next revision be later than this one, too: that of this batch, as it is one that changes something."""
        assert self._database.seals is not None
        self._database.seals.advance(revision)
        self._database.revised = True

    def has_seals(self) -> bool:
        """Whether its rows were sealed, or anything is left of that."""
        return self._database.row("SELECT 1 FROM seals LIMIT 1") is not None

    def protect(self, sealer: Sealer) -> None:
        """Check every row now, and from here on whatever is read; seal what is written. Within a batch."""
        self._database.seals = Seals(self._database, sealer, self.blocked)
        self.examine()

    def unprotect(self) -> None:
        """Use all rows again, whatever they say, for whoever seals them anew. Within a batch."""
        self._database.seals = None
        self.blocked.clear()
        self._forget()

    def rebuild(self) -> None:
        """Make anew what is made from the rows. Within a batch."""
        rebuild(self._database)

    def seal_all(self, sealer: Sealer) -> int:
        """Seal all rows as they are, which are then so many, and protect them from here on. Within a batch."""
        seals = self._database.seals = Seals(self._database, sealer, self.blocked)
        self.blocked.clear()
        seals.begin_anew(max(seals.known_revision(), self._recorded()))
        amount = 0
        for table in SEALED:
            amount += seal_table(self._database, seals, table)
        self._database.revised = True
        self._forget()
        return amount

    def examine(self) -> Examined:
        """Compare all rows with their seals; what was altered is not used from here on. Within a batch."""
        seals = self._database.seals
        assert seals is not None
        examined = self._examine(seals)
        for found in examined.found:
            seals.blocked.add(found)
        return examined

    def become(self, server_id: str, horizon: int) -> None:
        """Be another server's from here on: with a chain of its own, without anybody who has signed in, and with no request
        accepted that is of the second `horizon` or before. Within a batch."""
        SealedTable(self._database, META).put(("server_id", server_id))
        self.server_id = server_id
        self.nonces.move_horizon(horizon)
        self.sessions.end_all()

    # --- inside

    def _recorded(self) -> int:
        """The revision that the last record is of: no later one is of an earlier revision."""
        row = self._database.row("SELECT revision FROM audit ORDER BY position DESC LIMIT 1")
        return 0 if row is None else int(row[0])

    def _examine(self, seals: Seals) -> Examined:
        return examine(self._database, seals.codes)

    def _drop_caches(self) -> None:
        self._forget()
        self._database.drop()

    def _forget(self) -> None:
        self.keys.drop_cache()
        self.aliases.drop_cache()
        self.accounts.drop_cache()
        self.identities.drop_cache()
