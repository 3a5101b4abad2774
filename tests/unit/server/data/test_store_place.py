import importlib.util
import os
import ssl
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from keystead.errors import OperatorError, WrongSetting
from keystead.server.data import node, store_place
from keystead.server.data.directory import DataDirectory
from keystead.server.data.store_place import chosen, database_of, has_data, place_of, shared_by, source
from tests.unit.server.data.test_node import joined

URL = "postgresql://keystead@localhost/keystead"


def test_without_the_setting_the_store_is_in_the_directory() -> None:
    assert chosen("", "", {}) is None
    assert place_of("", "", {}) is None
    with pytest.raises(WrongSetting, match="store-password-file is for a store on PostgreSQL"):
        chosen("", "/password", {})


def test_a_password_is_in_a_file_or_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret'\n")
    file.chmod(0o600)
    found = place_of(URL, str(file), {})
    assert found is not None
    assert r"password='s3cret\''" in found.place.conninfo
    assert repr(found.place) == str(found.place) == "Place('localhost/keystead')"
    assert "s3cret" not in f"{found}"
    found = place_of(URL, "", {"KEYSTEAD_STORE_PASSWORD": "other"})
    assert found is not None
    assert "password='other'" in found.place.conninfo
    found = place_of(URL, "", {})
    assert found is not None
    assert "password" not in found.place.conninfo
    with pytest.raises(
        WrongSetting, match="store-password-file and KEYSTEAD_STORE_PASSWORD exclude each other"
    ):
        chosen(URL, str(file), {"KEYSTEAD_STORE_PASSWORD": "other"})
    file.chmod(0o644)
    with pytest.raises(OperatorError, match="the password of the database, is open to other users"):
        place_of(URL, str(file), {})
    with pytest.raises(OperatorError, match="cannot read"):
        place_of(URL, f"{file}.none", {})


def test_a_password_file_is_a_path_or_what_other_secrets_may_be() -> None:
    assert source("/a/b").text == "file:/a/b"
    assert source("file:/a/b").text == "file:/a/b"
    assert source("credential:db").text == "credential:db"
    assert source("fd:3").text == "fd:3"
    assert source("other:x").text == f"file:{os.getcwd()}/other:x"
    for wrong in ("fd:x", "credential:", "credential:a/b"):
        with pytest.raises(WrongSetting):
            chosen(URL, wrong, {})


def test_without_its_library_there_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OperatorError, match="needs the package psycopg") as caught:
        place_of(URL, "", {})
    assert 'pip install "keystead[postgresql]"' in caught.value.hint


def test_nothing_but_a_store_on_postgresql_loads_it() -> None:
    program = (
        "import sys, keystead.server.foreground, keystead.server.nodes, keystead.server.recovery, keystead.store.sqlite; "
        "print('psycopg' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


def test_the_cas_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = "postgresql://keystead@db.example.com/keystead"
    roots = tmp_path / "roots.pem"
    roots.touch()

    def found(environment: dict[str, str]) -> str:
        shared = place_of(far, "", environment)
        assert shared is not None
        return shared.place.conninfo.partition("sslrootcert='")[2].partition("'")[0]

    assert found({"SSL_CERT_FILE": str(roots)}) == str(roots)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: SimpleNamespace(openssl_cafile="/none"))
    monkeypatch.setattr(store_place, "_ROOTS", ("/none", str(roots)))
    assert found({"SSL_CERT_FILE": "/none"}) == str(roots)
    monkeypatch.setattr(store_place, "_ROOTS", ())
    with pytest.raises(OperatorError, match="were not found") as caught:
        found({})
    assert "sslrootcert=FILE" in caught.value.hint
    own = place_of(f"{far}?sslrootcert={roots}", "", {})
    assert own is not None


def test_where_the_data_of_a_directory_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYSTEAD_CONFIG", raising=False)
    monkeypatch.delenv("KEYSTEAD_STORE", raising=False)
    directory = DataDirectory(tmp_path)
    assert not has_data(directory)
    assert shared_by(directory) is None
    assert database_of(directory) == directory.database
    joined(directory, URL, epoch=0)
    assert not has_data(directory)
    joined(directory, URL)
    assert has_data(directory)
    with pytest.raises(OperatorError, match="and no setting says so") as caught:
        shared_by(directory)
    assert f'store = "{URL}"' in caught.value.hint
    config = tmp_path / "keystead.toml"
    config.write_text(f'store = "{URL}"\n')
    monkeypatch.setenv("KEYSTEAD_CONFIG", str(config))
    assert str(database_of(directory)) == "Place('localhost/keystead')"
    monkeypatch.setenv("KEYSTEAD_STORE", "postgresql://localhost/other")
    assert str(database_of(directory)) == "Place('localhost/other')"
    directory.database.touch()
    assert database_of(directory) == directory.database
    assert node.joined(directory) is not None
