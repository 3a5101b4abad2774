"""The recipes of the page on exec, with the real nginx, the real systemd and a real web server."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live import KEYSTEAD, LiveServer, keystead, live, needs
from tests.network import HERE, other_host

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "exec.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory on tmpfs."""
    folder = Path(f"/dev/shm/keystead-test-{os.getpid()}")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    """A folder with a certificate and its key, as an operator makes them."""
    needs("openssl")
    folder = tmp_path / "tls"
    folder.mkdir()
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


def protect(server: LiveServer, tls: Path) -> None:
    """Leave only the ciphertext of the key in the folder."""
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    client.ok("CreateAlias", KeyId=key_id, AliasName="alias/Apollo/WorkKey")
    client.close()
    encrypt = ["file", "encrypt", "--key", "alias/Apollo/WorkKey", str(tls / "key.pem")]
    subprocess.run([*KEYSTEAD, *encrypt, "--data", str(server.data)], check=True)
    (tls / "key.pem").unlink()


def until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def get(url: str, tls: Path, where: list[str] | None = None) -> str | None:
    """What an HTTPS client is answered that trusts this certificate alone; None for no answer."""
    command = [*(where or []), "curl", "-sf", "--max-time", "5", "--cacert", str(tls / "cert.pem"), url]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.stdout if ended.returncode == 0 else None


def nowhere_on_disk(folder: Path) -> bool:
    return not any(
        b"PRIVATE KEY" in one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file() and one.name != "root.key"
    )


def nginx_conf(folder: Path, tls: Path, memory: Path, port: int) -> Path:
    (server,) = blocks("nginx")
    server = server.replace("443", f"127.0.0.1:{port}").replace("/etc/nginx/tls", str(tls))
    server = server.replace("/run/nginx-tls", str(memory))
    conf = folder / "nginx.conf"
    conf.write_text(
        f"pid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{ access_log off;\n{server}}}\n"
    )
    return conf


