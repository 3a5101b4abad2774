"""A whole store moved to another place, or copied there for a trial.

1. All rows are carried, some thousand at a time; what was cut off goes on from there, as long as the source is as it was.
2. They become a store of its own: with a chain of records whose first one tells of the move.
3. Everything is proved, by the seals of the rows and the chains of the records.
4. The source is kept from being used. 5. The target may be used.

So at no moment both can be used, and none that is not whole. A copy for a trial leaves out the fourth: therefore it is
another server, where nobody is signed in and no request is accepted that the other one may have accepted.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from keystead.api.events import service_record
from keystead.clock import Clock, iso8601
from keystead.crypto.root_key import read_file
from keystead.crypto.vault import Vault
from keystead.crypto.wrapping import SEALS
from keystead.domain.accounts import RootKeyFacts
from keystead.domain.proofs.heads import HEADS
from keystead.entropy import Entropy, uuid4
from keystead.errors import DoesNotOpen, OperatorError, StoredRowAltered, WrongSetting
from keystead.portable import replace
from keystead.server.data.directory import DataDirectory
from keystead.server.data.root_key_choice import Choice
from keystead.server.data.root_keys import RootKeys
from keystead.server.move.places import Place, named, open_source, open_target, places
from keystead.settings import default_data
from keystead.store.failures import StoreFailure
from keystead.store.holds import Hold
from keystead.store.reader import needed_by
from keystead.store.seals import Sealer, read_record
from keystead.store.tables import Keyring
from keystead.store.transfer.carrying import Tell, carry, counts, differences, order, origin
from keystead.store.transfer.ends import Occupied, Source, Target
from keystead.store.transfer.landing import Landing
from keystead.store.transfer.proof import prove

MOVE, TRIAL = "MoveStore", "CopyStore"  # the records of both
_SHOWN = 20  # of what was found, in one message


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What was moved or copied, and is proved."""

    source: str
    target: str
    amounts: dict[str, int]  # rows of each table
    records: int
    chain: str  # that begins with the record of it
    altered: tuple[str, ...]  # what had been altered before; nothing uses it


def copy_store(
    source_place: str,
    target_place: str,
    clock: Clock,
    entropy: Entropy,
    *,
    root_key: str = "",
    password_file: str = "",
    trial: bool = False,
    tell: Tell,
) -> Copied:
    """Move a store, or with `trial` copy it. `root_key` and `password_file` are as the settings of these names.

    OperatorError says what is in the way; then the source is as it was, or the same call again goes on from there.
    """
    here, there = places(source_place, target_place, password_file)
    directory = next((one for one in (here, there) if isinstance(one, DataDirectory)), None)
    keys = RootKeys(directory or DataDirectory(default_data()), entropy, clock)
    with _told(), open_source(here) as source, _open_target(there, source, clock, trial) as target:
        if source.moved is not None and (target.begun is None or target.begun.move != source.moved.move):
            raise source.moved.refusal(source.shown)
        with source.transaction():
            keyring = Keyring(source.database)
            needed = needed_by(keyring)
            choice = keys.chosen(root_key, needed)
            if choice == Choice("file") and not (directory and directory.root_key.exists()):
                raise OperatorError(
                    f"the root key, which opens what is in {source.shown}, is in no place that is known",
                    hint="name its file with --root-key; a new data directory gets a copy",
                )
            root, _ = keys.open_of(root_key, needed)
            if isinstance(there, DataDirectory):
                _check_root_key(there, choice, root.fingerprint, entropy)
            vault = Vault(root, entropy)
            vault.load(keyring.all(), keyring.secrets())
            copying = _Copying(source, target, _sealer(source, vault), clock, entropy, tell)
            hold = copying.begin(Hold(state="copying", move=uuid4(entropy), other=named(here), trial=trial))
            if not hold.settled:
                hold = copying.carry(hold, _facts_at(there, keyring))
            copied = copying.prove(hold)
        if not trial:
            source.hold(Hold(state="moved", move=hold.move, other=named(there)))
        if isinstance(there, DataDirectory):
            _prepare(there, choice)
        target.finish()
    return copied


