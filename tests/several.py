"""Several real servers on one PostgreSQL database, each in a process and with a data directory of its own."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live import Client, LiveServer


class Shared(LiveServer):
    """One of them. `first` is the data directory of the one that made the database's content: it has the AccessKey."""

    def __init__(
        self,
        data: Path,
        database_url: str,
        *options: str,
        first: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        super().__init__(data, *options, env={"KEYSTEAD_STORE": database_url, **(env or {})})
        self.first = first or data

    def client(self) -> Client:
        found = self.description
        key = json.loads((self.first / "root-access-key.json").read_text())
        return Client(found["url"], found["ca_file"], (key["AccessKeyId"], key["AccessKeySecret"]))


def another(folder: Path, name: str, first: Shared, database_url: str, *options: str) -> Shared:
    """One more server for the database of the first: not started, with the same root key in a directory of its own."""
    data = folder / name
    data.mkdir(mode=0o700)
    shutil.copy(first.data / "root.key", data)
    return Shared(data, database_url, *options, first=first.data)


@contextmanager
def servers(folder: Path, database_url: str, count: int, *options: str) -> Iterator[list[Shared]]:
    """So many running servers, stopped at the end; `folder` is for their directories, node-1 and so on."""
    first = Shared(folder / "node-1", database_url, *options)
    running = [first]
    try:
        first.start()
        for number in range(2, count + 1):
            running.append(another(folder, f"node-{number}", first, database_url, *options))
            running[-1].start()
        yield running
    finally:
        for one in running:
            one.stop()
