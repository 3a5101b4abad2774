"""What a server says of itself to its owner."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from keystead.api.home import ServerFacts, ShownSetting
from keystead.server.data.directory import DataDirectory, Running
from keystead.settings import Settings


def facts_of(
    running: Running,
    directory: DataDirectory,
    settings: Settings,
    sources: Mapping[str, str],
    *,
    started: float,
    certificate_expires: int,
    front: str,
    problems: Sequence[str],
    sizes: Mapping[str, int],
) -> ServerFacts:
    """How a server is now. `sources`: where a setting, by its name, comes from, if that is not its default; `sizes`: see
    `sizes_of`."""
    try:
        free = shutil.disk_usage(directory.path).free
    except OSError:  # gone: `problems` say so
        free = 0
    return ServerFacts(
        started=int(started),
        url=running.url,
        ops_url=running.ops_url,
        proxy_url=running.proxy_url or "",
        settings=tuple(
            ShownSetting(name, msgspec.json.encode(value).decode(), sources.get(name, "default"))
            for name, value in msgspec.to_builtins(settings).items()
        ),
        certificate_expires=certificate_expires,
        own_authority=running.ca_file is not None,
        database=sizes["database"],
        wal=sizes.get("log", 0),
        free=free,
        front=front,
        problems=tuple(problems),
    )


def sizes_of(directory: DataDirectory) -> dict[str, int]:
    """Bytes of the files of the database in a directory, and of its write-ahead log."""
    database = directory.database
    return {
        "database": size_of(database),
        "log": size_of(database.with_name(f"{database.name}-wal")),
    }


def size_of(path: Path) -> int:
    """Bytes; 0 if there is no such file."""
    try:
        return path.stat().st_size
    except OSError:  # deleted: `ready` says so
        return 0