class _Copying:
    """One call, within a transaction of the source."""

    def __init__(
        self, source: Source, target: Target, sealer: Sealer, clock: Clock, entropy: Entropy, tell: Tell
    ) -> None:
        self._source = source
        self._target = target
        self._sealer = sealer
        self._clock = clock
        self._entropy = entropy
        self._tell = tell

    def begin(self, new: Hold) -> Hold:
        """How far the copy has come that was begun, or this new one. OperatorError if it is another one."""
        source, target = self._source, self._target
        record = read_record(source.database, self._sealer)
        if record is None:
            raise _altered("the sealed record")
        new = msgspec.structs.replace(
            new, origin=origin(source, self._home(), record.revision), order=order()
        )
        found = target.begun
        if found is None:
            target.begin(new, int(self._clock.now()))
            return new
        if not found.origin:  # it lacks but its name
            found = msgspec.structs.replace(
                found, origin=new.origin, order=new.order, trial=source.moved is None
            )
        if found.origin != new.origin:
            raise OperatorError(
                f"{target.shown} has a part of a copy of {found.other}, which was another store, or has been used since",
                hint=f"begin anew: {target.emptied}",
            )
        if found.order != new.order and not found.settled:
            raise OperatorError(
                f"the copy in {target.shown} was begun by another version of keystead, which carries rows in another order",
                hint=f"begin anew: {target.emptied}; or go on with that version",
            )
        if found.trial != new.trial:
            raise OperatorError(
                f"the copy in {target.shown} was begun {'with' if found.trial else 'without'} --trial",
                hint=f"go on with it in the same way; or begin anew: {target.emptied}",
            )
        return found

    def carry(self, hold: Hold, facts: RootKeyFacts | None) -> Hold:
        """Carry all rows, and make them a store of its own, whose root key is noted as this if it is to be noted."""
        source, target, clock = self._source, self._target, self._clock
        hold = msgspec.structs.replace(carry(source, target, hold, self._tell), settled=True)
        with target.transaction():
            if differ := differences(source, target, self._tell):
                raise OperatorError(
                    f"not all of {source.shown} is in {target.shown}: {', '.join(differ)} differ",
                    hint=f"begin anew: {target.emptied}",
                )
            told: dict[str, Any] = {
                "From": source.shown,
                "To": target.shown,
                HEADS: {chain: str(end) for chain, end in source.ends().items()},
                "Rows": counts(target),
            }
            now = int(clock.now())
            with _sound():
                landing = Landing(source, target, self._sealer)
                landing.begin_chain(hold.move, now)
                if facts is not None:
                    landing.have_root_key(facts)
                if hold.trial:
                    told |= {"Horizon": iso8601(now), "SessionsEnded": str(landing.begin_anew(now))}
                chain, action = target.chain_of(hold.move), TRIAL if hold.trial else MOVE
                record = service_record(chain, 1, clock, self._entropy, self._home(), action, told)
                landing.settle(record, hold)
        return hold

    def prove(self, hold: Hold) -> Copied:
        """Prove all of it. OperatorError if it is not as it was."""
        source, target = self._source, self._target
        chain = target.chain_of(hold.move)
        with target.transaction():
            proof = prove(source, target, self._sealer, chain, self._tell)
            amounts = counts(target)
        if proof.wrong:
            raise DoesNotOpen(
                f"what came to {target.shown} is not what is in {source.shown}: {_first(proof.wrong)}",
                hint=f"begin anew: {target.emptied}",
            )
        return Copied(
            source=source.shown,
            target=target.shown,
            amounts=amounts,
            records=proof.records,
            chain=chain,
            altered=proof.altered,
        )

    def _home(self) -> str:
        """The account that the store was made with."""
        ((account,),) = self._source.database.rows("SELECT account FROM accounts ORDER BY position LIMIT 1")
        return str(account)


@contextmanager
def _open_target(place: Place, source: Source, clock: Clock, trial: bool) -> Iterator[Target]:
    with ExitStack() as stack:
        try:
            target = stack.enter_context(open_target(place, clock, trial=trial))
        except Occupied:
            if source.moved is not None:  # to there, probably
                raise source.moved.refusal(source.shown) from None
            raise
        yield target


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except StoreFailure as failure:
        raise OperatorError(
            str(failure), hint="once that is well, run the same command again: it goes on from there"
        ) from None


@contextmanager
def _sound() -> Iterator[None]:
    try:
        yield
    except StoredRowAltered:
        raise _altered("what belongs to the server itself") from None


def _sealer(source: Source, vault: Vault) -> Sealer:
    if not vault.has_own_key(SEALS):
        if vault.unsealed:
            raise OperatorError(
                f"the rows of {source.shown} are not sealed yet",
                hint="start keystead serve on it once, which seals them",
            )
        raise _altered("the key of the seals")
    return vault.row_seals()


def _altered(what: str) -> OperatorError:
    return OperatorError(
        f"{what} was altered or taken away at the source",
        hint="`keystead store verify` names all that is wrong; restore a backup, or `keystead store accept` seals what is "
        "there",
    )


def _facts_at(place: Place, keyring: Keyring) -> RootKeyFacts | None:
    """What is to be noted of where the root key is, if that is another place then: a file is in the data directory."""
    noted = keyring.root()
    if not isinstance(place, DataDirectory) or noted is None or not noted.provider.startswith("file:"):
        return None
    return msgspec.structs.replace(noted, provider="file")


def _check_root_key(directory: DataDirectory, choice: Choice, fingerprint: str, entropy: Entropy) -> None:
    """OperatorError if the directory has another root key."""
    if choice.kind == "file" and choice.place and directory.root_key.exists():
        there = read_file(directory.root_key, entropy).fingerprint
        if there != fingerprint:
            raise WrongSetting(
                f"{directory.root_key} is another root key ({there}) than {choice.place} ({fingerprint})",
                hint="leave --root-key out, or remove the one that does not belong to the store",
            )


def _prepare(directory: DataDirectory, choice: Choice) -> None:
    """Have the root key in a directory that a store is about to appear in, and nothing of a server that shared one."""
    if choice.kind == "file" and choice.place and not directory.root_key.exists():
        replace(directory.root_key, Path(choice.place).read_bytes(), 0o600)
    for path in (directory.node, directory.seen):
        path.unlink(missing_ok=True)


def _first(found: Sequence[str]) -> str:
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more
