"""What there is to know of a parameter's type."""

import enum
from collections.abc import Callable
from typing import Any

from keystead.errors import KmsError


class Role(enum.Enum):
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


class Param:
    """How one type of parameter is read: `parse(name, text)` gives its value or raises the refusal."""

    __slots__ = ("binary", "choices", "empty", "errors", "kind", "limits", "parse", "role", "sensitive")

    def __init__(
        self,
        kind: str,
        parse: Callable[[str, str], Any],
        *,
        limits: str = "",
        sensitive: bool = False,
        role: Role | None = None,
        choices: tuple[str, ...] = (),
        empty: bool = False,
        binary: bool = False,
        errors: tuple[type[KmsError], ...] = (),
    ) -> None:
        self.kind = kind
        self.parse = parse
        self.limits = limits
        self.sensitive = sensitive
        self.role = role
        self.choices = choices
        # Whether the empty text is a value; otherwise it means that the parameter is absent.
        self.empty = empty
        self.binary = binary  # base64, and nothing else
        self.errors = errors  # refusals beside InvalidParameter
