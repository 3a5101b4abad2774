"""What there is to know of a parameter's type."""

import enum
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from keystead.errors import KmsError
from keystead.forms import REGION

T = TypeVar("T")

BOOLEAN = "true or false"
# The rules, in words, of the parameters that every operation takes.
COMMON = {"RegionId": REGION.words, "DryRun": BOOLEAN}


class Role(enum.StrEnum):
    """What a parameter points to; the pipeline finds it before the operation runs."""

    KEY = "key"  # id, alias, key ARN or alias ARN
    KEYS = "keys"  # several keys, by id or key ARN
    BLOB = "blob"  # a ciphertext, which names its key version
    VERSION = "version"  # a version of that key
    SOURCE_KEY = "source key"  # the key of a ciphertext, optional where that names it
    SOURCE_VERSION = "source version"  # the version of that key
    SOURCE = "source"  # a ciphertext beside a key that the operation is about
    ALIAS = "alias"  # an alias that exists
    NEW_ALIAS = "new alias"  # a name for an alias that does not exist yet
    USER = "user"  # of Ram, by name, whether it exists or not; none: the caller
    GROUP = "group"  # of Ram, likewise
    POLICY = "policy"  # of Ram, likewise
    MFA = "mfa"  # a device of Ram, by name or serial number, likewise


class Rule(Generic[T]):
    """`parse(name, text)` gives the value of the parameter of that name, or raises the refusal; `words` say what it admits.

    `choices`: all that it admits, where that is some words.
    """

    __slots__ = ("choices", "parse", "words")

    def __init__(self, parse: Callable[[str, str], T], words: str, choices: tuple[str, ...] = ()) -> None:
        self.parse = parse
        self.words = words
        self.choices = choices


class Param:
    """How one type of parameter is read, by its rule, and what it means to the pipeline."""

    __slots__ = ("binary", "choices", "empty", "errors", "kind", "limits", "parse", "role", "sensitive")

    def __init__(
        self,
        kind: str,
        rule: Rule[Any],
        *,
        sensitive: bool = False,
        role: Role | None = None,
        empty: bool = False,
        binary: bool = False,
        errors: tuple[type[KmsError], ...] = (),
    ) -> None:
        self.kind = kind
        self.parse = rule.parse
        self.limits = rule.words
        self.choices = rule.choices
        self.sensitive = sensitive
        self.role = role
        # Whether the empty text is a value; otherwise it means that the parameter is absent.
        self.empty = empty
        self.binary = binary  # base64, and nothing else
        self.errors = errors  # refusals beside InvalidParameter
