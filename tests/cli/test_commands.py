"""Every command against a real data directory, with a server and without one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keystead import operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE
from keystead.cli import main
from keystead.crypto.authority import Authority
from keystead.domain.products import KMS, STS, Product
from tests.live import KEYSTEAD, LiveServer, keystead, live, needs, without_room


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live(tmp_path_factory.mktemp("cli") / "data") as running:
        yield running


def kms(server: LiveServer, *words: str, **more: object) -> "subprocess.CompletedProcess[str]":
    return keystead("kms", *words, "--data", str(server.data), **more)  # type: ignore[arg-type]


def test_kms_prints_the_guides_expected_output(server: LiveServer) -> None:
    told = kms(server, "CreateKey")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith('{\n  "KeyMetadata": {\n    "CreationDate": "')
    assert list(json.loads(told.stdout)) == ["KeyMetadata", "RequestId"]
    key_id = json.loads(told.stdout)["KeyMetadata"]["KeyId"]
    told = kms(server, "CreateAlias", "--AliasName", "alias/Apollo/WorkKey", "--KeyId", key_id)
    assert list(json.loads(told.stdout)) == ["RequestId"]


def test_a_refusal_that_another_key_explains_says_which(server: LiveServer) -> None:
    first, second = (json.loads(kms(server, "CreateKey").stdout)["KeyMetadata"]["KeyId"] for _ in range(2))
    create = ("CreateAlias", "--AliasName", "alias/taken", "--KeyId")
    assert kms(server, *create, first).returncode == 0
    kms(server, "ScheduleKeyDeletion", "--KeyId", first, "--PendingWindowInDays", "7")
    told = kms(server, *create, second)
    error, hint = told.stderr.splitlines()
    assert (told.returncode, told.stdout, error) == (
        4, "", "error: AliasAlreadyExists: AliasName Already Exists.",
    )  # fmt: skip
    assert hint.startswith(
        f"hint: alias/taken names the key {first}, which is in state PendingDeletion until 2"
    )
    assert f"keystead kms CancelKeyDeletion --KeyId {first} keeps it" in hint
    assert "; request id " in hint


def test_the_key_of_a_service_is_there_for_whoever_names_it(server: LiveServer) -> None:
    told = kms(server, "Encrypt", "--KeyId", "alias/acs/mse", "--Plaintext", "x")
    blob = json.loads(told.stdout)["CiphertextBlob"]
    assert json.loads(kms(server, "Decrypt", "--CiphertextBlob", blob).stdout)["Plaintext"] == "x"
    key_id = json.loads(told.stdout)["KeyId"]
    told = kms(server, "DisableKey", "--KeyId", key_id)
    assert (told.returncode, "service key, which its service manages" in told.stderr) == (4, True)
    told = kms(server, "Encrypt", "--KeyId", "alias/acs/MSE", "--Plaintext", "x")
    assert (told.returncode, "did you mean alias/acs/mse?" in told.stderr) == (4, True)


def test_keys_of_services_can_be_switched_off(tmp_path: Path) -> None:
    with live(tmp_path / "data", "--service-keys", "no") as running:
        told = kms(running, "Encrypt", "--KeyId", "alias/acs/mse", "--Plaintext", "x")
        assert told.returncode == 4
        assert told.stderr.startswith("error: Forbidden.AliasNotFound")
        assert "--service-keys yes" in told.stderr


def test_kms_encrypts_a_file_and_decrypts_it_exactly(server: LiveServer, tmp_path: Path) -> None:
    key_id = json.loads(kms(server, "CreateKey", "--Description=密钥").stdout)["KeyMetadata"]["KeyId"]
    (tmp_path / "key.pem").write_bytes("-----\r\n密\n".encode())
    told = kms(server, "Encrypt", "--KeyId", key_id, "--Plaintext", f"file:{tmp_path / 'key.pem'}")
    blob = json.loads(told.stdout)["CiphertextBlob"]
    told = kms(server, "Decrypt", "--CiphertextBlob", "-", input=blob)
    assert json.loads(told.stdout)["Plaintext"] == "-----\r\n密\n"
    assert "密" in told.stdout
    assert '"Description": "密钥"' in kms(server, "DescribeKey", "--KeyId", key_id).stdout


@pytest.mark.parametrize(
    ("status", "words", "told"),
    [
        (
            4,
            ["DescribeKey", "--KeyId", "nowhere"],
            "error: Forbidden.KeyNotFound: The specified Key is not found.\nhint: it was looked for in ",
        ),
        (4, ["DescribeKey"], 'error: MissingParameter: The parameter "KeyId" is needed but not provided.'),
        (4, ["Zzz", "--force"], "error: InvalidAction.NotFound"),
        (1, ["Encrypt", "--Plaintext", "file:/nowhere"], "error: cannot read /nowhere"),
        (
            1,
            ["Encrypt", "--Plaintext", "file:/dev/zero"],
            "error: /dev/zero is larger than any parameter may be",
        ),
        (4, ["ListKeys", "--region", "Nowhere!"], 'The specified parameter "RegionId" is not valid.'),
        (2, ["CreateKe"], "error: there is no operation 'CreateKe'\nhint: did you mean CreateKey?"),
        (2, ["createkey"], "hint: did you mean CreateKey?"),
        (2, ["Zzz"], "--force sends it anyway"),
        (2, ["GetCallerIdentity"], "hint: write keystead sts GetCallerIdentity"),
        (2, ["CreateAccessKey"], "hint: write keystead ram CreateAccessKey"),
        (2, ["Zzz\n", "--force"], "error: there is no operation 'Zzz\\n'"),
        (2, ["DescribeKey", "--KeyI", "x"], "hint: did you mean --KeyId?"),
        (2, ["DescribeKey", "--endpoin", "x"], "hint: did you mean --endpoint?"),
        (2, ["DescribeKey", "--Zzz", "x"], "hint: keystead kms DescribeKey --help lists all"),
        (2, ["DescribeKey", "KeyId"], "error: 'KeyId' is not a parameter"),
        (2, ["DescribeKey", "--KeyId"], "error: --KeyId has no value"),
        (2, ["Encrypt", "--KeyId", "--Plaintext"], "error: --KeyId has no value"),
        (2, ["DescribeKey", "--KeyId", "a", "--KeyId", "b"], "error: --KeyId is given twice"),
        (2, ["Encrypt", "--KeyId", "-", "--Plaintext", "-"], "error: standard input can be read once only"),
        (2, ["ListKeys", "--endpoint", "https://h"], "error: --endpoint and --data exclude each other"),
        (2, ["ListKeys", "--ca", "ca.pem"], "error: --ca belongs to --endpoint"),
    ],
)
def test_kms_says_what_is_wrong_and_what_to_do(
    server: LiveServer, status: int, words: list[str], told: str
) -> None:
    ended = keystead("kms", "--data", str(server.data), *words)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert told in ended.stderr
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_kms_never_shows_a_value_that_is_no_text(server: LiveServer) -> None:
    for words in (["--Plaintext=canary\udcff"], ["--Plaintext", "canary\udcff"]):
        ended = kms(server, "Encrypt", "--KeyId", "x", *words)
        assert (ended.returncode, "is not UTF-8 text" in ended.stderr) == (2, True)
        assert "canary" not in ended.stderr


def test_kms_tells_the_servers_answer_to_what_is_too_long(server: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "long").write_text("a" * 200_000)
    ended = kms(server, "Encrypt", "--KeyId", "x", "--Plaintext", f"file:{tmp_path / 'long'}")
    assert ended.returncode == 4
    assert ended.stderr.startswith("error: InvalidRequest: ")


def test_kms_takes_values_that_begin_with_dashes_or_stand_after_an_equals_sign(server: LiveServer) -> None:
    made = json.loads(kms(server, "CreateKey", "--Description", "--help").stdout)["KeyMetadata"]
    assert made["Description"] == "--help"
    made = json.loads(kms(server, "CreateKey", "--Description=a=b", "--force", "--Later", "x").stdout)
    assert made["KeyMetadata"]["Description"] == "a=b"


def test_kms_takes_text_only(server: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    assert (
        "encode it as base64" in kms(server, "Encrypt", "--Plaintext", f"file:{tmp_path / 'binary'}").stderr
    )
    said = kms(server, "SetKeyPolicy", "--Policy", f"file:{tmp_path / 'binary'}").stderr
    assert "is not UTF-8 text" in said
    assert "save it as UTF-8" in said


@pytest.mark.parametrize("product", [KMS, STS], ids=lambda one: one.name)
def test_a_product_knows_its_help(product: Product, capsys: pytest.CaptureFixture[str]) -> None:
    command = product.name.lower()
    overview = keystead(command, "--help")
    assert overview.returncode == 0
    assert overview.stdout.startswith(f"usage: keystead {command} ACTION")
    assert f"keystead {command} ACTION --help shows" in overview.stdout
    assert keystead(command).stdout == overview.stdout
    for action in [one.action for one in CATALOGUE.of(product)]:
        assert f"\n  {action} " in overview.stdout
        status = main([command, action, "--help"])  # in this process: there are many of them
        told = capsys.readouterr()
        assert (status, told.err) == (0, "")
        assert told.out.startswith(f"usage: keystead {command} {action}")
        assert all(len(line) < 80 for line in told.out.splitlines())


def test_sts_tells_who_calls(server: LiveServer) -> None:
    where = ["--data", str(server.data)]
    told = keystead("sts", "GetCallerIdentity", *where, "--region", "cn-beijing")
    account = server.description["account"]
    assert json.loads(told.stdout)["Arn"] == f"acs:ram::{account}:root"
    assert told.stderr == ""
    recorded = keystead("audit", "list", "--json", "--action", "GetCallerIdentity", *where).stdout
    (record,) = [json.loads(line) for line in recorded.splitlines()][-1:]
    assert (record["product"], record["region"]) == ("Sts", "")
    for words, hint in (
        (["ListKeys"], "hint: write keystead kms ListKeys"),
        (["getcalleridentity"], "hint: did you mean GetCallerIdentity?"),
        (["AssumeRole"], "hint: keystead sts --help lists all; --force sends it anyway"),
        (["GetCallerIdentity", "--Zzz", "x"], "hint: keystead sts GetCallerIdentity --help lists all"),
    ):
        ended = keystead("sts", *words, *where)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert hint in ended.stderr
    ended = keystead("sts", "AssumeRole", "--force", *where)
    assert ended.returncode == 4
    assert "error: InvalidAction.NotFound" in ended.stderr


def test_kms_help_shows_parameters() -> None:
    assert "--Plaintext" in keystead("kms", "Encrypt", "-h").stdout


def test_kms_finds_its_server_by_endpoint_data_environment_or_default(
    server: LiveServer, tmp_path: Path
) -> None:
    found = server.description
    key = server.client().access_key
    pair = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key[0],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1],
        "ALIBABA_CLOUD_SECURITY_TOKEN": "",
    }
    assert (
        keystead("kms", "ListKeys", "--endpoint", found["url"], "--ca", found["ca_file"], env=pair).returncode
        == 0
    )
    run = {"KEYSTEAD_ENDPOINT": found["url"], "KEYSTEAD_CA_FILE": found["ca_file"], **pair}
    assert keystead("kms", "ListKeys", env=run).returncode == 0
    assert keystead("kms", "ListKeys", "--region", "cn-beijing", env=run).returncode == 0
    away = {"XDG_DATA_HOME": str(tmp_path)}
    told = keystead("kms", "ListKeys", env=away)
    assert (told.returncode, "no server runs on" in told.stderr) == (3, True)
    (tmp_path / "keystead").symlink_to(server.data)
    assert keystead("kms", "ListKeys", env=away).returncode == 0


def test_kms_says_why_a_server_is_not_reached(server: LiveServer, tmp_path: Path) -> None:
    found = server.description
    pair = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "b"}
    for words, env, told in (
        (["--endpoint", found["url"]], dict.fromkeys(pair, ""), "there is no AccessKey for"),
        (["--endpoint", found["url"]], pair, "was not accepted"),
        (["--endpoint", found["url"], "--ca", "/nowhere"], pair, "cannot read the CA certificate"),
        (["--endpoint", "https://127.0.0.1:1"], pair, "cannot reach https://127.0.0.1:1"),
        (["--endpoint", found["ops_url"]], pair, "the answer is not that of a KMS (status 404)"),
        (
            ["--endpoint", "http://kms.invalid"],
            pair,
            "warning: plain HTTP shows all that is sent to kms.invalid",
        ),
        (["--endpoint", "https://h:x"], pair, "'https://h:x' is not an endpoint"),
        (["--endpoint", found["url"], "--ca", __file__], pair, "it is no PEM certificate"),
    ):
        ended = keystead("kms", "ListKeys", *words, env=env)
        assert told in ended.stderr
        assert ended.returncode == (3 if "cannot reach" in ended.stderr else 1)
        assert "hint: " in ended.stderr


def test_access_keys_with_a_server_and_without(tmp_path: Path) -> None:
    data = tmp_path / "data"
    told = keystead("access-key", "list", "--data", str(data))
    assert (told.returncode, "there is no data in" in told.stderr) == (1, True)
    ids = []
    with live(data):
        made = json.loads(keystead("access-key", "create", "--data", str(data)).stdout)["AccessKey"]
        ids.append(made["AccessKeyId"])
    made = json.loads(keystead("access-key", "create", "--data", str(data)).stdout)["AccessKey"]
    ids.append(made["AccessKeyId"])
    assert keystead("access-key", "deactivate", ids[0], "--data", str(data)).returncode == 0
    listed = json.loads(keystead("access-key", "list", "--data", str(data)).stdout)["AccessKeys"]["AccessKey"]
    assert [(row["AccessKeyId"], row["Status"]) for row in listed][1:] == [
        (ids[0], "Inactive"),
        (ids[1], "Active"),
    ]
    assert keystead("access-key", "activate", ids[0], "--data", str(data)).returncode == 0
    assert keystead("access-key", "delete", ids[0], "--data", str(data)).returncode == 0
    told = keystead("access-key", "delete", ids[0], "--data", str(data))
    assert (told.returncode, "InvalidAccessKeyId.NotFound" in told.stderr) == (4, True)
    assert "made" not in (data / "root-access-key.json").read_text()
    listed_audit = keystead("audit", "list", "--data", str(data), "--json").stdout
    assert [json.loads(line)["kind"] for line in listed_audit.splitlines()] == ["OperatorCommand"] * 7
    assert made["AccessKeySecret"] not in listed_audit


def test_audit_lists_exports_and_verifies_beside_the_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data) as server:
        client = server.client()
        key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
        client.ok("Encrypt", KeyId=key_id, Plaintext="canary-plaintext")
        client.call("DescribeKey", KeyId="nowhere")
        table = keystead("audit", "list", "--data", str(data)).stdout.splitlines()
        assert table[0].split() == ["TIME", "ACTION", "OUTCOME", "CALLER", "SOURCE", "REQUEST", "RESOURCE"]
        assert [line.split()[1:3] for line in table[1:]] == [
            ["CreateKey", "success"],
            ["Encrypt", "success"],
            ["DescribeKey", "Forbidden.KeyNotFound"],
        ]
        assert f"key/{key_id}" in table[2]

        def actions(*words: str) -> list[str]:
            told = keystead("audit", "list", "--data", str(data), "--json", *words)
            assert told.returncode == 0, told.stderr
            return [json.loads(line)["action"] for line in told.stdout.splitlines()]

        assert actions("--outcome", "failure") == ["DescribeKey"]
        assert actions("--outcome", "success", "--limit", "1") == ["Encrypt"]
        assert actions("--key", key_id) == ["CreateKey", "Encrypt"]
        assert actions("--action", "Encrypt", "--since", "1h") == ["Encrypt"]
        assert actions("--until", "2001-01-01T00:00:00Z") == []
        assert actions("--caller", client.access_key[0]) == ["CreateKey", "Encrypt", "DescribeKey"]
        exported = keystead("audit", "export", "--data", str(data)).stdout
        assert len(exported.splitlines()) == 3
        assert "canary" not in exported
        events = [
            json.loads(line)
            for line in keystead(
                "audit", "export", "--format", "actiontrail", "--data", str(data)
            ).stdout.splitlines()
        ]
        assert [event["eventName"] for event in events] == ["CreateKey", "Encrypt", "DescribeKey"]
        assert events[2]["errorCode"] == "Forbidden.KeyNotFound"
        assert events[0]["eventType"] == "ApiCall"
        told = keystead("audit", "verify", "--data", str(data))
        assert told.returncode == 0
        head = told.stdout.split()[0]
        assert head.startswith("3:")
        client.ok("ListKeys")
        assert keystead("audit", "verify", "--data", str(data), "--expect", head).returncode == 0
        told = keystead("audit", "verify", "--data", str(data), "--expect", "9:" + "0" * 64)
        assert (told.returncode, "cut off" in told.stderr) == (1, True)
        told = keystead("audit", "verify", "--data", str(data), "--expect", "2:" + "0" * 64)
        assert (told.returncode, "written anew" in told.stderr) == (1, True)
    for words, told_ in (
        (["verify", "--expect", "x"], "is not COUNT:HASH"),
        (["list", "--since", "yesterday"], "is not a time"),
        (["list", "--limit", "0"], "is not a number from 1"),
        (["list", "--limit", "-1"], "is not a number from 1"),
    ):
        ended = keystead("audit", *words, "--data", str(data))
        assert ended.returncode == 2
        assert told_ in ended.stderr
    ended = keystead("audit", "list", "--data", str(tmp_path / "none"))
    assert (ended.returncode, "there is no data in" in ended.stderr) == (1, True)


def test_wrong_command_lines_exit_with_2_and_help_with_0() -> None:
    for words, status in (
        (["nonsense"], 2),
        ([], 2),
        (["serve", "--nonsense"], 2),
        (["--help"], 0),
        (["--version"], 0),
    ):
        assert keystead(*words).returncode == status
    assert keystead("run", "--help").returncode == 0
    told = keystead("access-key", "create", "--descripton=canary", "x").stderr
    assert told == ("error: there is no option --descripton\nhint: did you mean --description?\n")


def test_a_reader_that_goes_away_is_no_error(server: LiveServer) -> None:
    ended = subprocess.run(
        [
            "sh",
            "-c",
            f"{' '.join(KEYSTEAD)} audit export --data {server.data} | head -n 0; {' '.join(KEYSTEAD)} kms --help | head -n 1",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -9 $$"], 137),
        (["/nowhere"], 127),
        (["/etc/hostname"], 126),
    ],
)
def test_run_has_the_commands_status(command: list[str], status: int) -> None:
    assert keystead("run", "--", *command).returncode == status


def test_run_leaves_stdout_alone_and_nothing_behind(tmp_path: Path) -> None:
    script = 'cat; env | grep ^KEYSTEAD_CA_BUNDLE= | cut -d= -f2 > "$0"; printf done'
    told = keystead("run", "--", "sh", "-c", script, str(tmp_path / "bundle"), input="given\n")
    assert told.stdout == "given\ndone"
    bundle = Path((tmp_path / "bundle").read_text().strip())
    assert bundle.name
    assert not bundle.parent.exists()


def test_run_forwards_signals() -> None:
    script = "trap 'echo got TERM; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        [*KEYSTEAD, "run", "--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == "got TERM\n"
    assert process.wait(10) == 3


@pytest.mark.parametrize(
    ("status", "words", "told"),
    [
        (2, [], "there is no command to run"),
        (2, ["--ca", "x", "--", "true"], "--ca belongs to --endpoint"),
        (125, ["--data", "/nowhere", "--", "true"], "start one with keystead serve --data /nowhere"),
        (125, ["--endpoint", "https://h:1", "--", "true"], "there is no AccessKey"),
    ],
)
def test_run_says_what_is_wrong(status: int, words: list[str], told: str) -> None:
    ended = keystead("run", *words, env={"ALIBABA_CLOUD_ACCESS_KEY_ID": ""})
    assert (ended.returncode, ended.stdout) == (status, "")
    assert told in ended.stderr


def test_run_with_an_endpoint_needs_a_readable_ca_and_a_url() -> None:
    pair = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "b"}
    told = keystead("run", "--endpoint", "https://h:1", "--ca", "/nowhere", "--", "true", env=pair)
    assert (told.returncode, "cannot read the CA certificate" in told.stderr) == (125, True)
    for url in (
        "h:1", "https://127.0.0.1:99999", "https://[::1", "https://user:hidden@localhost:1", "https://h/path?x"
    ):  # fmt: skip
        told = keystead("run", "--endpoint", url, "--", "true", env=pair)
        shown = "what was given" if "@" in url else repr(url)
        hint = "write it as https://HOST:PORT, in ASCII letters"
        assert told.stderr == f"error: {shown} is not an endpoint\nhint: {hint}\n"
        assert told.returncode == 125
    told = keystead("run", "--endpoint", "https://a..b:443", "--", "true", env=pair)
    assert told.stderr == "error: a..b is not a name that a host can have\nhint: check the URL\n"
    assert told.returncode == 125


def test_run_warns_of_plain_http_to_another_machine() -> None:
    pair = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "b"}
    for host, warned in (("keystead.invalid", True), ("127.0.0.1", False)):
        told = keystead("run", "--endpoint", f"http://{host}:1", "--", "true", env=pair)
        assert told.returncode == 0
        warning = f"warning: plain HTTP shows all that is sent to {host} to the network; use https\n"
        assert (warning in told.stderr) == warned


def test_run_checks_the_certificate_before_its_command(tmp_path: Path, server: LiveServer) -> None:
    found, marker = server.description, tmp_path / "marker"
    root = json.loads((server.data / "root-access-key.json").read_text())
    pair = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": root["AccessKeyId"],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": root["AccessKeySecret"],
    }
    other = Authority.create("other", dns=["localhost"], addresses=[], now=time.time(), lifetime=86_400)
    (tmp_path / "other.pem").write_bytes(other.certificate_pem)
    url, ca_file = found["url"], found["ca_file"]
    for words, told, hint in (
        (["--endpoint", url], "was not accepted", "name its CA certificate with --ca"),
        (
            ["--endpoint", url, "--ca", str(tmp_path / "other.pem")],
            "was not accepted",
            "CA certificate is another",
        ),
        (["--endpoint", url, "--ca", __file__], "it is no PEM certificate", "check --ca"),
        (["--endpoint", found["ops_url"].replace("http", "https")], "does not speak TLS as", "check the URL"),
    ):
        ended = keystead("run", *words, "--", "touch", str(marker), env=pair)
        assert (ended.returncode, ended.stdout, marker.exists()) == (125, "", False)
        error, _, hinted = ended.stderr.partition("\nhint: ")
        assert told in error
        assert hint in hinted
    ended = keystead("run", "--endpoint", url, "--ca", ca_file, "--", "touch", str(marker), env=pair)
    assert (ended.returncode, ended.stderr, marker.exists()) == (0, "", True)


def test_run_starts_before_its_server_and_says_in_its_answers_what_is_wrong(tmp_path: Path) -> None:
    needs("curl")
    pair = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "b"}
    probe = "curl -s 'https://kms.cn-hangzhou.aliyuncs.com/?Action=ListKeys'"
    ended = keystead("run", "--endpoint", "https://127.0.0.1:1", "--", "sh", "-c", probe, env=pair)
    assert ended.returncode == 0
    reason = "127.0.0.1 at port 1 cannot be reached: "
    assert ended.stderr.startswith(f"warning: {reason}")
    assert "until it answers, calls get status 503" in ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["Code"] == "ServiceUnavailable"
    assert f"Keystead's proxy has no server: {reason}" in answer["Message"]


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "http://127.0.0.1:9"])
def test_serve_says_that_its_proxy_has_no_way_out(proxy: str, tmp_path: Path) -> None:
    with live(tmp_path / "data", "--proxy", env={"https_proxy": proxy, "http_proxy": proxy}) as server:
        log = server.log.read_text()
    assert ("the proxy that is set is a socks5 proxy, which cannot be used here" in log) == ("socks" in proxy)


def test_what_a_killed_run_leaves_is_removed_by_the_next_one(tmp_path: Path) -> None:
    script = "echo ready; read line"
    process = subprocess.Popen(
        [*KEYSTEAD, "run", "--", "sh", "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    (folder,) = tmp_path.glob("keystead-run-*")
    count = "ls -d $TMPDIR/keystead-run-* | wc -l"
    told = keystead("run", "--", "sh", "-c", count, env={"TMPDIR": str(tmp_path)})
    assert told.stdout.strip() == "2"  # the first one lives
    process.kill()
    process.wait()
    assert folder.exists()
    told = keystead("run", "--", "sh", "-c", count, env={"TMPDIR": str(tmp_path)})
    assert told.stdout.strip() == "1"
    assert not list(tmp_path.glob("keystead-run-*"))


def test_run_is_told_503_while_its_server_is_gone_and_follows_it_to_the_next(tmp_path: Path) -> None:
    needs("curl")
    server = LiveServer(tmp_path / "data")
    server.start()
    url = "https://kms.cn-hangzhou.aliyuncs.com/?Action=ListKeys"
    probe = f"curl -s -o /dev/null -w '%{{http_code}}\\n' '{url}'"
    script = f"{probe}; read line; {probe}; read line; {probe}"
    process = subprocess.Popen(
        [*KEYSTEAD, "run", "--data", str(server.data), "--", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "400\n"
    server.kill()
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "503\n"
    server.start()
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "400\n"
    assert process.wait(10) == 0
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_of_the_proxy_gets_nothing_without_an_access_key() -> None:
    needs("curl")
    needs("setpriv")
    url = "https://kms.cn-hangzhou.aliyuncs.com/?Action=ListKeys&Version=2016-01-20"
    # The proxy's address without its token, as any user of the machine may find it; the CA is not theirs to read.
    script = (
        "proxy=http://${HTTPS_PROXY#*@}; other='setpriv --reuid=65534 --regid=65534 --clear-groups'; "
        f"$other curl -s -k --proxy $proxy '{url}'; "
        "for who in \"$other\" ''; do "
        "$who curl -s -o /dev/null -w '%{http_connect} ' --proxy $proxy https://localhost:1/; done; true"
    )
    told = keystead("run", "--", "sh", "-c", script)
    members, end = json.JSONDecoder().raw_decode(told.stdout)
    assert members["Code"] == "MissingParameter"
    # The same user gets as far as that nobody listens there.
    assert told.stdout[end:] == "407 502 "


def test_run_within_run_reaches_the_inner_server() -> None:
    command = [*KEYSTEAD, "run", "--", *KEYSTEAD, "kms", "CreateKey"]
    told = keystead("run", "--", *command)
    assert json.loads(told.stdout)["KeyMetadata"]["Creator"] == "1000000000000001"


def test_serve_says_what_to_do_next_and_never_a_secret(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data")
    server.start()
    time.sleep(0.2)
    server.client().ok("ListKeys")
    assert server.stop() == 0
    log = server.log.read_text()
    assert f"keystead run --data {server.data} -- python your_program.py" in log
    key = json.loads((server.data / "root-access-key.json").read_text())
    assert key["AccessKeySecret"] not in log
    assert key["AccessKeyId"] not in log
    for name in ("root-access-key.json", "root.key", "keystead.db"):
        assert (server.data / name).stat().st_mode & 0o777 == 0o600
    assert os.stat(server.data).st_mode & 0o777 == 0o700
    assert sys.executable


@pytest.mark.parametrize("name", ["not a name", "a..b", "a,b..c"])
def test_serve_refuses_what_is_no_name(name: str, tmp_path: Path) -> None:
    told = keystead("serve", "--data", str(tmp_path / "data"), "--name", name)
    assert (told.returncode, "neither a host name nor" in told.stderr) == (2, True)


def test_serve_with_ones_own_certificate(tmp_path: Path) -> None:
    needs("openssl")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    own = ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]
    with live(tmp_path / "data", *own) as server:
        key = server.client().access_key
        pair = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": key[0],
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1],
            "ALIBABA_CLOUD_SECURITY_TOKEN": "",
        }
        url = server.description["url"]
        assert (
            keystead(
                "kms", "ListKeys", "--endpoint", url, "--ca", str(tmp_path / "cert.pem"), env=pair
            ).returncode
            == 0
        )
    (tmp_path / "key.pem").chmod(0o604)
    told = keystead("serve", "--data", str(tmp_path / "data"), *own)
    assert (told.returncode, "open to all users" in told.stderr) == (1, True)
    (tmp_path / "key.pem").chmod(0o600)
    (tmp_path / "key.pem").write_text("nonsense")
    told = keystead("serve", "--data", str(tmp_path / "data"), "--listen", "localhost:0", *own)
    assert (told.returncode, "cannot use the certificate" in told.stderr) == (1, True)
    told = keystead(
        "serve", "--data", str(tmp_path / "data"), "--tls-cert", "/nowhere", "--tls-key", "/nowhere"
    )
    assert (told.returncode, "cannot read /nowhere" in told.stderr) == (1, True)


def test_run_without_room_for_its_files_fails_by_itself(tmp_path: Path) -> None:
    told = without_room(tmp_path, "run", "--", "true")
    assert told.returncode == 125
    assert told.stderr.startswith("error: cannot run it: ")
    assert "Traceback" not in told.stderr


def test_a_region_that_is_none_is_refused_by_run() -> None:
    told = keystead("run", "--region", "XX bad", "--", "true")
    assert (told.returncode, "--region is not a region" in told.stderr) == (2, True)


def test_help_is_shown_in_any_encoding() -> None:
    told = keystead("kms", "ListKeys", "--help", env={"PYTHONIOENCODING": "ascii"})
    assert (told.returncode, "usage: keystead kms ListKeys" in told.stdout) == (0, True)
    assert keystead("run", "--help", env={"PYTHONIOENCODING": "ascii"}).returncode == 0


def test_node_reaches_the_vendors_hosts_in_no_other_way() -> None:
    needs("node")
    program = """
    const host = "kms.cn-hangzhou.aliyuncs.com";
    const told = (error) => console.log(error.cause ? error.cause.message : error.message);
    require("http").get(`http://${host}/?a`).on("error", told);
    fetch(`http://${host}/`).catch(told);
    require("net").connect(443, `${host}.`).on("error", told);
    require("http2").connect(`https://${host}`).on("error", told);
    """
    told = keystead("run", "--", "node", "-e", program)
    assert told.returncode == 0, told.stderr
    assert len(told.stdout.splitlines()) == 4
    assert all("by HTTPS only" in line for line in told.stdout.splitlines()), told.stdout


def test_a_directory_of_others_is_no_data_directory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data):
        told = keystead("access-key", "create", "-o", "-", "--data", str(data), cwd=tmp_path)
        assert (told.returncode, (tmp_path / "-").exists()) == (0, False)
        assert json.loads(told.stdout)["AccessKey"]["AccessKeySecret"]
    backups = tmp_path / "backups"
    backups.mkdir()
    assert keystead("backup", str(backups), "--data", str(data)).returncode == 0
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "notes").write_text("mine")
    for folder in (tmp_path / "work", backups, tmp_path):
        before = sorted(folder.rglob("*"))
        told = keystead("serve", "--data", str(folder), "--listen", "localhost:0")
        assert (told.returncode, told.stdout) == (2, "")
        assert f"error: {folder} is not empty, and no data directory of Keystead" in told.stderr
        assert sorted(folder.rglob("*")) == before
    assert f"hint: the data directory {data} is in it" in told.stderr
    # An install that has more in its directory goes on, and so does a first start beside what its settings name.
    (data / "notes").write_text("mine")
    with live(data) as server:
        server.client().ok("ListKeys")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "lost+found").mkdir()
    with live(tmp_path / "new", "--log-file", str(tmp_path / "new" / "logs")) as server:
        server.client().ok("ListKeys")
