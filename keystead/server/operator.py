"""What operator commands do to a data directory: through its server if one runs, else by themselves."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead import owners
from keystead.api.http.message import Channel, HttpRequest
from keystead.api.pipeline import Answer, Pipeline
from keystead.api.rewrapping import Rewrapping
from keystead.client import handshake, transport
from keystead.client.access_key import read_access_key
from keystead.client.transport import Address, send_control, user_agent
from keystead.clock import Clock, SystemClock
from keystead.crypto import root_key
from keystead.crypto.authority import Described, describe
from keystead.crypto.primitives import libcrypto
from keystead.domain.authorities import bundle, serving
from keystead.domain.products import KEYSTEAD
from keystead.entropy import Entropy, SystemEntropy
from keystead.errors import OperatorError
from keystead.server.backup import last_backup, making, proof, restoring, revived
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import OpenedStore, open_store, read_authority
from keystead.settings import Settings
from keystead.store.ports import StoreFailure
from keystead.store.reader import Reader, Wanted, open_reader

__all__ = [
    "Authorities",
    "Reader",
    "Wanted",
    "back_up",
    "database_problem",
    "first_account",
    "is_root_access_key",
    "last_backup_of",
    "open_audit",
    "own_authorities",
    "restore",
    "root_key_problem",
    "rotate_wrapping_key",
    "run_in_server",
    "run_operation",
    "sm2_problem",
    "snapshot",
    "verify_backup",
]

_REWRAPPED_AT_ONCE = 1000  # rows, where nobody waits


def run_operation(
    data: str, action: str, parameters: Mapping[str, str], command: str, unsure: str = "try again later"
) -> transport.Answer:
    """Run one of our own operations for a command. It is recorded either way.

    `unsure` is the hint where a server gives no answer.
    """
    directory = DataDirectory(data)
    directory.check_access()
    if not directory.database.exists():
        raise OperatorError(
            f"there is no data in {directory.path}",
            hint="keystead serve makes it; --data names another directory",
        )
    if directory.locked():
        return send_control(directory.control, action, KEYSTEAD.version, parameters, command, unsure)
    directory.lock()
    try:
        answer = _run_here(directory, action, parameters, command)
    except StoreFailure as failure:
        raise OperatorError(str(failure), hint="check the free space and the files' owner") from None
    finally:
        directory.unlock()
    return transport.Answer(answer.response.status, msgspec.json.decode(answer.response.body))


def run_in_server(
    data: str, action: str, parameters: Mapping[str, str], command: str
) -> tuple[transport.Answer, str]:
    """Run an operation about the console in the server that runs on the directory, and nowhere else; with its URL."""
    directory = _with_data(data)
    running = directory.running() if directory.locked() else None
    if running is None:
        raise OperatorError(
            f"no server runs on {directory.path}",
            hint="keystead serve starts one; --data names another directory",
        )
    if not running.console:
        raise OperatorError(
            f"the server on {directory.path} has no console",
            hint='it runs with console = "no"; keystead serve --console yes has one',
        )
    answer = send_control(directory.control, action, KEYSTEAD.version, parameters, command, "try again later")
    return answer, running.url


def _run_here(directory: DataDirectory, action: str, parameters: Mapping[str, str], command: str) -> Answer:
    """Run an operation on a directory that this process has locked: one batch, as in a server."""
    clock, entropy = SystemClock(), SystemEntropy()
    user = os.geteuid()  # as the kernel tells a server of its peer
    opened = open_store(directory, clock, entropy)
    try:
        pipeline = _pipeline(opened, clock, entropy)
        body = urlencode({**parameters, "Action": action, "Version": KEYSTEAD.version}).encode()
        request = HttpRequest(
            method="POST",
            target="/",
            headers={
                "host": "localhost",
                "content-type": "application/x-www-form-urlencoded",
                "user-agent": user_agent(command),
            },
            body=body,
            source=f"unix:{user}",
            user=owners.name_of(user),
            channel=Channel.CONTROL,
        )
        opened.store.begin()
        batch = pipeline.open_batch()
        answer = pipeline.answer_now(batch, request)
        batch.write()
        opened.store.commit()
    finally:
        opened.store.close()
    return answer


def rotate_wrapping_key(data: str, command: str, unsure: str) -> tuple[transport.Answer, bool]:
    """Have a new generation of the wrapping key; and whether all is wrapped by it already: a server takes its time for that,
    and without one it is done here."""
    answer = run_operation(data, "RotateWrappingKey", {}, command, unsure)
    directory = DataDirectory(data)
    if answer.status != 200 or directory.locked():
        return answer, False
    directory.lock()
    try:
        _rewrap_here(directory)
    except StoreFailure as failure:
        raise OperatorError(str(failure), hint="check the free space; a server goes on with it") from None
    finally:
        directory.unlock()
    return answer, True


def _rewrap_here(directory: DataDirectory) -> None:
    """Wrap all anew on a directory that this process has locked."""
    clock, entropy = SystemClock(), SystemEntropy()
    opened = open_store(directory, clock, entropy)
    try:
        pipeline = _pipeline(opened, clock, entropy)
        rewrapping, begun = Rewrapping(_REWRAPPED_AT_ONCE), False
        while rewrapping.busy or not begun:
            begun = True
            opened.store.begin()
            batch = pipeline.open_batch()
            rewrapping(pipeline, batch)
            batch.write()
            opened.store.commit()
    finally:
        opened.store.close()


def _pipeline(opened: OpenedStore, clock: Clock, entropy: Entropy) -> Pipeline:
    return Pipeline(
        store=opened.store,
        vault=opened.vault,
        clock=clock,
        entropy=entropy,
        region=Settings().region,
        account=opened.account,
        server_id=opened.server_id,
    )


def is_root_access_key(data: str, access_key_id: str) -> bool:
    """Whether commands on the data directory use this AccessKey, unless the environment names another one."""
    try:
        return read_access_key(DataDirectory(data).root_access_key)[0] == access_key_id
    except OperatorError:
        return False


def open_audit(data: str) -> Reader:
    """The audit records of a data directory, whether its server runs or not; read-only."""
    return open_reader(_with_data(data).database)


@contextmanager
def snapshot(data: str) -> Iterator[Reader]:
    """What a data directory holds, whether its server runs or not; read-only. OperatorError where it can't be read."""
    with closing(open_audit(data)) as reader:
        try:
            yield reader
        except StoreFailure as failure:
            raise OperatorError(str(failure), hint="check the files' owner, or restore a backup") from None


