"""What a start would refuse of its settings, found without changing anything: for the start itself, for a reload, and for
`keystead config check`.

What only the data can tell (a root key that does not open it, a seed beside other keys) shows at the start.
"""

import shlex
import shutil
from contextlib import closing, suppress
from pathlib import Path

from keystead.clock import Clock
from keystead.crypto.authority import describe
from keystead.domain.authorities import KeptAuthority, Names
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError, WrongSetting
from keystead.server import logs
from keystead.server.data import seed_file
from keystead.server.data.anchor import anchor_of
from keystead.server.data.directory import DataDirectory
from keystead.server.data.root_key_choice import choose
from keystead.server.data.store_place import chosen
from keystead.server.network import confinement, listener
from keystead.server.network.certificates import Files, admit, in_service, names_for
from keystead.server.service.pools import PROCESSORS
from keystead.settings import Settings
from keystead.store.postgresql.place import check_library
from keystead.store.reader import open_reader


def fronted(settings: Settings) -> bool:
    """Whether these settings make a front process on this machine."""
    return settings.front_process == "yes" or (settings.front_process == "auto" and PROCESSORS > 1)


def check(settings: Settings, clock: Clock, running: Settings | None = None) -> None:
    """WrongSetting if trying again will not help, else OperatorError. `running`: those of the server that asks, which has
    its addresses, and looks after its certificate."""
    host, port = listener.parse_address(settings.listen)
    ops = listener.parse_address(settings.ops_listen) if settings.ops_listen else None
    if ops == (host, port) and port:
        raise WrongSetting(
            f"listen and ops-listen are both {settings.listen}",
            hint="leave --ops-listen out, or name another port",
        )
    if settings.http and not listener.is_loopback(host):
        raise WrongSetting(
            f"plain HTTP on {host} would show secrets to the network",
            hint="leave out --http, or listen on localhost",
        )
    _check_front(settings)
    if settings.root_key:
        choose(settings.root_key)
    _check_store(settings)
    names = names_for(host, settings.name)
    directory = DataDirectory(settings.data)
    directory.check_usable(files_of(settings))
    if settings.tls_cert:
        # A pair that is just being replaced is no reason to refuse a reload.
        if running is None or _pair(settings) != _pair(running):
            Files(settings.tls_cert, settings.tls_key).renewed()
    elif not settings.http:
        _check_authority(directory, names, clock.now())
    if settings.log_file not in ("", "-"):
        logs.check_file(settings.log_file)
    _check_checkpoints(settings, directory)
    for name, value in (("backup-into", settings.backup_into), ("backup-keys", settings.backup_keys)):
        if value and Path(value).resolve().is_relative_to(directory.path.resolve()):
            raise WrongSetting(
                f"{name} is in the data directory itself, and would be lost with it",
                hint="choose a folder elsewhere, best on another disk",
            )
    if settings.seed:
        seed_file.read(settings.seed)
    anchor_of(settings, clock, SystemEntropy())
    if running is None or settings.listen != running.listen:
        listener.check(host, port)
    if ops is not None and (running is None or settings.ops_listen != running.ops_listen):
        listener.check(*ops)


def files_of(settings: Settings) -> tuple[str, ...]:
    """The files that these settings name, which may lie in the data directory before anything else does."""
    return settings.log_file, settings.seed, settings.tls_cert, settings.tls_key


def _pair(settings: Settings) -> tuple[str, str]:
    return settings.tls_cert, settings.tls_key


def _check_front(settings: Settings) -> None:
    if settings.front_confinement != "yes":
        return
    if not fronted(settings):
        raise WrongSetting(
            "there is no front process that could be confined",
            hint="add --front-process yes, or leave out --front-confinement yes",
        )
    if missing := confinement.missing():
        raise WrongSetting(
            f"the front process cannot be confined: {'; '.join(missing)}",
            hint="set front-confinement to auto, and it is as far as the kernel can",
        )


def _check_store(settings: Settings) -> None:
    """Whether there can be a store as these settings say; whether its database is there the start tells."""
    if chosen(settings.store, settings.store_password_file) is None:
        return
    check_library()
    if settings.backup_into:
        raise WrongSetting(
            "backup-into is for a database in the data directory, and store names another one",
            hint="leave it out: a PostgreSQL database is backed up by its own means, as pg_dump or pgBackRest, and the root "
            "key apart from it",
        )


def _check_checkpoints(settings: Settings, directory: DataDirectory) -> None:
    for folder in settings.checkpoint_folder:
        if Path(folder).resolve().is_relative_to(directory.path.resolve()):
            raise WrongSetting(
                f"checkpoint-folder {folder} is in the data directory, and would be altered with it",
                hint="choose a folder elsewhere, best on another disk",
            )
    try:
        words = shlex.split(settings.checkpoint_command)
    except ValueError:
        raise WrongSetting(
            "checkpoint-command has a quote that does not end", hint="write it as in a shell"
        ) from None
    if words and shutil.which(words[0]) is None:
        raise WrongSetting(
            f"checkpoint-command names no program that could be run: {words[0]}", hint="give its whole path"
        )


def _check_authority(directory: DataDirectory, names: Names, now: float) -> None:
    """Whether the server's own CA may issue for these names. Where there is none the start makes it, and where that is in a
    database that servers share the start asks it."""
    if not directory.database.exists():
        return
    kept: tuple[KeptAuthority, ...] = ()
    # A database of an earlier version can't be read yet; what else is wrong with it the start tells.
    with suppress(OperatorError), closing(open_reader(directory.database)) as reader:
        kept = reader.authorities()
    if kept:
        now_serving = in_service(kept, now, directory.path)
        admit(names, describe(now_serving[-1].certificate.encode()), directory.path)
