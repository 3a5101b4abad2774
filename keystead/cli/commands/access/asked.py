"""What the words of `keystead access` mean in a data directory: documents, users, resources."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from keystead.access.callers import Caller
from keystead.access.documents import Document, Malformed, identity_document
from keystead.api import questions
from keystead.cli import output, policy_words
from keystead.errors import MalformedPolicyDocument, OperatorError, Refused

if TYPE_CHECKING:
    from keystead.server.operator import Reader

_MOST_BYTES = 1 << 20  # far beyond what a policy may have


@contextmanager
def right_words(hint: str = "") -> Iterator[None]:
    """What the words do not say right is wrong with the command line."""
    try:
        yield
    except ValueError as problem:
        raise output.WrongCommandLine(str(problem), hint=hint) from None


def account_of(args: argparse.Namespace, reader: "Reader") -> str:
    """The account of words that name none."""
    from keystead.server.operator import first_account

    accounts = reader.accounts()
    if args.account and args.account not in accounts:
        near = output.nearest(args.account, accounts)
        raise output.WrongCommandLine(
            f"there is no account {args.account}",
            hint=f"did you mean {near}?" if near else "keystead account list shows all",
        )
    return str(args.account or first_account(reader))


def caller_of(args: argparse.Namespace, reader: "Reader") -> Caller:
    """The user of --as."""
    with right_words("keystead ram ListUsers shows all; root is the account itself"):
        caller = questions.find_caller(reader.holdings, args.user, account_of(args, reader))
    if args.account and caller.account != args.account:
        raise output.WrongCommandLine(
            "--as and --account name different accounts", hint="leave --account out"
        )
    return caller


def document_of(name: str) -> Document:
    """The policy in a file, or on standard input; refused as CreatePolicy would refuse it."""
    shown = "standard input" if name == "-" else name
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_MOST_BYTES)
        else:
            with Path(name).open("rb") as file:
                content = file.read(_MOST_BYTES)
    except OSError as problem:
        raise OperatorError(
            f"cannot read {shown}: {problem.strerror}", hint="check its name and its mode"
        ) from None
    try:
        document = identity_document(content.decode())
        policy_words.warn_of_idle(document, shown)
        return document
    except UnicodeDecodeError:
        problem_text = "it is not UTF-8"
    except Malformed as problem:
        problem_text = str(problem)
    code = MalformedPolicyDocument.code
    raise Refused(
        f"{code}: {shown}: {problem_text}",
        code=code,
        hint='a policy is {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}]}',
    )


def arn_of(reader: "Reader", text: str, account: str, region: str) -> str:
    """The ARN of what a word names: a key wherever it is, an alias in whichever region has it."""
    if text.startswith("acs:") or ("/" in text and not text.startswith(("alias/", "key/"))):
        with right_words("keystead access explain --help shows how resources are named"):
            return questions.as_arn(text, account, region)
    if text.startswith("alias/"):
        regions = reader.regions_of_alias(account, text)
        if len(regions) > 1 and region not in regions:
            raise output.WrongCommandLine(
                f"{text} is there in several regions: {', '.join(regions)}", hint=f"add --region {regions[0]}"
            )
        return questions.as_arn(text, account, region if region in regions or not regions else regions[0])
    key_id = text.removeprefix("key/")
    places = reader.places_of_key(key_id)
    if not places and key_id != "*":
        raise output.WrongCommandLine(
            f"there is no key {key_id!r}",
            hint="keystead kms ListKeys shows all; alias/NAME, user/NAME, group/NAME and policy/NAME are written so",
        )
    owner, where = places[0] if places else (account, region)
    return questions.as_arn(key_id, owner, where)
