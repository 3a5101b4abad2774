"""What operator commands do to a data directory: through its server if one runs, else by themselves."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead import owners
from keystead.api.http.message import Channel, HttpRequest
from keystead.api.pipeline import Answer, Pipeline
from keystead.client.transport import send_control, user_agent
from keystead.clock import SystemClock
from keystead.domain.products import KEYSTEAD
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store, read_access_key
from keystead.settings import Settings
from keystead.store.ports import StoreFailure
from keystead.store.reader import Reader, Wanted, open_reader

__all__ = ["Reader", "Wanted", "is_root_access_key", "open_audit", "run_operation"]


def run_operation(
    data: str, action: str, parameters: Mapping[str, str], command: str
) -> tuple[int, dict[str, Any]]:
    """Run one of our own operations for a command; status and members of its answer. It is recorded either way."""
    directory = DataDirectory(data)
    directory.check_access()
    if not directory.database.exists():
        raise OperatorError(
            f"there is no data in {directory.path}",
            hint="keystead serve makes it; --data names another directory",
        )
    if directory.locked():
        reached = send_control(directory.control, action, KEYSTEAD.version, parameters, command)
        return reached.status, reached.members
    directory.lock()
    try:
        answer = _run_here(directory, action, parameters, command)
    except StoreFailure as failure:
        raise OperatorError(str(failure), hint="check the free space and the files' owner") from None
    finally:
        directory.unlock()
    return answer.response.status, msgspec.json.decode(answer.response.body)


def _run_here(directory: DataDirectory, action: str, parameters: Mapping[str, str], command: str) -> Answer:
    """Run an operation on a directory that this process has locked: one batch, as in a server."""
    clock, entropy = SystemClock(), SystemEntropy()
    user = os.geteuid()  # as the kernel tells a server of its peer
    opened = open_store(directory, clock, entropy)
    try:
        pipeline = Pipeline(
            store=opened.store,
            vault=opened.vault,
            clock=clock,
            entropy=entropy,
            region=Settings().region,
            account=opened.account,
            server_id=opened.server_id,
        )
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


def is_root_access_key(data: str, access_key_id: str) -> bool:
    """Whether commands on the data directory use this AccessKey, unless the environment names another one."""
    try:
        return read_access_key(DataDirectory(data).root_access_key)[0] == access_key_id
    except OperatorError:
        return False


def open_audit(data: str) -> Reader:
    """The audit records of a data directory, whether its server runs or not; read-only."""
    directory = DataDirectory(data)
    directory.check_access()
    if not directory.database.exists():
        raise OperatorError(f"there is no data in {directory.path}", hint="--data names another directory")
    return open_reader(directory.database)
