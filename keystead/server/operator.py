"""What operator commands do to a data directory: through its server if one runs, else by themselves."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlencode

import msgspec

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead import owners
from keystead.api.http.message import Channel, HttpRequest
from keystead.api.pipeline import Answer, Pipeline
from keystead.client import handshake, transport
from keystead.client.access_key import read_access_key
from keystead.client.transport import Address, send_control, user_agent
from keystead.clock import Clock, SystemClock
from keystead.crypto.authority import Described, describe
from keystead.crypto.notes import NoteRefused, opened, public_key
from keystead.crypto.primitives import libcrypto
from keystead.domain.authorities import bundle, serving
from keystead.domain.products import KEYSTEAD
from keystead.entropy import Entropy, SystemEntropy
from keystead.errors import OperatorError
from keystead.given_settings import root_key_setting, store_settings
from keystead.server.data import node, verification
from keystead.server.data.directory import DataDirectory
from keystead.server.data.moved import refuse_moved
from keystead.server.data.opened_store import open_store
from keystead.server.data.root_key_choice import is_local
from keystead.server.data.root_keys import RootKeys
from keystead.server.data.store_place import database_of, has_data, shared_by
from keystead.server.data.world import OpenedStore, read_authority
from keystead.settings import Settings
from keystead.store.ports import StoreFailure
from keystead.store.proof import Link, Proof, prove
from keystead.store.reader import Reader, RootKeyNeeded, Verdict, Wanted, open_reader
from keystead.store.verification import Verification

__all__ = [
    "Authorities",
    "Link",
    "NoteRefused",
    "Proof",
    "Reader",
    "Verdict",
    "Verification",
    "Wanted",
    "accept_store",
    "first_account",
    "is_root_access_key",
    "look_at_database",
    "look_at_root_key",
    "open_audit",
    "opened",
    "own_authorities",
    "prove",
    "public_key",
    "run_in_server",
    "run_operation",
    "sm2_problem",
    "snapshot",
    "verify_store",
]


def run_operation(
    data: str, action: str, parameters: Mapping[str, str], command: str, unsure: str = "try again later"
) -> transport.Answer:
    """Run one of our own operations for a command. It is recorded either way.

    `unsure` is the hint where a server gives no answer.
    """
    directory = DataDirectory(data)
    directory.check_access()
    if not has_data(directory):
        refuse_moved(directory)
        raise OperatorError(
            f"there is no data in {directory.path}",
            hint="keystead serve makes it; --data names another directory",
        )
    if directory.locked():
        return send_control(directory.control, action, KEYSTEAD.version, parameters, command, unsure)
    with alone(directory, root_key_setting()) as world:
        answer = answer_here(world, action, parameters, command)
    return transport.Answer(answer.response.status, msgspec.json.decode(answer.response.body))


def run_in_server(
    data: str, action: str, parameters: Mapping[str, str], command: str
) -> tuple[transport.Answer, str]:
    """Run an operation about the console in the server that runs on the directory, and nowhere else; with its URL."""
    directory = with_data(data)
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


@contextmanager
def alone(
    directory: DataDirectory, setting: str, hint: str = "check the free space and the files' owner"
) -> Iterator[OpenedStore]:
    """The store of a directory, which no other process may use meanwhile; `setting` says where its root key is, `hint` what
    to do where the store fails."""
    directory.lock()
    try:
        world = open_store(
            directory,
            SystemClock(),
            SystemEntropy(),
            root_key_setting=setting,
            shared=shared_by(directory),
        )
        try:
            yield world
        finally:
            world.store.close()
    except StoreFailure as failure:
        raise OperatorError(str(failure), hint=hint) from None
    finally:
        directory.unlock()


def answer_here(
    world: OpenedStore,
    action: str,
    parameters: Mapping[str, str],
    command: str,
    check: Callable[[], None] = lambda: None,
) -> Answer:
    """Run an operation on a store that this process has opened, in a batch of its own. `check` is called once nobody can
    come before it, and may refuse."""
    clock, entropy = SystemClock(), SystemEntropy()
    user = os.geteuid()  # as the kernel tells a server of its peer
    pipeline = pipeline_of(world, clock, entropy)
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
    world.store.begin(alone=True)  # of those that share it, none comes before
    check()
    batch = pipeline.open_batch()
    answer = pipeline.answer_now(batch, request)
    batch.write()
    world.store.commit()
    return answer


def pipeline_of(world: OpenedStore, clock: Clock, entropy: Entropy) -> Pipeline:
    """What answers calls of a store that this process has opened."""
    return Pipeline(
        store=world.store,
        vault=world.vault,
        clock=clock,
        entropy=entropy,
        region=Settings().region,
        account=world.account,
        server_id=world.server_id,
    )


def is_root_access_key(data: str, access_key_id: str) -> bool:
    """Whether commands on the data directory use this AccessKey, unless the environment names another one."""
    try:
        return read_access_key(DataDirectory(data).root_access_key)[0] == access_key_id
    except OperatorError:
        return False


def open_audit(data: str) -> Reader:
    """The audit records of a data directory, whether its server runs or not; read-only."""
    return open_reader(database_of(with_data(data)))


@contextmanager
def snapshot(data: str) -> Iterator[Reader]:
    """What a data directory holds, whether its server runs or not; read-only. OperatorError where it can't be read."""
    with closing(open_audit(data)) as reader:
        yield reader


