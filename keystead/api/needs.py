"""What a call needs to be allowed: actions on resources."""

from typing import NamedTuple

from keystead.domain.keys.key import Key


class Need(NamedTuple):
    """An action (`kms:Encrypt`) on a resource (an ARN) of the account `owner`; `key` if that is a key, whose policy then has
    a say; `uses` if what is done is to use the key, not to manage it."""

    action: str
    resource: str
    owner: str
    key: Key | None = None
    uses: bool = False
