"""The page "From one server to three", command for command, on hosts with a real systemd, of which one has PostgreSQL."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop.test_root_keys_at_boot import install
from tests.live import needs
from tests.machine import Machine, machine
from tests.network import hosts
from tests.postgres import programs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "several-servers.md").read_text(encoding="utf-8")
NAMES = ("db1", "kms1", "kms2", "kms3", "app1")
SETTINGS = "/etc/keystead/keystead.toml"
# The packages are on these machines already.
HERE_ALREADY = ("sudo /opt/keystead/bin/pip ",)
# As on hosts with an SSH server: a home is a folder that all of them see.
_SCP = """#!/bin/sh
for last; do :; done
while [ $# -gt 1 ]; do cp "$1" "/mnt/${last%%.*}/"; shift; done
"""


class Step(NamedTuple):
    """A command, and what it prints; or, without a host, the content of a file that the page shows."""

    host: str
    command: str
    told: list[str]


def steps() -> Iterator[Step]:
    """Everything that is to be done, in the order of the page."""
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        if language in ("toml", "ini"):
            yield Step("", block, [])
        elif language == "console":
            yield from typed(block.splitlines())


def typed(lines: list[str]) -> Iterator[Step]:
    """The commands of a block. What a line is continued by is indented."""
    found: Step | None = None
    for line in lines:
        if prompt := re.match(r"(\w+):~\$ (.*)", line):
            if found is not None:
                yield found
            found = Step(prompt[1], prompt[2], [])
            continue
        assert found is not None
        if line.startswith("    "):
            found = found._replace(command=f"{found.command}\n{line}")
        else:
            found.told.append(line)
    assert found is not None
    yield found


class Typist:
    """Who types what the page says: each host has a shell that goes on, in a home of its own."""

    def __init__(self, machines: dict[str, Machine], version: str) -> None:
        self._machines = machines
        self._version = version
        self._said: dict[str, list[str]] = {name: [] for name in machines}

    def run(self, host: str, command: str, check: bool = True) -> str:
        """One command; what it prints."""
        before, command = "\n".join([f"cd /mnt/{host}", *self._said[host]]), self.here(command)
        if assigned := re.match(r"([A-Z_]+)=\$\(", command):  # once, and not each time that it is needed
            value = self._machines[host].tell(f'{before}\n{command}\nprintf %s "${assigned[1]}"')
            self._said[host].append(f"{assigned[1]}={value}")
            return ""
        ended = self._machines[host].run(f"{before}\n{command}", check=check)
        if re.match(r"(export )?[A-Z_]+=|umask ", command):
            self._said[host].append(command)
        return ended.stdout + ended.stderr

    def here(self, text: str) -> str:
        """With the version of PostgreSQL that is installed."""
        return text.replace("/15/", f"/{self._version}/")


def prepared(machines: dict[str, Machine], version: str) -> None:
    """The hosts as the page expects them."""
    known = "\n".join(f"192.0.2.{number} {name}.example.org {name}" for number, name in enumerate(NAMES, 1))
    for name, host in machines.items():
        host.run(
            f"mkdir /mnt/{name}\ncat >> /etc/hosts <<'END'\n{known}\nEND\n"
            f"cat > /usr/local/bin/scp <<'END'\n{_SCP}END\nchmod 755 /usr/local/bin/scp"
        )
        if name != "db1":
            install(host)
            host.run("install -m 644 examples/systemd/keystead-backup.* /etc/systemd/system/")
            host.run(
                "install -d -m 700 -o keystead -g keystead /var/backups/keystead; systemctl daemon-reload"
            )
    machines["db1"].run(
        f"rm -rf /etc/postgresql/{version}/main /var/lib/postgresql/{version}/main\n"
        "install -d -g postgres -m 1775 /var/log/postgresql\n"
        "install -d -o postgres -g postgres -m 2775 /run/postgresql\n"
        "cp /lib/systemd/system/postgresql*.service /etc/systemd/system/\n"
        f"pg_createcluster {version} main\n"
        f"systemctl daemon-reload\nsystemctl start postgresql@{version}-main postgresql"
    )


def settings(typist: Typist, machines: dict[str, Machine], shown: str) -> None:
    """Files that the page shows: the first of kms1, those of the database, what all servers get."""
    if "listen_addresses" in shown:
        (file,) = re.findall(r"^In `(/etc/postgresql/\S+)`:$", PAGE, re.MULTILINE)
        machines["db1"].run(f"cat > {typist.here(file)} <<'END'\n{shown}END\n")
    elif shown.startswith("listen"):
        machines["kms1"].run(f"cat > {SETTINGS} <<'END'\n{shown}END\nsystemctl start keystead")
        machines["kms1"].run(
            "cp /var/lib/keystead/ca.pem /var/lib/keystead/root-access-key.json /mnt/app1\n"
            "mv /mnt/app1/root-access-key.json /mnt/app1/access-key.json"
        )
    else:
        machines["kms1"].run(f"cat >> {SETTINGS} <<'END'\n{shown}END\ncp {SETTINGS} /mnt")
        for other in ("kms2", "kms3"):
            machines[other].run(f"cp /mnt/keystead.toml {SETTINGS}")


@pytest.mark.interop
def test_the_page(tmp_path: Path) -> None:
    needs("pg_createcluster")
    needs("openssl")
    needs("curl")
    version = programs().parent.name
    shared = tmp_path / "shared"
    shared.mkdir()
    done = 0
    with ExitStack() as stack:
        network = stack.enter_context(hosts(NAMES))
        machines = {
            name: stack.enter_context(machine(tmp_path / name, name, network[name], shared)) for name in NAMES
        }
        prepared(machines, version)
        typist = Typist(machines, version)
        for host, command, told in steps():
            if not host:
                settings(typist, machines, command)
            elif not command.startswith(HERE_ALREADY):
                refused = any(line.startswith("error: ") for line in told)
                said = typist.run(host, command, check=not refused)
                lines = said.splitlines()
                for expected in filter(lambda line: line != "…", told):
                    if not any(in_order(expected, line) for line in lines):
                        pytest.fail(f"{command}\ndoes not print\n{expected}\nbut\n{said}")
                done += 1
    assert done > 60


@pytest.mark.interop
def test_a_start_with_root_key_and_password_as_credentials(tmp_path: Path) -> None:
    needs("pg_createcluster")
    needs("openssl")
    needs("curl")
    version = programs().parent.name
    service = (ROOT / "docs" / "how-to" / "service.md").read_text(encoding="utf-8")
    (section,) = [part for part in service.split("\n## ") if part.startswith("One of several servers\n")]
    (shown,) = re.findall(r"^```toml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    start, verify = (re.sub(r"^\$ ", "", block, flags=re.MULTILINE) for block in blocks)
    names = NAMES[:2]
    shared = tmp_path / "shared"
    shared.mkdir()
    with ExitStack() as stack:
        network = stack.enter_context(hosts(names))
        machines = {
            name: stack.enter_context(machine(tmp_path / name, name, network[name], shared)) for name in names
        }
        prepared(machines, version)
        typist, kms = Typist(machines, version), machines["kms1"]
        for host, command, _ in steps():
            if "scp " in command:
                break
            if host == "db1":
                typist.run(host, command)
            elif not host and "listen_addresses" in command:
                settings(typist, machines, command)
        machines["db1"].run("cp /mnt/db1/database-password /etc/postgresql/db1.pem /mnt")
        kms.run(
            "install -m 644 /mnt/db1.pem /etc/keystead\n"
            f"cat >> {SETTINGS} <<'END'\n{shown}END\n"
            "systemctl start keystead || true; systemctl stop keystead; systemctl reset-failed keystead || true"
        )  # as nobody has given it the password
        kms.until("journalctl -u keystead -o cat | grep -q 'cannot open the database'")
        # A root key of a first start that is thrown away.
        kms.run(
            "systemd-run --unit=first -p Type=notify /usr/local/bin/keystead serve --data /tmp/first --listen localhost:0\n"
            "systemctl stop first; cp /tmp/first/root.key /mnt/database-password /opt/source"
        )
        password = kms.tell("cat /mnt/database-password")
        kms.run(start)
        kms.run("curl -sf http://127.0.0.1:8444/ready")
        assert kms.tell("systemd-analyze verify /etc/systemd/system/keystead.service 2>&1") == ""
        assert "kms1" in kms.tell("sudo -u keystead keystead node list --data /var/lib/keystead")
        for place in ("/var/lib/keystead/root.key", "/opt/source/root.key", "/opt/source/database-password"):
            kms.run(f"test ! -e {place}")
        main = kms.tell("systemctl show -p MainPID --value keystead")
        for shows in (f"cat /proc/{main}/environ", "ps -ef", "journalctl -o cat", f"cat {SETTINGS}"):
            kms.run(f"! {shows} | grep -v grep | grep -qF '{password}'")
        assert "--pipe --wait --quiet" in verify  # which need D-Bus
        kms.run(verify.replace("--pipe --wait --quiet", "--unit=verify"))
        kms.until("journalctl -u verify -o cat | grep -q ' chain '")


def in_order(expected: str, line: str) -> bool:
    """Whether a line has all that is between the dots, one behind the other."""
    parts = filter(None, map(str.strip, expected.split("…")))
    return re.search(".*".join(map(re.escape, parts)), line) is not None
