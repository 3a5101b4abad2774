"""An AccessKey of a RAM user for the time of a command.

It is temporary, beside the two that a user may have: the command lets it go on while it runs and deletes it at its end. If
the command is killed the server forgets it by itself, within an hour.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from keystead.cli import output
from keystead.errors import AccessKeyNotFound, OperatorError
from keystead.forms import ACCOUNT
from keystead.server.operator import run_operation

LASTS = 3600  # seconds
_AGAIN = 600.0  # seconds; several tries before it is over


def make(data: str, user: str, command: str, seconds: int) -> tuple[str, str]:
    """Make one of a user, who may be of another account: `ann@1000000000000001`. OperatorError if there is no such user."""
    name, _, account = user.partition("@")
    asked = {"UserName": name, "DurationSeconds": str(seconds)} | ({"AccountId": account} if account else {})
    made = _ask(data, "CreateTemporaryAccessKey", asked, command)["AccessKey"]
    return made["AccessKeyId"], made["AccessKeySecret"]


@asynccontextmanager
async def borrowed(data: str, user: str, command: str) -> AsyncIterator[tuple[str, str]]:
    """One for as long as this is open."""
    pair = make(data, user, command, LASTS)
    going_on = asyncio.create_task(_extend(data, pair[0], command))
    try:
        yield pair
    finally:
        going_on.cancel()
        try:
            gone = run_operation(data, "DeleteAccessKey", {"AccessKeyId": pair[0]}, command)
            left = gone.members.get("Code", "")
        except OperatorError as problem:
            left = str(problem)
        if left not in ("", AccessKeyNotFound.code):  # it went with its user, perhaps
            output.warning(f"the AccessKey {pair[0]} could not be deleted: {left}; it ends within an hour")


async def _extend(data: str, access_key_id: str, command: str) -> None:
    asked = {"AccessKeyId": access_key_id, "DurationSeconds": str(LASTS)}
    while True:
        await asyncio.sleep(_AGAIN)
        with suppress(OperatorError):  # the server is being restarted, perhaps
            await asyncio.to_thread(_ask, data, "ExtendTemporaryAccessKey", asked, command)


def _ask(data: str, action: str, parameters: Mapping[str, str], command: str) -> dict[str, Any]:
    answer = run_operation(data, action, parameters, command)
    members = answer.members
    if answer.status == 200:
        return members
    code = members["Code"]
    hint = "try again"
    if code == "EntityNotExist.User":
        hint = "keystead ram ListUsers shows all, keystead ram CreateUser makes one; the account itself needs no --as"
    elif code == "EntityNotExist.Account":
        hint = "keystead account list shows all"
    elif code in ("InvalidParameter", "MissingParameter"):
        hint = f"write it as USER or as USER@ACCOUNT, with the account's {ACCOUNT.words}"
    raise OperatorError(f"{code}: {members.get('Message', '')}", hint=hint)