@contextmanager
def nginx(command: list[str], env: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, env={**os.environ, **env}, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.interop
def test_nginx_on_another_host(tmp_path: Path, tls: Path, memory: Path) -> None:
    """HTTPS with a key that is on disk as ciphertext only; however it ends, no plaintext is left."""
    needs("nginx")
    needs("curl")
    port = free_port()
    conf = nginx_conf(tmp_path, tls, memory, port)
    with other_host() as there, live(tmp_path / "data", "--listen", "0.0.0.0:0", "--name", HERE) as server:
        protect(server, tls)
        key = server.client().access_key
        kms = f"https://{HERE}:{server.description['url'].rpartition(':')[2]}"
        (written,) = (one for one in blocks("sh") if one.startswith("keystead exec --file /run/nginx-tls"))
        words = written.replace("\\\n   ", "").replace("/etc/nginx/tls", str(tls))
        words = words.replace("/run/nginx-tls", str(memory)).strip()
        assert words.endswith("-- nginx -g 'daemon off;'")
        head = words.removesuffix("-- nginx -g 'daemon off;'").removeprefix("keystead ").split()
        command = [*there, *KEYSTEAD, *head, "--endpoint", kms, "--ca", str(server.data / "ca.pem")]
        command += ["--", "nginx", "-c", str(conf), "-g", "daemon off;"]
        env = {"ALIBABA_CLOUD_ACCESS_KEY_ID": key[0], "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1]}
        url = f"https://localhost:{port}/"

        def stop(process: "subprocess.Popen[bytes]") -> None:
            subprocess.run([*there, "nginx", "-c", str(conf), "-s", "stop"], check=True)

        def crash(process: "subprocess.Popen[bytes]") -> None:
            os.kill(int((tmp_path / "nginx.pid").read_text()), signal.SIGKILL)

        for end, status in ((stop, 0), (subprocess.Popen.terminate, 0), (crash, 128 + signal.SIGKILL)):
            with nginx(command, env) as process:
                until(lambda: get(url, tls, there) is not None, "nginx did not answer")
                assert get(url, tls, there) == "hello\n"
                assert (memory / "key.pem").stat().st_mode & 0o777 == 0o400
                subprocess.run([*there, "nginx", "-c", str(conf), "-s", "reload"], check=True)
                until(lambda: get(url, tls, there) == "hello\n", "nginx did not reload")
                end(process)
                assert process.wait(20) == status
                assert list(memory.iterdir()) == []
            subprocess.run(["pkill", "-f", f"nginx: worker.*{conf}"], check=False)
            subprocess.run([*there, "pkill", "-9", "-x", "nginx"], check=False)
            assert nowhere_on_disk(tls)


@pytest.mark.interop
def test_a_python_web_server(tmp_path: Path, tls: Path, memory: Path) -> None:
    needs("curl")
    (program,) = blocks("python")
    port = free_port()
    (tmp_path / "server.py").write_text(program.replace("8444", str(port)))
    with live(tmp_path / "data") as server:
        protect(server, tls)
        command = [*KEYSTEAD, "exec", "--data", str(server.data)]
        command += ["--file", f"{memory}/key.pem={tls}/key.pem.cipher", "--", sys.executable]
        command += ["server.py", str(tls / "cert.pem"), f"{memory}/key.pem"]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
        try:
            until(lambda: get(f"https://localhost:{port}/", tls) is not None, "the web server did not answer")
        finally:
            process.terminate()
            assert process.wait(20) == 128 + signal.SIGTERM
        assert list(memory.iterdir()) == []


# A user's systemd runs in namespaces of its own; it asks for /run/systemd/system, and for a /run that passes mounts on.
MANAGER = """
mount -t tmpfs tmpfs /run && mount --make-shared /run && mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR"
/lib/systemd/systemd --user --unit=basic.target </dev/null >manager.log 2>&1 &
for _ in 1 2 3 4 5 6 7 8 9 10; do test -S "$XDG_RUNTIME_DIR/systemd/private" && break; sleep 0.3; done
"""


@pytest.mark.interop
def test_systemd_starts_debians_nginx(tmp_path: Path, tls: Path) -> None:
    """Debian's own unit with the drop-in of the page, under a real systemd."""
    needs("nginx")
    needs("curl")
    debians = Path("/lib/systemd/system/nginx.service")
    if not Path("/lib/systemd/systemd").exists() or not debians.exists() or os.geteuid() != 0:
        pytest.skip("needs root, systemd and Debian's nginx")
    units = tmp_path / "config" / "systemd" / "user"
    (units / "nginx.service.d").mkdir(parents=True)
    shutil.copy(debians, units)
    port = free_port()
    conf = nginx_conf(tmp_path, tls, Path("/run/u/nginx-tls"), port)
    with live(tmp_path / "data") as server:
        protect(server, tls)
        (drop_in,) = (one for one in blocks("systemd") if "PIDFile=" in one)
        for written, here in (
            ("ExecStart=keystead", f"ExecStart={' '.join(KEYSTEAD)}"),
            ("-- nginx", f"-- {shutil.which('nginx')} -c {conf}"),
            ("ExecReload=kill", f"ExecReload={shutil.which('kill')}"),
            ("https://kms.example.org:8443", server.description["url"]),
            ("/etc/keystead/ca.pem", str(server.data / "ca.pem")),
            ("/etc/keystead/access-key.json", str(server.data / "root-access-key.json")),
            ("/etc/nginx/tls", str(tls)),
        ):
            assert written in drop_in
            drop_in = drop_in.replace(written, here)
        # A python in a checkout finds the package by its path.
        (units / "nginx.service.d" / "override.conf").write_text(f"{drop_in}Environment=PYTHONPATH={ROOT}\n")
        script = MANAGER + (
            "ctl='timeout 30 systemctl --user'\n"
            "$ctl start nginx\n"
            f"curl -sf --retry 20 --retry-connrefused --retry-delay 1 --cacert {tls}/cert.pem https://localhost:{port}/ > first\n"
            "ls -l /run/u/nginx-tls > listed; $ctl reload nginx; sleep 0.5; $ctl is-active nginx > active\n"
            f"curl -sf --cacert {tls}/cert.pem https://localhost:{port}/ > second\n"
            "$ctl stop nginx; ls -A /run/u/nginx-tls > left 2>/dev/null; $ctl show -p Result nginx > result\n"
            "timeout 10 systemctl --user exit\n"
        )
        (tmp_path / "script").write_text(script)
        ended = subprocess.run(
            [
                "timeout",
                "-s",
                "KILL",
                "120",
                "unshare",
                "-m",
                "-p",
                "-f",
                "--mount-proc",
                "--kill-child",
                "sh",
                "script",
            ],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "XDG_RUNTIME_DIR": "/run/u",
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        log = ended.stderr + (tmp_path / "manager.log").read_text()

        def read(name: str) -> str:
            return (tmp_path / name).read_text() if (tmp_path / name).exists() else ""

        assert (read("first"), read("second")) == ("hello\n", "hello\n"), log
        assert "-r--------" in read("listed")
        assert read("active") == "active\n"
        assert (read("left"), read("result")) == ("", "Result=success\n"), log
        assert nowhere_on_disk(tls)
        records = keystead("audit", "list", "--json", "--action", "Decrypt", "--data", str(server.data))
        assert records.returncode == 0, records.stderr
        # One for each start; on a slow machine systemd may have needed a second one.
        assert {json.loads(line)["action"] for line in records.stdout.splitlines()} == {"Decrypt"}, log
