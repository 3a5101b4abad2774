import os
import subprocess
import sys
from pathlib import Path

import pytest

from keystead import variables
from keystead.settings import SETTINGS

OURS = [one.variable for one in SETTINGS]


def unknown(**environment: str) -> list[tuple[str, str]]:
    return list(variables.unknown(environment, OURS))


def test_every_known_variable_is_known() -> None:
    known = dict.fromkeys(
        [*OURS, *variables.OF_CLIENTS, *variables.OF_RUN, variables.CONFIG, variables.STORE_PASSWORD], "x"
    )
    assert unknown(**known, PATH="/bin", HOME="/") == []
    assert len(set(OURS)) == len(OURS)


def test_what_is_for_programs_of_run_is_no_setting_and_no_option() -> None:
    assert not {*OURS, *variables.OF_CLIENTS} & set(variables.OF_RUN)
    # These two are both, and mean the same.
    assert {*OURS} & {*variables.OF_CLIENTS} == {"KEYSTEAD_DATA", "KEYSTEAD_REGION"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KEYSTEAD_LISTN", "KEYSTEAD_LISTEN"),
        ("KEYSTEAD_LOGLEVEL", "KEYSTEAD_LOG_LEVEL"),
        ("KEYSTEAD_DATA_DIR", "KEYSTEAD_DATA"),
        ("KEYSTEAD_CERT", "KEYSTEAD_TLS_CERT"),
        ("KEYSTEAD_ENDPIONT", "KEYSTEAD_ENDPOINT"),
        ("KEYSTEAD_ACCESS_KEY", "KEYSTEAD_ACCESS_KEY_FILE"),
        ("keystead_listen", "KEYSTEAD_LISTEN"),
        ("KEYSTEAD_VERSION", ""),
        ("KEYSTEAD_HOME", ""),
        ("KEYSTEAD_PROFILE", ""),
        ("KEYSTEAD_PORT", "KEYSTEAD_LISTEN"),
        ("KEYSTEAD_URL", "KEYSTEAD_ENDPOINT"),
        ("KEYSTEAD_ADDR", "KEYSTEAD_ENDPOINT"),
        ("KEYSTEAD_ADDRESS", "KEYSTEAD_ENDPOINT"),
        ("KEYSTEAD_SERVER", "KEYSTEAD_ENDPOINT"),
        ("KEYSTEAD_HOST", "KEYSTEAD_ENDPOINT"),
        ("KEYSTEAD_CA", "KEYSTEAD_CA_FILE"),
        ("KEYSTEAD_CACERT", "KEYSTEAD_CA_FILE"),
        ("KEYSTEAD_CA_CERT", "KEYSTEAD_CA_FILE"),
        # What `run` sets is nothing that anybody means to set.
        ("KEYSTEAD_BEFOR", ""),
    ],
)
def test_another_one_is_told_with_what_was_meant(name: str, meant: str) -> None:
    assert unknown(**{name: "x"}) == [(name, meant)]


@pytest.mark.parametrize(
    ("variable", "loads"),
    [
        ("KEYSTEAD_ENDPOINT", False),
        ("KEYSTEAD_CONFIG", False),
        ("KEYSTEAD_BEFORE", False),
        ("KEYSTEAD_LISTEN", True),
    ],
)
def test_the_settings_are_loaded_only_where_a_variable_may_be_one(
    variable: str, loads: bool, tmp_path: Path
) -> None:
    """They make a light command slower by a quarter."""
    (tmp_path / "a.env").write_text("A=b\n")
    program = (
        "import sys; from keystead.cli import main; "
        "main(['file', 'inspect', 'a.env']); print('keystead.settings' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), variable: "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == [str(loads)], done.stderr


def test_what_kubernetes_and_docker_say_of_a_service_is_nobodys_mistake() -> None:
    said = {
        "KEYSTEAD_SERVICE_HOST": "10.0.0.1",
        "KEYSTEAD_SERVICE_PORT": "8443",
        "KEYSTEAD_SERVICE_PORT_HTTPS": "8443",
        "KEYSTEAD_PORT": "tcp://10.0.0.1:8443",
        "KEYSTEAD_PORT_8443_TCP": "tcp://10.0.0.1:8443",
        "KEYSTEAD_PORT_8443_TCP_PROTO": "tcp",
        "KEYSTEAD_PORT_8443_TCP_PORT": "8443",
        "KEYSTEAD_PORT_8443_TCP_ADDR": "10.0.0.1",
        "KEYSTEAD_OPS_SERVICE_HOST": "10.0.0.2",
        "KEYSTEAD_OPS_PORT": "tcp://10.0.0.2:8444",
    }
    assert unknown(**said) == []
    assert unknown(KEYSTEAD_PORT="8443") == [("KEYSTEAD_PORT", "KEYSTEAD_LISTEN")]
