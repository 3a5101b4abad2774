"""The container image, as far as it goes without an engine: the steps of its file, run by hand; what they made, started as
it would be; the files for Compose and Kubernetes, against their schemas and against the image."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from keystead.settings import SETTINGS
from tests.built import ROOT
from tests.live import needs

CONTAINERFILE = ROOT / "examples" / "container" / "Containerfile"
COMPOSE = ROOT / "examples" / "container" / "compose.yaml"
MANIFESTS = ROOT / "examples" / "kubernetes" / "keystead.yaml"
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
    lock = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock, re.MULTILINE))
    assert found.pop("keystead")
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


def test_compose_and_kubernetes_run_the_image_as_it_is() -> None:
    service = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["keystead"]
    assert (COMPOSE.parent / service["build"]["context"]).resolve() == ROOT
    assert ROOT / service["build"]["dockerfile"] == CONTAINERFILE
    assert service["volumes"] == [f"data:{DATA}"]
    assert service["ports"] == [f"{last('EXPOSE')}:{last('EXPOSE')}"]
    assert service["read_only"] is True
    known = {one.variable for one in SETTINGS}
    assert set(service["environment"]) <= known

    objects = {one["kind"]: one for one in yaml.safe_load_all(MANIFESTS.read_text(encoding="utf-8"))}
    pod = objects["StatefulSet"]["spec"]["template"]["spec"]
    assert objects["StatefulSet"]["spec"]["replicas"] == 1
    assert pod["securityContext"]["runAsUser"] == USER
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    for one in (*pod["initContainers"], container):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert set(variables) <= known
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert str(ports["https"]) == last("EXPOSE")
    assert variables["KEYSTEAD_OPS_LISTEN"].endswith(f":{ports['metrics']}")
    stop = next(one for one in SETTINGS if one.name == "stop-seconds")
    wanted = int(variables["KEYSTEAD_DRAIN_SECONDS"]) + int(stop.shown_default)
    assert pod["terminationGracePeriodSeconds"] > wanted
    assert int(service["stop_grace_period"].removesuffix("s")) > int(stop.shown_default)
    probe = container["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < int(variables["KEYSTEAD_DRAIN_SECONDS"])
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    assert {DATA, f"{DATA}/root.key", "/tmp"} == mounts


@pytest.mark.parametrize(
    "command",
    [["hadolint", str(CONTAINERFILE)], ["kubernetes-validate", "--strict", str(MANIFESTS)]],
    ids=lambda command: command[0],
)
def test_linters_have_nothing_to_say(command: list[str]) -> None:
    needs(command[0])
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, shlex.join(command) + ended.stdout + ended.stderr
