"""The page "Choose where the root key is", its units and commands, on a machine with a real systemd: a start from each provider."""

import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.live import live, needs
from tests.machine import Machine, machine
from tests.network import HERE, other_host
from tests.tokens import PIN, SO_PIN, module

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "root-keys.md").read_text(encoding="utf-8")
PHRASE = "correct horse battery staple"
DATA = "/var/lib/keystead"
TEXT = "对称加密"
DROP_IN = "/etc/systemd/system/keystead.service.d/root-key.conf"


def block(heading: str, language: str, number: int = 0) -> str:
    """A block of the page below a heading."""
    (section,) = [part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if part.startswith(heading)]
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return found[number]


def install(where: Machine) -> None:
    """The program and its units, as the page on services has them; the packages are on the machine already."""
    where.run(
        "mkdir -p /opt/keystead/bin /etc/keystead /etc/systemd/system/keystead.service.d\n"
        "cat > /opt/keystead/bin/keystead <<'END'\n"
        "#!/bin/sh\n"
        'PYTHONPATH=/opt/source:/opt/packages exec /opt/python/bin/python3 -m keystead "$@"\n'
        "END\n"
        "chmod 755 /opt/keystead/bin/keystead\n"
        "ln -s /opt/keystead/bin/keystead /usr/local/bin/keystead\n"
        "install -D -m 644 examples/systemd/sysusers.conf /etc/sysusers.d/keystead.conf\n"
        "systemd-sysusers\n"
        "install -m 644 examples/systemd/keystead.toml /etc/keystead/keystead.toml\n"
        "install -m 644 examples/systemd/keystead.service /etc/systemd/system/\n"
        "systemctl daemon-reload"
    )


def unit(where: Machine, text: str, more: str = "") -> None:
    where.run(f"cat > {DROP_IN} <<'END'\n{text}{more}\nEND\nsystemctl daemon-reload")


def setting(where: Machine, text: str) -> None:
    """In place of the one before."""
    where.run(
        f"sed -i '/^root-key/d' /etc/keystead/keystead.toml\ncat >> /etc/keystead/keystead.toml <<'END'\n{text}\nEND"
    )


def starts(where: Machine, fingerprint: str = "") -> str:
    """A start that is ready, opens what was encrypted, and stops; the fingerprint of its root key, which is none of before."""
    where.run("systemctl start keystead")
    where.run("curl -sf http://127.0.0.1:8444/ready")
    told = as_user(where, "kms Decrypt --CiphertextBlob $(cat /root/blob)")
    assert TEXT in told
    status = as_user(where, "rootkey status")
    (found,) = re.findall(r"^fingerprint +(\w+)$", status, re.MULTILINE)
    assert found != fingerprint
    for secret in (PHRASE, PIN):
        where.run(f"! journalctl -u keystead -o cat | grep -qF '{secret}'")
        where.run(f"! ps -ef | grep -v grep | grep -qF '{secret}'")
    where.run("systemctl stop keystead")
    return str(found)


def as_user(where: Machine, words: str, **environment: str) -> str:
    before = "".join(f"{name}='{value}' " for name, value in environment.items())
    return where.tell(f"{before}sudo -u keystead keystead {words} --data {DATA}")


def refuses(where: Machine, why: str, status: int) -> None:
    """A start that fails for this reason, with this status."""
    where.run("systemctl start keystead", check=False)
    where.until(f"journalctl -u keystead -o cat -n 30 | grep -qF '{why}'")
    where.until(f'test "$(systemctl show -p ExecMainStatus --value keystead)" = {status}')
    where.run("systemctl stop keystead; systemctl reset-failed keystead", check=False)