def first_account(reader: Reader) -> str:
    """The account of a server that was there first, which commands are about that name none."""
    return reader.accounts()[0]


def back_up(
    data: str,
    to: Path,
    *,
    root_file: Path | None = None,
    verify: bool = False,
    keys: Path | None = None,
    place: Path | None = None,
    **options: Any,
) -> making.Backup:
    """See keystead.server.backup.making.back_up, of which the options are; the root key is that of the directory if no other
    is named. With `verify` it is proved before older ones go."""
    directory, entropy = _with_data(data), SystemEntropy()
    root = root_key.read_file(root_file or directory.root_key, entropy)

    def prove(path: Path) -> None:
        verify_backup(data, path, root_file=root_file, keys=keys, place=place or directory.path)

    options |= {"prove": prove if verify else None, "keys": keys, "place": place}
    return making.back_up(directory, to, root, SystemClock(), entropy, **options)


def verify_backup(data: str, path: Path, *, root_file: Path | None = None, **options: Any) -> proof.Proved:
    """See keystead.server.backup.proof.verify; the root key is that of the data directory if no other is named. That the
    directory's own server has a backup that was proved is noted there."""
    directory, entropy, clock = DataDirectory(data), SystemEntropy(), SystemClock()
    root = root_key.read_file(root_file or directory.root_key, entropy)
    proved = proof.verify(path, root, clock, entropy, **options)
    last_backup.note(directory, proved, clock)
    return proved


