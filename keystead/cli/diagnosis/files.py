"""Checks of files: the data directory, what is in it, the disk under it, the log, and the AccessKey's file."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from keystead import owners
from keystead.cli import output
from keystead.cli.diagnosis.finding import Finding, ok, problem, trouble, warning
from keystead.cli.diagnosis.scene import Scene
from keystead.client.access_key import read_access_key
from keystead.clock import SystemClock
from keystead.domain.keys.key import DAY
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory
from keystead.server.data.store_place import has_data
from keystead.server.operator import look_at_database, look_at_root_key
from keystead.server.recovery import last_backup_of

_MIB = 1 << 20
BACKUP_DAYS = 8  # more than from one week's to the next
ROOM_NEEDED, ROOM_SOON = 16 * _MIB, 256 * _MIB  # bytes; the audit log grows by some 400 a call


def directory(scene: Scene) -> Iterator[Finding]:
    """The data directory belongs to who looks at it, who can write to it, and is closed to others."""
    found = _directory(scene)
    if found is None:
        return
    path, status = found.path, found.path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid():
        yield warning(
            "data directory",
            f"{path} belongs to another user: files that this user makes there its server could not open",
            owners.hint(path),
        )
    elif mode & 0o077:
        yield warning(
            "data directory", f"{path} is open to other users (mode {mode:04o})", f"chmod 700 {path}"
        )
    elif not os.access(path, os.W_OK | os.X_OK):
        yield problem("data directory", f"{path} cannot be written", owners.hint(path))
    else:
        yield ok("data directory", str(path))


def disk(scene: Scene) -> Iterator[Finding]:
    """There is room for what every call writes."""
    for path in _written(scene):
        try:
            found = os.statvfs(path)
        except OSError:  # gone meanwhile, or never there
            continue
        free = found.f_bavail * found.f_frsize
        if found.f_flag & os.ST_RDONLY:
            yield problem("disk", f"the disk of {path} is read-only", f"mount -o remount,rw {_mount(path)}")
        elif found.f_files and not found.f_favail:
            yield problem(
                "disk", f"the disk of {path} has no room for one more file", "remove what is not needed"
            )
        elif free < ROOM_NEEDED:
            yield problem(
                "disk",
                f"{size(free)} are free for {path}; without room no call is answered",
                "make room; the server goes on by itself",
            )
        elif free < ROOM_SOON:
            yield warning("disk", f"{size(free)} are free for {path}", "make room before calls fail")
        else:
            yield ok("disk", f"{size(free)} are free for {path}")


def database(scene: Scene) -> Iterator[Finding]:
    """The database can be read by this version."""
    found = _directory(scene)
    if found is None or not has_data(found):
        return
    look = look_at_database(found)
    if look.problem is not None:
        yield trouble("database", look.problem)
    elif look.unseen:
        yield ok("database", f"{look.shown}; it was not looked for: {look.unseen}")
    elif found.database.exists():
        yield ok("database", f"{look.shown}, {size(found.database.stat().st_size)}")
    else:
        yield ok("database", look.shown)


def root_key(scene: Scene) -> Iterator[Finding]:
    """The root key is there, whole, for its user alone, and that of the database."""
    found = _directory(scene)
    if found is None or not has_data(found):
        return
    if found.root_key.exists() and found.root_key.stat().st_uid != os.geteuid():
        mode = stat.S_IMODE(found.root_key.stat().st_mode)
        if mode & 0o077:
            yield problem(
                "root key",
                f"{found.root_key} is open to other users (mode {mode:04o})",
                f"chmod 600 {found.root_key}",
            )
        return
    look = look_at_root_key(found)
    if look.problem is not None:
        yield trouble("root key", look.problem)
    elif look.unseen:
        yield ok("root key", f"{look.shown}; it was not looked for: {look.unseen}")
    else:
        yield ok("root key", f"{look.shown}; keep a copy apart from the backups")


def backup(scene: Scene) -> Iterator[Finding]:
    """There is a backup that was proved, and not long ago."""
    found = _directory(scene)
    if found is None or not found.database.exists():
        return
    last = last_backup_of(found)
    if last is None:
        yield warning(
            "backup",
            "none of this server was verified",
            "keystead backup FOLDER/, then keystead backup verify FILE; or the setting backup-into",
        )
        return
    days = int(last.age(SystemClock().now()) // DAY)
    told = f"{last.file} was verified; it is {output.amount(days, 'day')} old"
    if days >= BACKUP_DAYS:
        yield warning("backup", told, "make a new one, and see why there was none: keystead backup FOLDER/")
    else:
        yield ok("backup", told)


def access_key_files(scene: Scene) -> Iterator[Finding]:
    """Nobody else can read the files with AccessKeys."""
    found = _directory(scene)
    files = []
    if found is not None and found.root_access_key.exists():
        files.append(found.root_access_key)
    if scene.caller is not None and scene.caller.file:
        files.append(Path(scene.caller.file))
    for path in dict.fromkeys(files):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield problem(
                "AccessKey file", f"{path} is open to other users (mode {mode:04o})", f"chmod 600 {path}"
            )
            continue
        try:
            read_access_key(path)
        except OperatorError as wrong:
            yield trouble("AccessKey file", wrong)
        else:
            yield ok("AccessKey file", str(path))


def log(scene: Scene) -> Iterator[Finding]:
    """The server can go on writing its log."""
    if scene.running is None:
        return
    if not scene.running.log_file:
        yield ok("log", "to the server's standard error: the terminal, the journal, or where it was sent")
        return
    path = Path(scene.running.log_file)
    file = path if os.path.exists(path) else path.parent
    if not os.path.isdir(path.parent):
        yield problem(
            "log", f"the folder of {path} is gone", f"mkdir -p {path.parent}, for the server's user"
        )
    elif _of_server(scene) and not (os.access(file, os.W_OK) and os.access(path.parent, os.X_OK)):
        yield problem("log", f"{file} cannot be written", owners.hint(file))
    else:
        yield ok("log", str(path))


def size(amount: int) -> str:
    """Bytes for a person."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (_MIB, "MiB")):
        if amount >= unit:
            return f"{amount / unit:.1f} {name}"
    return f"{amount >> 10} KiB"


def _directory(scene: Scene) -> DataDirectory | None:
    found = scene.directory
    return found if found is not None and found.path.is_dir() else None


def _of_server(scene: Scene) -> bool:
    """Whether this user is the one whose server it is."""
    found = _directory(scene)
    return found is not None and found.path.stat().st_uid == os.geteuid()


def _written(scene: Scene) -> list[Path]:
    """Where the server writes: a place on each disk."""
    found = _directory(scene)
    places = [] if found is None else [found.path]
    if scene.running is not None and scene.running.log_file:
        places.append(Path(scene.running.log_file).parent)
    by_disk: dict[int, Path] = {}
    for place in places:
        if os.path.isdir(place):  # unlike Path.is_dir it raises nothing
            by_disk.setdefault(place.stat().st_dev, place)
    return list(by_disk.values())


def _mount(path: Path) -> Path:
    return next((one for one in (path, *path.parents) if one.is_mount()), path)


CHECKS = (directory, disk, database, root_key, backup, access_key_files, log)
