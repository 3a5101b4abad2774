"""The vendor's own clients, unmodified, against a real server under `keystead run`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import LiveServer, keystead, live, needs
from tests.network import HERE, other_host

ROOT = Path(__file__).parents[2]
NODE = Path(__file__).parent / "node"
EXAMPLES = ROOT / "examples"
PYTHON = [sys.executable, "-W", "ignore"]
KEY = b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC+/==\n-----END PRIVATE KEY-----\n"

SETUP = """
import json, os
from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120 import CreateAliasRequest, CreateKeyRequest
client = AcsClient(os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], "cn-hangzhou")
created = json.loads(client.do_action_with_exception(CreateKeyRequest.CreateKeyRequest()))
request = CreateAliasRequest.CreateAliasRequest()
request.set_AliasName("alias/Apollo/WorkKey")
request.set_KeyId(created["KeyMetadata"]["KeyId"])
client.do_action_with_exception(request)
"""


def run(
    *command: object, data: Path | None = None, cwd: Path | None = None, env: dict[str, str] | None = None
) -> str:
    """A command under `keystead run` that must succeed; its output."""
    where = [] if data is None else ["--data", str(data)]
    ended = keystead("run", *where, "--", *map(str, command), cwd=cwd, env=env)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def needs_node() -> None:
    needs("node")
    if not (NODE / "node_modules").exists():
        pytest.skip("the node packages are not installed: npm ci in tests/interop/node")


@pytest.mark.interop
def test_the_guides_flow_with_the_classic_sdk_survives_a_kill(tmp_path: Path) -> None:
    data, certs = tmp_path / "data", tmp_path / "certs"
    certs.mkdir()
    (certs / "key.pem").write_bytes(KEY)
    server = LiveServer(data)
    server.start()
    try:
        run(*PYTHON, "-c", SETUP, data=data)
        run(*PYTHON, EXAMPLES / "classic-python" / "encrypt_key.py", data=data, cwd=tmp_path)
        assert (
            run(*PYTHON, EXAMPLES / "classic-python" / "decrypt_key.py", data=data, cwd=tmp_path).encode()
            == KEY
        )
        assert KEY[40:60] not in (certs / "key.pem.cipher").read_bytes()
        server.kill()
        server.start()
        assert (
            run(*PYTHON, EXAMPLES / "classic-python" / "decrypt_key.py", data=data, cwd=tmp_path).encode()
            == KEY
        )
    finally:
        server.stop()


@pytest.mark.interop
@pytest.mark.parametrize("mode", ["sync", "--async"])
def test_the_current_python_sdk_under_run_alone(mode: str) -> None:
    told = run(*PYTHON, EXAMPLES / "current-python" / "online_encryption.py", mode)
    assert told == "decrypted what was encrypted\n"


ERRORS = """
import os
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.request import CommonRequest
from aliyunsdkkms.request.v20160120 import DescribeKeyRequest, ListKeysRequest

def refused(client, request):
    try:
        client.do_action_with_exception(request)
    except ServerException as error:
        return error.get_error_code(), error.get_http_status()

pair = os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]
for name in ("ALIYUN_ACCESS_KEY_ID", "ALIYUN_ACCESS_KEY_SECRET"):
    del os.environ[name]