def last_backup_of(directory: DataDirectory) -> last_backup.LastBackup | None:
    """The last backup of a data directory that was verified."""
    return last_backup.read(directory)


def restore(
    path: Path,
    data: str,
    *,
    old: Path | None = None,
    log: Path | None = None,
    root_file: Path | None = None,
    keys: Path | None = None,
    tell: proof.Tell = proof.no_tell,
) -> tuple[restoring.Restored, revived.Since | None]:
    """See keystead.server.backup.restoring.restore; and what happened since, if the old data directory or an exported log
    tells."""
    ended, directory = restoring.end_of(path), DataDirectory(data)
    since = None
    if root_file is None and old is not None and not directory.root_key.exists():
        root_file = DataDirectory(old).root_key
    if old is not None:
        since = revived.in_directory(old, *ended)
    elif log is not None:
        since = revived.in_log(log, *ended)
    restored = restoring.restore(
        path,
        directory,
        SystemClock(),
        SystemEntropy(),
        root_file=root_file,
        keys=keys,
        not_before=0 if since is None else since.latest_nonce,
        tell=tell,
    )
    return restored, since


def _with_data(data: str) -> DataDirectory:
    directory = DataDirectory(data)
    directory.check_access()
    if not directory.database.exists():
        raise OperatorError(f"there is no data in {directory.path}", hint="--data names another directory")
    return directory


class Authorities(msgspec.Struct, frozen=True, kw_only=True):
    """The CAs of a data directory, oldest first, each with when it retires; what clients trust; what is served now."""

    own: tuple[tuple[Described, int | None], ...]
    bundle: str  # PEM
    file: str  # where the server writes the bundle
    running: bool
    own_certificate: bool  # whether the server that runs was given one, and needs no CA
    served: Described | None


def own_authorities(data: str) -> Authorities:
    """The CAs of a data directory, whether its server runs or not. OperatorError if there are none."""
    directory = DataDirectory(data)
    with closing(open_audit(data)) as reader:
        kept = reader.authorities()
    if not kept and (found := read_authority(directory.authority)) is not None:
        kept = (found,)
    if not kept:
        raise OperatorError(
            f"there is no certificate authority in {directory.path}",
            hint="the first start of keystead serve that needs one makes it",
        )
    now = SystemClock().now()
    current = serving(kept, now) or kept[-1:]
    running = directory.running() if directory.locked() else None
    return Authorities(
        own=tuple((describe(one.certificate.encode()), one.retires) for one in current),
        bundle=bundle(current, now),
        file=str(directory.certificate),
        running=running is not None,
        own_certificate=running is not None and running.ca_file is None,
        served=None if running is None else _served(running.url),
    )


def _served(url: str) -> Described | None:
    address = Address.of(url)
    return handshake.served(address) if address.tls else None


def database_problem(directory: DataDirectory) -> OperatorError | None:
    """Why the database can't be read."""
    try:
        open_reader(directory.database).close()
    except OperatorError as problem:
        return problem
    return None


def root_key_problem(directory: DataDirectory) -> OperatorError | None:
    """Why a server could not start with the root key that lies there, or not open the database with it."""
    try:
        root = root_key.read_file(directory.root_key, SystemEntropy())
    except OperatorError as problem:
        return problem
    known: tuple[str, ...] = ()
    with suppress(OperatorError), closing(open_reader(directory.database)) as reader:
        known = reader.root_fingerprints()
    if known and root.fingerprint not in known:
        return OperatorError(
            f"the root key file {directory.root_key} is not that of this database",
            hint="put the right one back from your backup; the next start needs it",
        )
    return None


def sm2_problem() -> OperatorError | None:
    """Why this machine has no SM2."""
    try:
        libcrypto.load()
    except OperatorError as problem:
        return problem
    return None
