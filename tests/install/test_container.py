"""The container image, as far as it goes without an engine: the steps of its file, run by hand; what they made, started as
it would be: one server, and three over one database."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from keystead.settings import SETTINGS
from tests.built import ROOT
from tests.live import Client
from tests.postgres import Cluster, cluster

CONTAINERFILE = ROOT / "examples" / "container" / "Containerfile"
COMPOSE_SEVERAL = ROOT / "examples" / "container" / "several.yaml"
WHEELS = ROOT / "build" / "projects"
USER = 10001
DATA = "/var/lib/keystead"


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, with their arguments; what stands before the first is its own."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: list[list[tuple[str, str]]] = [[]]
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                found.append([])
            found[-1].append((word, rest.strip()))
    return found


def last(word: str) -> str:
    """The argument of an instruction of the image itself, of which there is one."""
    (found,) = [rest for one, rest in stages()[-1] if one == word]
    return found


def environment() -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", last("ENV")))


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A directory that stands for the image's `/`, with what the first stage makes."""
    if not WHEELS.exists():
        pytest.skip("the wheels are not there: make build/projects/.made")
    # Not where pytest has its directories: those are closed to other users, again at the start of each run.
    with TemporaryDirectory(prefix="keystead-image-") as folder:
        Path(folder).chmod(0o755)
        root = Path(folder) / "image"
        root.mkdir()
        root.chmod(0o755)
        _build(root)
        yield root


def _build(root: Path) -> None:
    """Run the first stage's instructions."""
    where = root
    for word, rest in stages()[1]:
        match word:
            case "WORKDIR":
                where = root / rest.lstrip("/")
                where.mkdir(parents=True)
            case "COPY":
                *sources, to = rest.split()
                for source in sources:
                    _copy(ROOT / source, where / to, into=to.endswith("/") or len(sources) > 1)
            case "RUN":
                script = re.sub(r"(?<![\w/.])/(build|opt)/", rf"{root}/\1/", rest)
                script = re.sub(r"(?<![\w/.])/build(?= )", f"{root}/build", script)
                ended = subprocess.run(
                    ["sh", "-ec", script],
                    cwd=where,
                    umask=0o022,
                    env={**clean(), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS), "HOME": str(root)},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert ended.returncode == 0, ended.stdout + ended.stderr
            case _:
                assert word == "FROM"


def _copy(source: Path, to: Path, *, into: bool) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "completions")
    if source.is_dir():
        shutil.copytree(source, to, ignore=ignored, dirs_exist_ok=True)
    else:
        to = to / source.name if into else to
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, to)


def clean() -> dict[str, str]:
    """Without variables of the tests; the system's Python goes first, which other users can start."""
    names = ("LANG", "TMPDIR")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    ask = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    usable = subprocess.run(["/usr/bin/python3", "-c", ask], check=False, capture_output=True).returncode == 0
    return {**kept, "PATH": f"/usr/bin:/bin:{os.environ['PATH']}" if usable else os.environ["PATH"]}


def other_user(image: Path) -> int | None:
    """The image's user, where this one may become it and that one comes to the interpreter; None: stay."""
    python = (image / "opt" / "keystead" / "bin" / "python").resolve()
    reached = all(one.stat().st_mode & 0o001 for one in (python, *python.parents))
    return USER if os.geteuid() == 0 and reached else None


def test_what_was_made_has_the_locked_packages_and_nothing_that_installs(image: Path) -> None:
    python = image / "opt" / "keystead" / "bin" / "python"
    program = "import importlib.metadata as m, json; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
    told = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True).stdout
    found = {name.replace("_", "-"): version for name, version in json.loads(told).items()}
    pinned: dict[str, str] = {}
    for name in ("runtime", "extras"):
        lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        pinned.update(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock, re.MULTILINE))
    assert found.pop("keystead")
    assert pinned.pop("tzdata")  # for Windows
    assert found == pinned
    assert not list((image / "opt" / "keystead" / "bin").glob("pip*"))


def as_user(image: Path, data: Path, *command: str, **more: str) -> "subprocess.Popen[str]":
    """A process of the image: its variables, its user if this is root, its directory, and no home."""
    variables = {
        **environment(),
        "KEYSTEAD_LISTEN": "localhost:0",
        "KEYSTEAD_DATA": str(data),
        "HOME": "/nonexistent",
        **more,
    }
    variables["PATH"] = f"{image}/opt/keystead/bin:/usr/bin:/bin"
    user = other_user(image)
    return subprocess.Popen(
        command,
        cwd=data,
        env=variables,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=0o022,
    )


