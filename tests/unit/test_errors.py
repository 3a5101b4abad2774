import csv
from pathlib import Path

import pytest

from keystead.errors import CODES, InvalidParameter, OperatorError

# The vendor's codes, statuses and messages: its manual's "Responses" page, else the gateway's replies that are quoted in
# public, else its API metadata.
with (Path(__file__).parents[1] / "vectors" / "errors.tsv").open(encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
VALUES = {"name": "<name>", "string_to_sign": "<string to sign>", "reason": "", "about": ""}
# Errors that have no message of the vendor's: it has published the codes of a dry run only, and no code of protection.
OURS = {
    "DryRunSucceeded",
    "DryRunDenied",
    "DryRunRefused",
    "DeletionProtected",
    "StoredRowAltered",
    "StoreNotShared",
}
# Refusals of the console, which is ours.
CONSOLE = {
    *(
        "SessionExpired",
        "SignInRefused",
        "MfaCodeRequired",
        "MfaCodeWrong",
        "PasswordExpired",
        "SignInLinkInvalid",
    ),
    *(
        "TooManyAttempts",
        "ConfirmationRequired",
        "ConfirmationRefused",
        "PasswordResetRequired",
        "MfaBindRequired",
    ),
}
# Refusals of Ram, in words of our own.
RAM = (
    "NoPermission",
    "EntityNotExist.",
    "EntityAlreadyExists.",
    "DeleteConflict.",
    "LimitExceeded.",
    "MalformedPolicy",
    "InvalidParameter.Password",
    "InvalidParameter.NewPassword",
    "InvalidParameter.OldPassword",
    "NotSupport.",
    "CheckAuthenticationCode",
)
# Not those that only another room knows, such as the proxy.
KINDS = [kind for kinds in CODES.values() for kind in kinds if kind.__module__ == "keystead.errors"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["code"])
def test_a_code_has_the_vendors_status_and_message(row: dict[str, str]) -> None:
    first, *others = CODES[row["code"]]
    # Where the vendor says no more, a reason of ours may follow.
    assert first(**VALUES).text.removesuffix(" ") == row["message"]
    followed = (f"{row['message']} ", f"{row['message'].removesuffix('.')}: ")
    assert all(kind(**VALUES).text.startswith(followed) for kind in others)
    assert {str(kind.status) for kind in (first, *others)} == {row["status"]}


def test_every_error_is_in_the_table_or_our_own() -> None:
    listed = [row["code"] for row in ROWS]
    assert len(set(listed)) == len(listed)
    assert {
        kind.__name__ for kind in KINDS if kind.code not in listed and not kind.code.startswith(RAM)
    } == OURS | CONSOLE


def test_a_dry_runs_codes_are_the_vendors() -> None:
    codes = {kind.code for kind in KINDS if kind.__name__.startswith("DryRun")}
    assert codes == {"DryRunOperationError", "ValidationError", "AccessDeniedError"}


def test_values_fill_the_message() -> None:
    assert InvalidParameter(name="KeyId").text == 'The specified parameter "KeyId" is not valid.'


def test_a_code_has_one_status() -> None:
    assert all(len({kind.status for kind in kinds}) == 1 for kinds in CODES.values())


def test_an_operators_error_has_a_message_and_a_hint() -> None:
    error = OperatorError("it is broken", hint="mend it")
    assert (str(error), error.hint) == ("it is broken", "mend it")
