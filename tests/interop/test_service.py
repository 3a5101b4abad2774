"""The page "Run it as a service", command for command, on machines with a real systemd; and what its clients see meanwhile."""

import base64
import json
import re
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live import Client, needs
from tests.machine import Machine, machine
from tests.network import HERE, THERE, other_host

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "service.md").read_text(encoding="utf-8")
UNITS = ROOT / "examples" / "systemd"
MOST_EXPOSED = 1.5
TEXT = "对称加密"


def sections() -> dict[str, list[str]]:
    """The commands of the page, by their heading."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]:
        found[part.split("\n", 1)[0]] = re.findall(r"^```sh\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    return found


class Page:
    """The commands that were not run yet."""

    def __init__(self) -> None:
        self.left = {(heading, block) for heading, blocks in sections().items() for block in blocks}

    def run(self, where: Machine, heading: str, begin: int = 0, end: int | None = None, **words: str) -> str:
        """Run the blocks below a heading, with some words in them replaced; what they print."""
        told = ""
        for block in sections()[heading][begin:end]:
            self.left.discard((heading, block))
            script = block.replace(_VENV, _VENV + _WITH_PACKAGES)
            for written, here in words.items():
                assert PLACEHOLDERS[written] in script
                script = script.replace(PLACEHOLDERS[written], here)
            told += where.run(script).stdout
        return told


PLACEHOLDERS = {"access_key": "LTAI…"}
_VENV = "sudo python3 -m venv /opt/keystead\n"
# The packages that the commands would fetch are on this machine already.
_WITH_PACKAGES = "echo 'import sys; sys.path.insert(0, \"/opt/packages\")' > $(echo /opt/keystead/lib/python3*/site-packages)/tests.pth\n"


class Far(Client):
    """A client on another host, by the name that the server has, and the CA certificates that it was once given."""

    def __init__(self, ca: Path, access_key: tuple[str, str], name: str = "kms.example.org") -> None:
        super().__init__(f"https://{name}:8443", str(ca), access_key)
        connection: Any = self._connection
        connection._create_connection = lambda *_, **__: socket.create_connection((THERE, 8443), 5)


class Regular:
    """A client that goes on and on, over reloads, renewals and moves, and notes what it met."""

    def __init__(self, ca: Path, access_key: tuple[str, str], key_id: str) -> None:
        self._made = (ca, access_key)
        self._key_id = key_id
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.succeeded = 0
        self.refused: list[object] = []
        self.distrusted: list[object] = []
        self.interrupted = 0

    def _work(self) -> None:
        client = Far(*self._made)
        while not self._ending.wait(0.05):
            try:
                status, members = client.call("Encrypt", KeyId=self._key_id, Plaintext=TEXT)
                if status == 200:
                    self.succeeded += 1
                elif status != 503:
                    self.refused.append(members)
            except ssl.SSLCertVerificationError as error:
                self.distrusted.append(error)
            except (OSError, HTTPException, ValueError):
                self.interrupted += 1
        client.close()

    def goes_on(self) -> None:
        """Until a few more calls succeeded."""
        wanted, deadline = self.succeeded + 3, time.monotonic() + 60
        while self.succeeded < wanted:
            assert time.monotonic() < deadline, (self.refused, self.distrusted, self.interrupted)
            time.sleep(0.05)
        assert (self.refused, self.distrusted) == ([], [])

    @contextmanager
    def working(self) -> Iterator["Regular"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            self._thread.join()


def access_key(text: str) -> tuple[str, str]:
    made = json.loads(text)
    made = made.get("AccessKey", made)
    return made["AccessKeyId"], made["AccessKeySecret"]


def show(where: Machine, name: str, unit: str = "keystead") -> str:
    return where.tell(f"systemctl show -p {name} --value {unit}")


@pytest.mark.interop
def test_the_page(tmp_path: Path) -> None:
    needs("nft")
    needs("ufw")
    needs("curl")
    page = Page()
    shared = tmp_path / "shared"
    shared.mkdir()
    with other_host() as network:
        with machine(tmp_path / "alpha", "alpha", network, shared) as alpha:
            install(page, alpha)
            alpha.run("cp ca.pem access-key.json /mnt")
            ca = shared / "ca.pem"
            own = access_key((shared / "access-key.json").read_text())
            client = Far(ca, own)
            key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
            blob = client.ok("Encrypt", KeyId=key_id, Plaintext=TEXT)["CiphertextBlob"]
            client.close()
            with Regular(ca, own, key_id).working() as regular:
                regular.goes_on()
                firewall(page, alpha)
                regular.goes_on()
                confinement(page, alpha)
                slow_work(alpha, ca, own)
                exec_of_a_service_that_notifies(alpha, key_id)
                reload(page, alpha, regular)
                another_name(page, alpha, regular, shared, own)
                watch(page, alpha)
                a_server_that_hangs(alpha, regular)
                client = Far(ca, own)
                keys = client.ok("ListKeys")["TotalCount"]
                client.close()
                backups(page, alpha, regular, keys)
                page.run(alpha, "Upgrade")
                regular.goes_on()
                page.run(alpha, "What grows")
                a_lost_client(page, alpha, ca, blob)

                # The host burns down; another one, with another name, has a backup and the secrets.
                alpha.run(
                    "systemctl start keystead-backup\n"
                    'cp -r "/var/backups/keystead/$(ls /var/backups/keystead | tail -n 1)" /mnt/backup\n'
                    "cp /root/keystead-secrets.tar /etc/keystead/keystead.toml /mnt"
                )
                regular.goes_on()
                alpha.run("systemctl stop keystead")
                with machine(tmp_path / "beta", "beta", network, shared) as beta:
                    assert beta.tell("hostname") == "beta"
                    for block in range(2):
                        page.run(beta, "Install", block, block + 1)
                    beta.run(
                        "cp -r /mnt/backup /mnt/keystead-secrets.tar /root\n"
                        "cp /mnt/keystead.toml /etc/keystead/keystead.toml"
                    )
                    page.run(beta, "Restore on another host")
                    regular.goes_on()
                    assert show(beta, "ActiveState") == "active"
                    client = Far(ca, own)
                    assert client.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT
                    client.close()
                    beta.run("sudo -u keystead keystead audit verify --data /var/lib/keystead")
                    beta.run("systemctl stop keystead")
                    assert show(beta, "Result") == "success"
    assert page.left == set()


def install(page: Page, where: Machine) -> None:
    page.run(where, "Install", 0, 2)
    where.run("systemctl start keystead-backup", check=False)  # nothing to back up yet, which is no disaster
    assert where.tell("systemd-analyze verify /etc/systemd/system/keystead*.* 2>&1") == ""
    status = page.run(where, "Install", 2)
    assert "Active: active (running)" in status
    # The start came back when it answered, and not before.
    where.run("curl -sf http://127.0.0.1:8444/ready")
    assert show(where, "StatusText") == "serves https://localhost:8443"
    assert (
        where.tell("stat -c '%U %a' /var/lib/keystead /var/backups/keystead").split("\n")
        == ["keystead 700"] * 2
    )
    main = show(where, "MainPID")
    assert where.tell(f"stat -c %U /proc/{main}") == "keystead"
    # What it was told by the service manager stays with it.
    where.run(f"! grep -q NOTIFY_SOCKET /proc/$(pgrep -P {main})/environ")
    assert where.tell("stat -c '%U %a' /root/keystead-secrets.tar") == "root 600"
    assert sorted(where.tell("tar -tf /root/keystead-secrets.tar").split()) == [
        "root-access-key.json",
        "root.key",
    ]


def firewall(page: Page, where: Machine) -> None:
    page.run(where, "Ports")
    assert "8443" in where.tell("cat /etc/ufw/user.rules")
    where.run("nft -c -f /etc/nftables.conf")
    # Of another network than the one that is let through.
    subprocess.run(["ip", "addr", "add", "203.0.113.9/32", "dev", "lo"], check=True)
    try:
        where.run(f"ip route add 203.0.113.9/32 via {HERE}")
        reach = ["curl", "-sk", "-o", "/dev/null", "--max-time", "2", f"https://{THERE}:8443/"]
        assert subprocess.run(reach, check=False).returncode == 0
        assert subprocess.run([*reach, "--interface", "203.0.113.9"], check=False).returncode == 28
    finally:
        subprocess.run(["ip", "addr", "del", "203.0.113.9/32", "dev", "lo"], check=True)


def confinement(page: Page, where: Machine) -> None:
    assert "Overall exposure level for keystead.service" in page.run(where, "What it may not do")
    main = show(where, "MainPID")
    status = where.tell(f"cat /proc/{main}/status")
    assert re.search(r"^NoNewPrivs:\s1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s2$", status, re.MULTILINE)
    assert set(re.findall(r"^Cap\w+:\s(\w+)$", status, re.MULTILINE)) == {"0" * 16}
    limits = where.tell(f"cat /proc/{main}/limits")
    assert re.search(r"^Max core file size\s+0\s+0\s", limits, re.MULTILINE)
    (descriptors,) = re.findall(r"^Max open files\s+(\d+)\s", limits, re.MULTILINE)
    assert int(descriptors) in (65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def slow_work(where: Machine, ca: Path, own: tuple[str, str]) -> None:
    """Libraries and threads do within these bounds what they do outside: no memory is made executable for them, and a thread
    that stands back may do so."""
    client = Far(ca, own)
    for spec, algorithm in (
        ("EC_SM2", "SM2DSA"),
        ("RSA_2048", "RSA_PSS_SHA_256"),
        ("EC_P256", "ECDSA_SHA_256"),
    ):
        key = client.ok("CreateKey", KeySpec=spec, KeyUsage="SIGN/VERIFY")["KeyMetadata"]
        (version,) = client.ok("ListKeyVersions", KeyId=key["KeyId"])["KeyVersions"]["KeyVersion"]
        named = {"KeyId": key["KeyId"], "KeyVersionId": version["KeyVersionId"], "Algorithm": algorithm}
        digest = base64.b64encode(bytes(32)).decode()
        value = client.ok("AsymmetricSign", **named, Digest=digest)["Value"]
        assert client.ok("AsymmetricVerify", **named, Digest=digest, Value=value)["Value"] is True
    client.close()
    niceness = where.tell(f"cut -d ' ' -f 19 /proc/{show(where, 'MainPID')}/task/*/stat").split()
    assert "19" in niceness
    # The console's process takes what is left over: SCHED_IDLE, as proc(5) numbers it.
    where.tell("curl -sk -o /dev/null https://localhost:8443/console/")
    assert where.tell("cut -d ' ' -f 41 /proc/$(pgrep -f [c]onsole_process)/stat").split() == ["5"]


def exec_of_a_service_that_notifies(where: Machine, key_id: str) -> None:
    """What `exec` starts may be a service of its own, and tell systemd so."""
    where.run(
        "printf t0ken > /var/tmp/token\n"
        f"keystead file encrypt --data /var/lib/keystead --key {key_id} /var/tmp/token\n"
        "systemd-run --unit=app -p Type=notify -p NotifyAccess=all /usr/local/bin/keystead exec --data /var/lib/keystead "
        "--env TOKEN=/var/tmp/token.cipher -- sh -c 'systemd-notify --ready --status=$TOKEN; sleep 1000'"
    )
    assert (show(where, "ActiveState", "app"), show(where, "StatusText", "app")) == ("active", "t0ken")
    where.run("systemctl stop app")


def reload(page: Page, where: Machine, regular: Regular) -> None:
    main, interrupted = show(where, "MainPID"), regular.interrupted
    where.run("echo 'log-level = \"debug\"' >> /etc/keystead/keystead.toml")
    page.run(where, "Change a setting", 0, 1)
    where.until('journalctl -u keystead -o cat | grep -q \'"event": "reloaded", "names": ..log-level\'')
    where.until("systemctl is-active keystead")
    regular.goes_on()
    assert (show(where, "MainPID"), regular.interrupted) == (main, interrupted)
    # What can't be read changes nothing, and ends nothing.
    where.run("echo 'nonsense' >> /etc/keystead/keystead.toml; systemctl reload keystead")
    where.until("journalctl -u keystead -o cat | grep -q 'not reloaded'")
    where.run("sed -i '$d' /etc/keystead/keystead.toml; systemctl reload keystead")
    regular.goes_on()
    assert (show(where, "MainPID"), regular.interrupted) == (main, interrupted)


def another_name(page: Page, where: Machine, regular: Regular, shared: Path, own: tuple[str, str]) -> None:
    """A new CA takes over, and a new certificate is served, while clients know the old one only."""
    page.run(where, "Change a setting", 1)
    where.run("cp ca.pem /mnt/new-ca.pem")
    for name in ("kms.example.org", "kms2.example.org"):
        deadline = time.monotonic() + 30
        while True:
            client = Far(shared / "new-ca.pem", own, name)
            try:
                client.ok("ListKeys")
                break
            except ssl.SSLCertVerificationError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            finally:
                client.close()
    regular.goes_on()
    client = Far(shared / "ca.pem", own)  # a new connection of a client that has the old one
    client.ok("ListKeys")
    client.close()
    client = Far(shared / "ca.pem", own, "kms2.example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        client.ok("ListKeys")
    client.close()


def watch(page: Page, where: Machine) -> None:
    told = page.run(where, "Watch it")
    assert '{"status": "ok"}' in told
    assert '{"status": "ready", "problems": [], "warnings": [], ' in told
    rules = (ROOT / "examples" / "prometheus" / "keystead.rules.yml").read_text(encoding="utf-8")
    expressions = [rule["expr"] for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]
    named = set(re.findall(r"\b(?:keystead|process)_\w+", " ".join(expressions)))
    assert len(named) > 6
    samples = set(re.findall(r"^(\w+)", told, re.MULTILINE))
    # A server whose store is its own has none of those that tell of a database.
    assert {one for one in named if not one.startswith("keystead_database_c")} - samples <= {
        "keystead_database_problems",
        "keystead_database_weaknesses",
    }


def a_server_that_hangs(where: Machine, regular: Regular) -> None:
    where.run(
        "mkdir -p /etc/systemd/system/keystead.service.d\n"
        "printf '[Service]\\nWatchdogSec=4\\nRestartSec=1\\n' > /etc/systemd/system/keystead.service.d/tests.conf\n"
        "systemctl daemon-reload\nsystemctl restart keystead"
    )
    regular.goes_on()
    main = show(where, "MainPID")
    where.run(f"kill -STOP {main}")
    where.until("test $(systemctl show -p NRestarts --value keystead) -ge 1 && systemctl is-active keystead")
    assert show(where, "MainPID") != main
    regular.goes_on()
    where.run(
        "rm -r /etc/systemd/system/keystead.service.d\nsystemctl daemon-reload\nsystemctl restart keystead"
    )
    regular.goes_on()


def backups(page: Page, where: Machine, regular: Regular, keys: int) -> None:
    told = page.run(where, "Back up")
    assert re.search(r"^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z\.keystead$", told, re.MULTILINE)
    assert re.search(r"audit [0-9]+:[0-9a-f]{64}", told)
    # The timer's own doing, at another time than each night.
    before = where.tell("ls /var/backups/keystead").split()
    where.run(
        "mkdir -p /etc/systemd/system/keystead-backup.timer.d\n"
        "printf '[Timer]\\nOnCalendar=\\nOnCalendar=*:*:0/2\\nRandomizedDelaySec=0\\nAccuracySec=1s\\n'"
        " > /etc/systemd/system/keystead-backup.timer.d/tests.conf\n"
        "systemctl daemon-reload\nsystemctl restart keystead-backup.timer"
    )
    where.until(f"test $(ls /var/backups/keystead | wc -l) -gt {len(before) + 1}")
    where.run(
        "rm -r /etc/systemd/system/keystead-backup.timer.d\n"
        "systemctl daemon-reload\nsystemctl restart keystead-backup.timer"
    )
    where.until("test $(systemctl show -p ActiveState --value keystead-backup) = inactive")
    assert show(where, "Result", "keystead-backup") == "success"
    regular.goes_on()
    drilled = page.run(where, "The restore drill")
    assert json.loads(drilled[drilled.index("{") :])["TotalCount"] == keys
    where.run("test ! -e /var/tmp/drill")
    regular.goes_on()


def a_lost_client(page: Page, where: Machine, ca: Path, blob: str) -> None:
    lost = access_key(where.tell("sudo -u keystead keystead access-key create --data /var/lib/keystead"))
    client = Far(ca, lost)
    assert client.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT
    page.run(where, "A client host is lost", 0, 1, access_key=lost[0])
    status, members = client.call("Decrypt", CiphertextBlob=blob)
    client.close()
    assert status == 403, members
    told = page.run(where, "A client host is lost", 1, access_key=lost[0])
    assert re.search(rf"Decrypt +success +{lost[0]} +{HERE} ", told)
    assert re.search(rf" Forbidden\.AccessKey +{lost[0]} +{HERE} ", told)


@pytest.mark.interop
@pytest.mark.parametrize("unit", ["keystead", "keystead-backup"])
def test_how_closed_the_units_are(unit: str) -> None:
    needs("systemd-analyze")
    path = UNITS / f"{unit}.service"
    measured = exposure(path)
    assert measured <= MOST_EXPOSED
    if unit == "keystead":
        (written,) = re.findall(r"exposure level of ([0-9.]+),", PAGE)
        assert abs(measured - float(written)) <= 0.2  # systemd's versions count differently


@pytest.mark.interop
def test_a_unit_that_is_opened_is_found(tmp_path: Path) -> None:
    needs("systemd-analyze")
    unit = tmp_path / "keystead.service"
    text = (UNITS / "keystead.service").read_text()
    for bound in ("ProtectSystem=strict", "SystemCallFilter=@system-service", "CapabilityBoundingSet="):
        assert f"\n{bound}\n" in text
        unit.write_text(text.replace(f"\n{bound}\n", "\n"))
        assert exposure(unit) > exposure(UNITS / "keystead.service")


def exposure(unit: Path) -> float:
    """As systemd-analyze sees it, without a systemd that runs."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (found,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", told)
    return float(found)
