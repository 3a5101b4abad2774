"""Key policies: who may do what with a key, as documents. They are kept and shown; nobody is refused by one yet.

{"Version": "1", "Statement": [{"Sid": …, "Effect": "Allow", "Action": […], "Principal": {"RAM": […]}, "Resource": ["*"]}]}
"""

import json
import re
from typing import Any

NAME = "default"  # a key has one policy, of this name

_MEMBERS = {"Sid", "Effect", "Action", "Principal", "Resource", "Condition"}
_SID = re.compile(r"\A[A-Za-z0-9_/+=.@ \-]{1,128}\Z")  # the vendor's own example has spaces
_ACTION = re.compile(r"\Akms:[A-Za-z*?]+\Z")
_PRINCIPAL = re.compile(r"\Aacs:ram::([0-9]{1,20}|\*):(root|\*|(user|role)/[A-Za-z0-9._@*-]{1,128})\Z")


def valid(document: object) -> bool:
    """Whether it is a key policy."""
    if not isinstance(document, dict) or document.keys() != {"Version", "Statement"}:
        return False
    statements = document["Statement"]
    if document["Version"] != "1" or not isinstance(statements, list) or not statements:
        return False
    return all(_valid_statement(statement) for statement in statements)


def _valid_statement(statement: object) -> bool:
    if not isinstance(statement, dict) or not statement.keys() <= _MEMBERS:
        return False
    principal = statement.get("Principal")
    return (
        statement.get("Effect") in ("Allow", "Deny")
        and _words(statement.get("Sid", "x"), _SID, lists=False)
        and isinstance(statement.get("Condition", {}), dict)
        and _words(statement.get("Action"), _ACTION)
        and statement.get("Resource") in ("*", ["*"])
        and isinstance(principal, dict)
        and principal.keys() == {"RAM"}
        and _words(principal["RAM"], _PRINCIPAL)
    )


def _words(value: Any, form: re.Pattern[str], *, lists: bool = True) -> bool:
    words = value if lists and isinstance(value, list) else [value]
    return bool(words) and all(isinstance(word, str) and form.match(word) for word in words)


def of_everybody(account: str) -> str:
    """The policy of a key that was given none: whoever the account lets."""
    statement = {
        "Sid": "kms default key policy",
        "Effect": "Allow",
        "Action": ["kms:*"],
        "Principal": {"RAM": [f"acs:ram::{account}:*"]},
        "Resource": ["*"],
    }
    return json.dumps({"Version": "1", "Statement": [statement]})
