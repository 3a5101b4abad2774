"""Projects that use Keystead, each as its users have it: an environment of its own, with the wheel and without a network."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_docs import blocks
from tests.live import live

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
HOW_TO = ROOT / "docs" / "how-to"
PACKAGES = ROOT / "build" / "projects"
# A line of the list of calls: eight words, as docs/how-to/ci.md has them.
LINE = re.compile(
    r"\A20[0-9-]{8}T[0-9:]{8}Z (\w+) (\S+) ([0-9]{3}|-) (\S+) [0-9]+\.[0-9]ms (\S+) ([0-9a-f-]{36})\Z"
)

Shell = Callable[..., str]


@pytest.fixture(scope="module")
def shell(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Runs a line in the environment of a project; what it printed. It has to succeed."""
    if not (PACKAGES / ".made").exists():
        pytest.skip("the packages of projects are not here: make build/projects/.made")
    folder = tmp_path_factory.mktemp("project") / "env"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ALIBABA_CLOUD", "COVERAGE_", "KEYSTEAD_", "PYTEST_", "PYTHON", "PIP_"))
    }
    environment = kept | {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": f"{PACKAGES} {wheel.parent}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COMPILE": "1",
        "HOME": str(folder),
    }

    def run(command: str, cwd: Path, *, errors: bool = False, **env: str) -> str:
        ended = subprocess.run(
            ["sh", "-ec", command],
            cwd=cwd,
            env=environment | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
        return ended.stderr if errors else ended.stdout

    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    requirements = EXAMPLES / "pytest-project" / "requirements.txt"
    run(f"pip install -q '{wheel}[pytest]' -r '{requirements}' nbclient ipykernel debugpy", folder)
    assert Path(run("python -c 'import keystead; print(keystead.__file__)'", folder)).is_relative_to(folder)
    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the sample project."""
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    return Path(shutil.copytree(EXAMPLES / "pytest-project", tmp_path / "notes", ignore=ignored))


def calls(text: str) -> list[tuple[str, str, str, str]]:
    """Action, resource, status and code of each line; every line has to be one."""
    found = [LINE.match(line) for line in text.splitlines()]
    assert None not in found, text
    return [(one[1], one[2], one[3], one[4]) for one in found if one is not None]


PASSED = "16 passed"  # of the sample project
ROUND_TRIP = [
    ("Encrypt", "alias/notes", "200", "-"),
    ("Decrypt", "11111111-1111-4111-8111-111111111111", "200", "-"),
]


# --- pytest


def test_the_sample_project_with_two_workers(shell: Shell, project: Path) -> None:
    told = shell("pytest -v -n 2", project)
    assert re.search(rf"^=+ {PASSED} in ", told, re.MULTILINE), told
    assert {"[gw0]", "[gw1]"} <= set(re.findall(r"\[gw\d\]", told))
    for name in (
        "a_rotation_a_year_later",
        "a_deletion_after_seven_days",
        "an_earlier_run",
        "that_is_cut",
        "its_own",
    ):
        assert name in told
    # And that its tests do test something.
    program = project / "notes.py"
    program.write_text(program.read_text().replace("TRIES = 3", "TRIES = 1"))
    told = shell("pytest -q -n 2 || true", project)
    assert re.search(r"^6 failed, 10 passed", told, re.MULTILINE), told


def test_the_page_on_pytest(shell: Shell, tmp_path: Path) -> None:
    page = HOW_TO / "pytest.md"
    *tests, classes, program = blocks(page, "python")
    for number, written in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(written)
    (settings,) = blocks(page, "ini")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "seed.toml").write_text("".join(blocks(HOW_TO / "ci.md", "toml")))
    (tmp_path / "pytest.ini").write_text(settings.replace("[pytest]", "[pytest]\npythonpath = ."))
    listed = shell("pytest -q --collect-only", tmp_path)
    named = re.findall(r"^test_\S+::\S+$", listed, re.MULTILINE)
    assert len(named) == 7, listed
    # In any order: none may need that another has or has not run before it.
    orders = [named[::-1], random.Random(1).sample(named, len(named))]
    for words in ("", *(" ".join(order) for order in orders), "-n 2"):
        told = shell(f"pytest -q {words}", tmp_path)
        assert re.search(r"^7 passed", told, re.MULTILINE), (words, told)
    (tmp_path / "test_unit.py").write_text(classes)
    told = shell("python -W ignore -m unittest test_unit", tmp_path, errors=True)
    assert re.search(r"^Ran 1 test .*\n\nOK$", told, re.MULTILINE), told
    (tmp_path / "program.py").write_text(program)
    assert re.match(r"http://127\.0\.0\.1:\d+ \('LTAITEST", shell("python program.py", tmp_path))


# --- CI


def documents(page: str, language: str) -> dict[str, Any]:
    """The files of a page, by the name in their first line."""
    found = blocks(HOW_TO / page, language)
    return {block.split(maxsplit=2)[1].rstrip(":"): yaml.safe_load(block) for block in found}


def run_as_ci(shell: Shell, project: Path, steps: list[str]) -> None:
    assert len(steps) == 3
    told = [shell(step, project) for step in steps]
    assert PASSED in told[1]
    assert told[2] == "hello\n"
    assert calls((project / "calls.log").read_text()) == ROUND_TRIP


def test_the_workflow_for_github(shell: Shell, project: Path) -> None:
    workflow = documents("ci.md", "yaml")[".github/workflows/test.yml"]
    assert workflow[True] == ["push", "pull_request"]  # "on", as YAML 1.1 reads it
    steps = workflow["jobs"]["test"]["steps"]
    assert all(len({"uses", "run"} & step.keys()) == 1 for step in steps)
    run_as_ci(shell, project, [step["run"] for step in steps if "run" in step])
    (kept,) = (step["with"]["path"] for step in steps if step.get("if") == "always()")
    assert (project / kept).exists()


def test_the_pipeline_for_gitlab(shell: Shell, project: Path) -> None:
    job = documents("ci.md", "yaml")[".gitlab-ci.yml"]["test"]
    run_as_ci(shell, project, job["script"])
    artifacts = job["artifacts"]
    for name in (*artifacts["paths"], artifacts["reports"]["junit"]):
        assert (project / name).exists()


def test_the_files_for_docker(shell: Shell, project: Path) -> None:
    (image,) = blocks(HOW_TO / "ci.md", "dockerfile")
    lines = [line.partition(" ")[::2] for line in image.splitlines()]
    assert [word for word, _ in lines] == ["FROM", "WORKDIR", "COPY", "RUN", "COPY", "CMD"]
    shell(lines[3][1], project)
    command = json.loads(lines[5][1])
    assert PASSED in shell(" ".join(command), project)
    services = documents("ci.md", "yaml")["compose.yml"]["services"]
    assert all(service["build"] == "." for service in services.values())
    words = " ".join(services["program"]["command"])
    assert shell(words, project) == "hello\n"
    assert calls(shell(words, project, errors=True)) == ROUND_TRIP


def test_the_lines_on_the_page_are_such_lines() -> None:
    (shown,) = blocks(HOW_TO / "ci.md", "text")
    assert [one[0] for one in calls(shown)] == ["Encrypt", "DescribeKey"]


# --- notebooks

EXECUTE = """
import nbformat, sys
from nbclient import NotebookClient
cells = [nbformat.v4.new_code_cell(open(name).read()) for name in sys.argv[1:]]
notebook = NotebookClient(nbformat.v4.new_notebook(cells=cells)).execute()
for cell in notebook.cells[1:]:
    print(cell.outputs[-1]["data"]["text/plain"])
"""


def test_the_page_on_notebooks(shell: Shell, tmp_path: Path) -> None:
    page = HOW_TO / "notebooks.md"
    for notebook in (EXAMPLES / "notebook").iterdir():
        shutil.copy(notebook, tmp_path)
    (line,) = (one for block in blocks(page, "sh") for one in block.splitlines() if "execute" in one)
    shell(line.replace("run --", "run --log calls.log --"), tmp_path)
    told = calls((tmp_path / "calls.log").read_text())
    assert [(one[0], one[2]) for one in told] == [
        ("CreateKey", "200"),
        ("Encrypt", "200"),
        ("Decrypt", "200"),
    ]
    for number, cell in enumerate(cells := blocks(page, "python")):
        (tmp_path / f"cell{number}").write_text(cell)
    (tmp_path / "execute.py").write_text(EXECUTE)
    names = " ".join(f"cell{number}" for number in range(len(cells)))
    before, after = shell(f"python execute.py {names}", tmp_path).splitlines()
    version, seen = re.fullmatch(r"\('([0-9a-f-]{36})', (.*)\)", after).groups()  # type: ignore[union-attr]
    assert version not in before
    assert seen == "['Encrypt', 'Encrypt']"


# --- IDEs


def env_file(path: Path) -> dict[str, str]:
    """As IDEs read it: a name, an equals sign, and the rest of the line, of which quotes around all of it are taken off."""
    found = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.partition("=")
        assert equals, line
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        found[name] = value[1:-1] if quoted else value
    return found


def test_the_page_on_ides(shell: Shell, project: Path, tmp_path: Path) -> None:
    page = HOW_TO / "ides.md"
    launch, settings = (json.loads(block) for block in blocks(page, "json"))
    assert settings["python.envFile"] == "${workspaceFolder}/.env"
    program, attach = launch["configurations"]
    serve, env = (line.removeprefix("$ ") for line in blocks(page, "console")[0].splitlines())
    options = serve.replace("tests/seed.toml", str(project / "tests" / "seed.toml")).split()[2:]
    with live(tmp_path / "data", *options):
        shell(env, project, KEYSTEAD_DATA=str(tmp_path / "data"))
        file = project / ".env"
        assert program["envFile"] == "${workspaceFolder}/.env"
        assert file.stat().st_mode & 0o777 == 0o600
        words = program["program"].replace("${workspaceFolder}", str(project)), *program["args"]
        assert shell(f"python -W ignore {' '.join(words)}", project, **env_file(file)) == "hello\n"
    (line, *_) = blocks(page, "sh")
    listening = f"{attach['connect']['host']}:{attach['connect']['port']}"
    assert listening in line
    # Nobody attaches here.
    line = (
        line.replace(listening, "127.0.0.1:0")
        .replace("--wait-for-client ", "")
        .replace("python", "python -W ignore", 1)
    )
    assert shell(line, project) == "hello\n"
    assert [one[0] for one in calls_within(shell(line, project, errors=True))] == ["Encrypt", "Decrypt"]


def calls_within(text: str) -> list[tuple[str, str, str, str]]:
    """The lines that are calls, among what a program says."""
    return calls("\n".join(line for line in text.splitlines() if LINE.match(line)))