def first_account(reader: Reader) -> str:
    """The account of a server that was there first, which commands are about that name none."""
    return reader.accounts()[0]


def with_data(data: str) -> DataDirectory:
    """A data directory that has data, or OperatorError."""
    directory = DataDirectory(data)
    directory.check_access()
    if not has_data(directory):
        refuse_moved(directory)
        raise OperatorError(f"there is no data in {directory.path}", hint="--data names another directory")
    return directory


def verify_store(data: str) -> verification.Examination:
    """See keystead.server.data.verification.verify."""
    return verification.verify(with_data(data), SystemClock(), SystemEntropy())


def accept_store(data: str) -> tuple[str, ...]:
    """See keystead.server.data.verification.accept; gives what was wrong."""
    try:
        found = verification.accept(
            with_data(data), SystemClock(), SystemEntropy(), owners.name_of(os.geteuid())
        )
    except StoreFailure as failure:
        raise OperatorError(str(failure), hint="check the free space and the files' owner") from None
    return tuple(one.text for one in found)


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


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """Where something is, what is wrong with it if anything is, and why it was not looked for if it was not."""

    shown: str
    problem: OperatorError | None = None
    unseen: str = ""


def look_at_database(directory: DataDirectory) -> Look:
    """Whether the database of a directory that has data can be read."""
    joined = node.joined(directory)
    if joined is not None and not any(store_settings()):
        return Look(shown=joined.store, unseen="neither KEYSTEAD_STORE nor KEYSTEAD_CONFIG names it here")
    try:
        with closing(open_reader(database_of(directory))) as reader:
            return Look(shown=reader.place)
    except OperatorError as problem:
        return Look(shown=str(directory.database) if joined is None else joined.store, problem=problem)


def look_at_root_key(directory: DataDirectory) -> Look:
    """Whether a start would have the root key that the data needs. A person is asked for nothing."""
    keys, needed = RootKeys(directory, SystemEntropy(), SystemClock()), RootKeyNeeded()
    with suppress(OperatorError):  # what is wrong with the database is told of it
        needed = keys.needed()
    shown = "file" if needed.facts is None else needed.facts.provider
    try:
        setting = root_key_setting()
        if not setting and not is_local(shown):
            return Look(shown=shown, unseen="neither KEYSTEAD_ROOT_KEY nor KEYSTEAD_CONFIG names it here")
        choice = keys.chosen(setting, needed)
        shown = choice.text if choice.text != "file" else str(directory.root_key)
        if choice.missing:
            return Look(shown=shown, unseen=choice.missing)
        if needed.fingerprint or choice.kind == "file":
            keys.look(choice, needed)
    except OperatorError as problem:
        return Look(shown=shown, problem=problem)
    return Look(shown=shown)


def sm2_problem() -> OperatorError | None:
    """Why this machine has no SM2."""
    try:
        libcrypto.load()
    except OperatorError as problem:
        return problem
    return None