def described(data: Path) -> dict[str, Any]:
    """What the server there says of itself; nothing if there is none yet."""
    try:
        found: dict[str, Any] = json.loads((data / "server.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


@contextmanager
def served(image: Path, data: Path, **more: str) -> Iterator[dict[str, Any]]:
    """A container that runs, by what its server says of itself; stopped as an engine does it."""
    command = [*json.loads(last("ENTRYPOINT")), *json.loads(last("CMD"))]
    command[0] = str(image / "opt" / "keystead" / "bin" / command[0])
    process = as_user(image, data, *command, **more)
    try:
        deadline = time.monotonic() + 60
        while (found := described(data)).get("pid") != process.pid:
            assert process.poll() is None, process.stdout and process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield found
    finally:
        process.send_signal(getattr(signal, last("STOPSIGNAL")))
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told
    events = [json.loads(line)["event"] for line in told.splitlines() if line.startswith("{")]
    assert {"serving", "stopped"} <= set(events)


def checked(image: Path, data: Path, ops_url: str) -> int:
    """The status of the image's health check."""
    words = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert "http://127.0.0.1:8444" in words[-1]
    words[-1] = words[-1].replace("http://127.0.0.1:8444", ops_url)
    words[0] = str(image / "opt" / "keystead" / "bin" / words[0])
    process = as_user(image, data, *words, http_proxy="http://127.0.0.1:1")
    process.communicate(timeout=60)
    return process.returncode


def volume(image: Path, name: str) -> Path:
    """An empty one, which belongs to the image's user."""
    data = image.parent / f"{image.name}-{name}"
    data.mkdir(mode=0o700)
    if other_user(image) is not None:
        os.chown(data, USER, USER)
    return data


def test_it_starts_as_another_user_and_keeps_its_ca_when_it_is_made_anew(image: Path) -> None:
    data = volume(image, "volume")
    before = {path: path.stat().st_mtime_ns for path in image.rglob("*")}
    with served(image, data, KEYSTEAD_NAME="kms.example.org") as found:
        authority = (data / "ca.pem").read_bytes()
        assert checked(image, data, found["ops_url"]) == 0
    assert checked(image, data, found["ops_url"]) != 0
    with served(image, data, KEYSTEAD_NAME="kms.example.org", HOSTNAME="another"):
        assert (data / "ca.pem").read_bytes() == authority
    # With the root key alone, as a volume has it whose root key is a Secret, a server begins anew.
    fresh = volume(image, "fresh")
    shutil.copy2(data / "root.key", fresh)
    if other_user(image) is not None:
        os.chown(fresh / "root.key", USER, USER)
    with served(image, fresh, KEYSTEAD_NAME="kms.example.org"):
        assert (fresh / "ca.pem").read_bytes() != authority
    assert (fresh / "root.key").read_bytes() == (data / "root.key").read_bytes()
    # Nothing was written but to the volume: the rest may be read-only.
    assert {path: path.stat().st_mtime_ns for path in image.rglob("*")} == before


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    """That of the file for several servers, with its password, over a socket that other users may use as well."""
    with cluster(durable=False, password="s3cret") as running:
        running.create_database("keystead")
        running.folder.chmod(0o711)
        yield running


def several(image: Path, database: Cluster, root_key: Path) -> dict[str, str]:
    """The variables of a server of the file for several, with other places for what it names."""
    given = image.parent / f"{image.name}-credentials"
    given.mkdir(mode=0o755)
    shutil.copy(root_key, given / "root-key")
    (given / "database-password").write_text(f"{database.password}\n")
    for one in given.iterdir():
        one.chmod(0o440)
        if (user := other_user(image)) is not None:
            os.chown(one, user, user)
    asked: dict[str, str] = yaml.safe_load(COMPOSE_SEVERAL.read_text())["services"]["kms1"]["environment"]
    assert asked["KEYSTEAD_STORE"] == "postgresql://keystead@%2Frun%2Fpostgresql/keystead"
    assert asked["CREDENTIALS_DIRECTORY"] == "/run/secrets"
    here = database.url("keystead", over_socket=True).replace(f":{database.password}@", "@")
    return {**asked, "KEYSTEAD_STORE": here, "CREDENTIALS_DIRECTORY": str(given)}


def test_three_over_one_database_are_the_same_when_they_are_made_anew(image: Path, database: Cluster) -> None:
    first = volume(image, "first")
    with served(image, first):
        pass
    variables = several(image, database, first / "root.key")
    volumes = [volume(image, f"kms{number}") for number in (1, 2, 3)]
    for _ in range(2):
        with ExitStack() as stack:
            found = [stack.enter_context(served(image, data, **variables)) for data in volumes]
            key = json.loads((volumes[0] / "root-access-key.json").read_text())
            clients = [
                Client(one["url"], one["ca_file"], (key["AccessKeyId"], key["AccessKeySecret"]))
                for one in found
            ]
            key_id = clients[0].ok("CreateKey")["KeyMetadata"]["KeyId"]
            for client in clients[1:]:
                assert client.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"
                client.close()
            clients[0].close()
            assert len({(data / "ca.pem").read_bytes() for data in volumes}) == 1
            assert [
                checked(image, data, one["ops_url"]) for data, one in zip(volumes, found, strict=True)
            ] == [0] * 3
    assert database.run("SELECT count(*), min(epoch), max(epoch) FROM servers", "keystead") == [(3, 2, 2)]
    assert not [data for data in volumes if (data / "root.key").exists() or (data / "keystead.db").exists()]


def test_the_image_says_what_is_true_of_it() -> None:
    assert {name for name in environment() if name.startswith("KEYSTEAD_")} <= {
        one.variable for one in SETTINGS
    }
    assert environment()["KEYSTEAD_DATA"] == last("VOLUME") == DATA
    assert environment()["KEYSTEAD_LISTEN"].endswith(f":{last('EXPOSE')}")
    assert last("USER") == f"{USER}:{USER}"
    assert [
        rest for word, rest in stages()[-1] if word == "RUN" and f"--uid {USER} " in rest and DATA in rest
    ]
    copied = [rest for word, rest in stages()[1] if word == "COPY"]
    sources = {source for rest in copied for source in rest.split()[:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source.partition("/")[0] for source in sources} == allowed
    assert [source for source in sources if not (ROOT / source).exists()] == []
