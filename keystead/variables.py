"""The variables of the environment that begin with KEYSTEAD_.

Each setting of the server has one (`keystead.settings`), and each option that says which server a command calls, and as
whom: those are here, with what `keystead run` and `keystead env` set for their own use. An empty variable is one that is
not set. `data` and `region` are a setting and an option, and mean the same data directory and region in both.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from keystead.forms import nearest

PREFIX = "KEYSTEAD_"

ENDPOINT = "KEYSTEAD_ENDPOINT"
CA_FILE = "KEYSTEAD_CA_FILE"
ACCESS_KEY_FILE = "KEYSTEAD_ACCESS_KEY_FILE"
DATA = "KEYSTEAD_DATA"
REGION = "KEYSTEAD_REGION"
OF_CLIENTS = (ENDPOINT, CA_FILE, ACCESS_KEY_FILE, DATA, REGION)

CONFIG = "KEYSTEAD_CONFIG"  # the file of settings
STORE_PASSWORD = "KEYSTEAD_STORE_PASSWORD"  # noqa: S105 - a name; the only one that has a secret

# For what `run` and `env` put into programs, and to undo it.
RUN_PROXY = "KEYSTEAD_RUN_PROXY"
CA_BUNDLE = "KEYSTEAD_CA_BUNDLE"
BEFORE = "KEYSTEAD_BEFORE"
OF_RUN = (RUN_PROXY, CA_BUNDLE, BEFORE)

_ALIKE = 0.65  # …_DATA_DIR is taken for a mistake, …_VERSION for somebody's own
# What Kubernetes and Docker say of a service called keystead or keystead-…, to everything that runs beside it.
_OF_A_SERVICE = re.compile(r"(?:_SERVICE_HOST|_SERVICE_PORT(?:_\w+)?|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)\Z")
_ITS_URL = re.compile(r"(?:tcp|udp|sctp)://")


def unknown(environment: Mapping[str, str], settings: Collection[str]) -> Iterator[tuple[str, str]]:
    """The variables that mean nothing, each with the one that was probably meant, or ""; `settings` are those of the
    settings. Names in other letters are told as well: they are others to the system."""
    known = {*OF_CLIENTS, *OF_RUN, CONFIG, STORE_PASSWORD, *settings}
    for name, value in environment.items():
        upper = name.upper()
        if not upper.startswith(PREFIX) or name in known or _OF_A_SERVICE.search(upper):
            continue
        if upper.endswith("_PORT") and _ITS_URL.match(value):
            continue
        words = {one.removeprefix(PREFIX): one for one in sorted(known - set(OF_RUN))}
        yield name, words.get(nearest(upper.removeprefix(PREFIX), list(words), _ALIKE), "")