@pytest.mark.interop
def test_a_start_from_each_provider(tmp_path: Path) -> None:
    needs("curl")
    library = module()
    shared = tmp_path / "shared"
    shared.mkdir()
    with (
        other_host() as network,
        live(tmp_path / "kms", "--listen", f"{HERE}:0", "--name", HERE) as kms,
        machine(tmp_path / "alpha", "alpha", network, shared) as alpha,
    ):
        with closing(kms.client()) as client:
            key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
            client.ok("CreateAlias", AliasName="alias/keystead", KeyId=key_id)
        install(alpha)
        alpha.run(
            "systemctl start keystead\n"
            f"key=$(sudo -u keystead keystead kms CreateKey --data {DATA} --query KeyMetadata.KeyId --output text)\n"
            f"sudo -u keystead keystead kms Encrypt --data {DATA} --KeyId $key --Plaintext {TEXT} "
            "--query CiphertextBlob --output text > /root/blob\n"
            "systemctl stop keystead"
        )
        found = starts(alpha)
        # Another file, by the page's commands.
        alpha.run(block("Change to another one", "sh"))
        alpha.run("systemctl stop keystead")
        found = starts(alpha, found)

        # A credential, encrypted for the host.
        alpha.run(block("A credential of systemd", "sh"))
        unit(alpha, block("A credential of systemd", "ini"))
        assert starts(alpha) == found
        command = block("A credential of systemd", "sh", 1)
        assert "--pipe --wait --quiet" in command  # which need D-Bus
        alpha.run(command.replace("--pipe --wait --quiet", "--unit=account"))
        alpha.until("journalctl -u account -o cat | grep -q AccountId")
        unit(alpha, "[Service]\nEnvironment=KEYSTEAD_ROOT_KEY=credential:root-key\n")
        refuses(alpha, "this process was given none", 1)

        # A file on another disk.
        unit(alpha, "")
        alpha.run(
            "systemd-creds decrypt --name=root-key /etc/keystead/root-key.cred /var/lib/keystead/root.key\n"
            "chown keystead: /var/lib/keystead/root.key; chmod 600 /var/lib/keystead/root.key\n"
            "mkdir -p /media/keystead; mount -t tmpfs tmpfs /media/keystead; chown keystead: /media/keystead\n"
        )
        alpha.run(block("A file on another disk", "sh"))
        unit(alpha, block("A file on another disk", "ini"))
        found = starts(alpha, found)

        # A passphrase.
        alpha.run(
            f"printf '%s\\n' '{PHRASE}' > /etc/keystead/passphrase; chmod 600 /etc/keystead/passphrase\n"
            "install -m 600 -o keystead /etc/keystead/passphrase /tmp/passphrase"
        )
        as_user(alpha, "rootkey rotate --to passphrase:file:/tmp/passphrase")
        alpha.run("rm /tmp/passphrase; umount /media/keystead")
        unit(alpha, block("A passphrase", "ini"))
        found = starts(alpha, found)
        alpha.run("echo another passphrase > /etc/keystead/passphrase")
        refuses(alpha, "this is not the passphrase", 1)
        alpha.run(f"echo '{PHRASE}' > /etc/keystead/passphrase")

        # A token, of SoftHSM2, which writes beside its keys.
        hsm = f"{DATA}/hsm"
        address = block("A token", "toml").partition('"')[2].rpartition('"')[0]
        address = address.replace("/usr/lib/softhsm/libsofthsm2.so", library)
        alpha.run(
            f"install -d -m 700 -o keystead {hsm} {hsm}/tokens\n"
            f"printf 'directories.tokendir = {hsm}/tokens\\nobjectstore.backend = file\\n' > /etc/keystead/softhsm2.conf\n"
            f"sudo -u keystead env SOFTHSM2_CONF=/etc/keystead/softhsm2.conf softhsm2-util --init-token --free "
            f"--label keystead --pin {PIN} --so-pin {SO_PIN}\n"
            f"echo {PIN} > /etc/keystead/pin; chmod 600 /etc/keystead/pin\n"
            "install -m 600 -o keystead /etc/keystead/passphrase /etc/keystead/pin -t /tmp"
        )
        to = address.replace("credential:pin", "file:/tmp/pin")
        as_user(
            alpha,
            f"rootkey rotate --to '{to}'",
            SOFTHSM2_CONF="/etc/keystead/softhsm2.conf",
            KEYSTEAD_ROOT_KEY="passphrase:file:/tmp/passphrase",
        )
        alpha.run("rm /tmp/pin")
        setting(alpha, f'root-key = "{address}"')
        environment = "Environment=SOFTHSM2_CONF=/etc/keystead/softhsm2.conf"
        unit(alpha, block("A token", "ini"), environment)
        found = starts(alpha, found)
        alpha.run("echo 00000000 > /etc/keystead/pin")
        refuses(alpha, "refuses the PIN", 2)
        alpha.run(
            f"echo {PIN} > /etc/keystead/pin; mv {hsm}/tokens {hsm}/away; install -d -o keystead {hsm}/tokens"
        )
        refuses(alpha, "is not there", 1)
        alpha.run(f"rmdir {hsm}/tokens; mv {hsm}/away {hsm}/tokens")

        # Another KMS.
        shutil.copy(kms.description["ca_file"], shared / "kms-ca.pem")
        shutil.copy(kms.data / "root-access-key.json", shared / "kms.json")
        alpha.run(
            "install -m 644 /mnt/kms-ca.pem /etc/keystead/kms-ca.pem\n"
            "install -m 600 -o keystead /mnt/kms.json /etc/keystead/kms.json\n"
            "install -m 600 -o keystead /etc/keystead/pin /tmp/pin"
        )
        other = block("Another KMS", "toml").partition('"')[2].rpartition('"')[0]
        other = other.replace("https://kms.example.org:8443", kms.description["url"])
        as_user(
            alpha,
            f"rootkey rotate --to '{other}'",
            SOFTHSM2_CONF="/etc/keystead/softhsm2.conf",
            KEYSTEAD_ROOT_KEY=to,
        )
        setting(alpha, f'root-key = "{other}"')
        unit(alpha, "")
        starts(alpha, found)
        kms.stop()
        refuses(alpha, "gives no answer", 3)
    assert subprocess.run(["pgrep", "-f", str(tmp_path / "kms")], check=False).returncode == 1