request = DescribeKeyRequest.DescribeKeyRequest()
request.set_KeyId("nowhere")
print(refused(AcsClient(*pair, "cn-hangzhou"), request))
print(refused(AcsClient(pair[0], "wrong", "cn-hangzhou"), ListKeysRequest.ListKeysRequest()))
print(refused(AcsClient("LTAIwrong", "wrong", "cn-hangzhou"), ListKeysRequest.ListKeysRequest()))
common = CommonRequest(domain="kms.cn-beijing.aliyuncs.com", version="2016-01-20", action_name="Nonsense")
common.set_protocol_type("https")
common.set_method("POST")
common.add_body_params("KeyId", "a b+c")
print(refused(AcsClient(*pair, "cn-hangzhou"), common))
"""


@pytest.mark.interop
def test_the_classic_sdk_understands_every_kind_of_refusal() -> None:
    assert run(*PYTHON, "-c", ERRORS).splitlines() == [
        "('Forbidden.KeyNotFound', 404)",
        "('InvalidAccessKeySecret', 400)",
        "('InvalidAccessKeyId.NotFound', 404)",
        "('InvalidAction.NotFound', 404)",
    ]


@pytest.mark.interop
def test_the_node_sdk_under_run_alone() -> None:
    needs_node()
    env = {"NODE_PATH": str(NODE / "node_modules")}
    assert (
        run("node", EXAMPLES / "node" / "online_encryption.js", env=env) == "decrypted what was encrypted\n"
    )


@pytest.mark.interop
def test_nodes_fetch_and_curl_trust_the_runs_ca() -> None:
    needs_node()
    needs("curl")
    url = "https://kms.cn-hangzhou.aliyuncs.com/?Action=ListKeys"
    assert run("node", "-e", f"fetch('{url}').then((r) => console.log(r.status))") == "400\n"
    assert run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url) == "400"
    assert run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "https://ram.aliyuncs.com/") == "400"
    assert '"UnsupportedProduct"' in run("curl", "-s", "https://ram.cn-hangzhou.aliyuncs.com/")
    assert '"UnsupportedProtocol"' in run("curl", "-s", "http://kms.cn-hangzhou.aliyuncs.com/")


@pytest.mark.interop
def test_env_does_for_a_shell_what_run_does_for_a_program(tmp_path: Path) -> None:
    with live(tmp_path / "data", "--proxy"):
        had = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "mine", "PYTHONPATH": "/mine"}
        exports = keystead("env", "--data", str(tmp_path / "data"), env=had).stdout
        script = tmp_path / "shell.sh"
        program = EXAMPLES / "current-python" / "online_encryption.py"
        unset = f'eval "$({sys.executable} -m keystead env --unset)"'
        shown = 'echo "$ALIBABA_CLOUD_ACCESS_KEY_ID ${ALIBABA_CLOUD_REGION_ID:-gone} $PYTHONPATH"'
        script.write_text(f"{exports}\n{sys.executable} -W ignore {program}\n{unset}\n{shown}\n")
        ended = subprocess.run(
            ["sh", script], capture_output=True, text=True, check=True, timeout=60, env={**os.environ, **had}
        )
        assert ended.stdout == "decrypted what was encrypted\nmine gone /mine\n"
    told = keystead("env", "--data", str(tmp_path / "data"))
    assert told.returncode == 3


@pytest.mark.interop
def test_env_needs_a_server_with_a_proxy(tmp_path: Path) -> None:
    with live(tmp_path / "data"):
        told = keystead("env", "--data", str(tmp_path / "data"))
        assert (told.returncode, "serve --proxy" in told.stderr) == (1, True)


@pytest.mark.interop
def test_from_another_network_namespace(tmp_path: Path) -> None:
    """The guide's decrypt step on another host: a server that is reached by name and CA file alone."""
    with other_host() as there:
        data, certs = tmp_path / "data", tmp_path / "certs"
        certs.mkdir()
        (certs / "key.pem").write_bytes(KEY)
        with live(data, "--listen", "0.0.0.0:0", "--name", HERE) as server:
            run(*PYTHON, "-c", SETUP, data=data)
            run(*PYTHON, EXAMPLES / "classic-python" / "encrypt_key.py", data=data, cwd=tmp_path)
            shutil.copy(data / "ca.pem", tmp_path / "ca.pem")
            key = server.client().access_key
            port = server.description["url"].rpartition(":")[2]
            command: list[str] = [
                *[*there, sys.executable, "-m", "keystead", "run"],
                *["--endpoint", f"https://{HERE}:{port}", "--ca", str(tmp_path / "ca.pem"), "--"],
                *[*PYTHON, str(EXAMPLES / "classic-python" / "decrypt_key.py")],
            ]
            ended = subprocess.run(
                command,
                cwd=tmp_path,
                env={
                    **os.environ,
                    "ALIBABA_CLOUD_ACCESS_KEY_ID": key[0],
                    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1],
                },
                capture_output=True,
                check=False,
                timeout=60,
            )
            assert ended.stdout == KEY, ended.stderr
