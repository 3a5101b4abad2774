"""`keystead key import` against a live server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Client, LiveServer, keystead, live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live(tmp_path_factory.mktemp("key") / "data") as server:
        yield server


@pytest.fixture
def client(server: LiveServer) -> Client:
    return server.client()


def waiting(client: Client, **parameters: str) -> str:
    return str(client.ok("CreateKey", Origin="EXTERNAL", **parameters)["KeyMetadata"]["KeyId"])


def test_material_is_imported_by_alias_and_id(server: LiveServer, client: Client, tmp_path: Path) -> None:
    file, key_id = tmp_path / "material", waiting(client)
    file.write_bytes(bytes(range(32)))
    client.ok("CreateAlias", KeyId=key_id, AliasName="alias/mine")
    data = ("--data", str(server.data))
    ended = keystead("key", "import", "alias/mine", str(file), *data)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert f"imported into {key_id}" in ended.stderr
    ended = keystead("key", "import", key_id, str(file), "--expires", "2999-01-31", *data)
    assert ended.returncode == 0, ended.stderr
    metadata = client.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert (metadata["KeyState"], metadata["MaterialExpireTime"]) == (
        "Enabled",
        "2999-01-31T00:00:00Z",
    )
    small = waiting(client, KeySpec="Aliyun_SM4")
    file.write_bytes(bytes(16))
    assert keystead("key", "import", small, str(file), *data).returncode == 0


def test_what_is_refused(server: LiveServer, client: Client, tmp_path: Path) -> None:
    file, key_id = tmp_path / "material", waiting(client)
    file.write_bytes(bytes(33))
    own = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    data = ("--data", str(server.data))
    for words, status, told in (
        ((key_id, str(file)), 1, "has 33 bytes, and material of Aliyun_AES_256 has 32"),
        ((own, str(file)), 1, "has material of the server's own"),
        ((key_id, str(tmp_path / "none")), 1, "cannot read"),
        ((key_id, str(file), "--expires", "soon"), 2, "--expires soon is not a time"),
        (("alias/none", str(file)), 4, "Forbidden.AliasNotFound"),
    ):
        ended = keystead("key", "import", *words, *data)
        assert (ended.returncode, told in ended.stderr) == (status, True), ended.stderr
    file.write_bytes(bytes(32))
    past = keystead("key", "import", key_id, str(file), "--expires", "2020-01-01T00:00:00Z", *data)
    assert (past.returncode, "KeyMaterialExpireUnix" in past.stderr) == (4, True)
    assert client.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingImport"
