"""From the setting `store` to the place of the database, with the password for it; and whether a directory is one of it."""

import os
import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from keystead import variables
from keystead.errors import OperatorError, WrongSetting
from keystead.given_settings import store_settings
from keystead.server.data import node
from keystead.server.data.directory import DataDirectory
from keystead.server.data.secret_source import Source
from keystead.server.data.store_choice import StoreChoice, choose
from keystead.store.postgresql.place import Place, check_library

_PASSWORD = "password of the database"  # noqa: S105 - what it is called
# Where systems keep the CA certificates that they trust, in one file: Debian, Red Hat, SUSE, Alpine and macOS.
_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class SharedPlace(NamedTuple):
    """Where a database is that several servers share, and what the setting says of it."""

    place: Place
    choice: StoreChoice


def chosen(store: str, password_file: str, environment: Mapping[str, str] = os.environ) -> StoreChoice | None:
    """What the settings `store` and `store-password-file` mean; None for the database in the data directory. WrongSetting if
    they mean nothing, or exclude each other; no file is looked at."""
    given = bool(environment.get(variables.STORE_PASSWORD))
    if not store:
        if password_file:
            raise WrongSetting(
                "store-password-file is for a store on PostgreSQL, and there is none",
                hint="store: postgresql://USER@HOST/DATABASE",
            )
        return None
    choice = choose(store)
    if password_file:
        source(password_file)
        if given:
            raise WrongSetting(
                f"store-password-file and {variables.STORE_PASSWORD} exclude each other",
                hint="leave one of them out",
            )
    return choice


def source(password_file: str) -> Source:
    """Where the setting `store-password-file` says that the password is."""
    if password_file.partition(":")[0] in ("fd", "credential", "file") and ":" in password_file:
        return Source(password_file)
    return Source(f"file:{password_file}")


def place_of(
    store: str, password_file: str, environment: Mapping[str, str] = os.environ
) -> SharedPlace | None:
    """The place of the database, with what was chosen; None for that of the data directory. OperatorError if the password
    can't be read, or nothing here can speak with PostgreSQL."""
    choice = chosen(store, password_file, environment)
    if choice is None:
        return None
    check_library()
    password = environment.get(variables.STORE_PASSWORD, "")
    if password_file:
        found = source(password_file)
        password = _read_once(found.place) if found.kind == "fd" else found.read(f"the {_PASSWORD}")
    roots = _system_roots(environment) if choice.needs_system_roots else ""
    return SharedPlace(Place(choice.conninfo(password, roots), choice.shown), choice)


def has_data(directory: DataDirectory) -> bool:
    """Whether there is a database in a directory, or its server has joined one that others share."""
    return directory.database.exists() or node.joined(directory) is not None


def shared_by(directory: DataDirectory) -> SharedPlace | None:
    """Where the database is that the server of a directory shares, for commands, by the variables and the file of settings;
    None if the directory has one of its own. OperatorError if no setting says where it is, or it can't be reached so."""
    if directory.database.exists():
        return None
    found = place_of(*store_settings())
    if found is None and (joined := node.joined(directory)) is not None:
        raise OperatorError(
            f"the store of {directory.path} is a database that servers share, and no setting says so",
            hint=f'set store = "{joined.store}" (KEYSTEAD_STORE, or in the file of KEYSTEAD_CONFIG)',
        )
    return found


def database_of(directory: DataDirectory) -> Path | Place:
    """Where the data of a directory is: see `shared_by`."""
    found = shared_by(directory)
    return directory.database if found is None else found.place


@cache
def _read_once(descriptor: str) -> str:
    """A command may ask for it several times, and a descriptor can be read but once."""
    return Source(f"fd:{descriptor}").read(f"the {_PASSWORD}")


def _system_roots(environment: Mapping[str, str]) -> str:
    """The file with the CA certificates of this machine. The libpq of a wheel does not know where that is."""
    here = (environment.get("SSL_CERT_FILE", ""), ssl.get_default_verify_paths().openssl_cafile, *_ROOTS)
    found = next((one for one in here if one and Path(one).is_file()), None)
    if found is None:
        raise OperatorError(
            "the CA certificates that this machine trusts were not found, to verify the database by",
            hint="name the file with the CA of the database: sslrootcert=FILE in store",
        )
    return found
