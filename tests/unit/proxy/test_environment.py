import subprocess
from pathlib import Path

import certifi
import pytest

from keystead.errors import OperatorError
from keystead.proxy.environment import Change, before, change, undo

OURS = b"-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n"


def made(before: dict[str, str], folder: Path) -> Change:
    return change(
        before,
        access_key=("id", "secret"),
        region="cn-beijing",
        proxy_url="http://keystead:t@127.0.0.1:1",
        ca_pem=OURS,
        folder=folder,
        endpoint="https://localhost:8443",
        data="",
        endpoint_ca=None,
    )


def test_every_spelling_of_access_key_region_and_proxy(tmp_path: Path) -> None:
    values = made({}, tmp_path).values
    for name in (
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIYUN_ACCESS_KEY_ID",
        "ALICLOUD_ACCESS_KEY",
        "ACCESS_KEY_ID",
    ):
        assert values[name] == "id"
    for name in ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIYUN_ACCESS_KEY_SECRET", "ALICLOUD_SECRET_KEY"):
        assert values[name] == "secret"
    assert values["ALIBABA_CLOUD_REGION_ID"] == values["ALICLOUD_REGION"] == "cn-beijing"
    assert (
        values["HTTPS_PROXY"]
        == values["https_proxy"]
        == values["HTTP_PROXY"]
        == "http://keystead:t@127.0.0.1:1"
    )


def test_credentials_that_would_win_are_removed(tmp_path: Path) -> None:
    before = {"ALIBABA_CLOUD_SECURITY_TOKEN": "t", "ALIBABA_CLOUD_CREDENTIALS_URI": "u", "HOME": "/h"}
    after = made(before, tmp_path).apply(before)
    assert "ALIBABA_CLOUD_SECURITY_TOKEN" not in after
    assert "ALIBABA_CLOUD_CREDENTIALS_URI" not in after
    assert after["HOME"] == "/h"


def test_paths_and_options_are_extended(tmp_path: Path) -> None:
    values = made({"PYTHONPATH": "/a:/b", "NODE_OPTIONS": "--max-old-space-size=9"}, tmp_path).values
    assert values["PYTHONPATH"].endswith("keystead/proxy/hooks:/a:/b")
    assert values["NODE_OPTIONS"].startswith("--max-old-space-size=9 --require ")
    assert made({}, tmp_path).values["PYTHONPATH"].endswith("hooks")


def test_a_bundle_is_the_earlier_one_or_the_roots_and_ours(tmp_path: Path) -> None:
    earlier = tmp_path / "corporate.pem"
    earlier.write_bytes(b"corporate\n")
    values = made({"SSL_CERT_FILE": str(earlier), "CURL_CA_BUNDLE": "/nowhere"}, tmp_path).values
    assert Path(values["SSL_CERT_FILE"]).read_bytes() == b"corporate\n\n" + OURS
    for name in ("ALIBABA_CLOUD_CA_BUNDLE", "CURL_CA_BUNDLE", "KEYSTEAD_CA_BUNDLE"):
        content = Path(values[name]).read_bytes()
        assert Path(certifi.where()).read_bytes() in content
        assert content.endswith(OURS)
    assert Path(values["NODE_EXTRA_CA_CERTS"]).read_bytes() == b"\n" + OURS


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({}, "localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "localhost,x"}, "localhost,x,127.0.0.1,::1"),
        (
            {
                "NO_PROXY": "a,*,.aliyuncs.com,kms.cn-hangzhou.aliyuncs.com.,.com,*.COM,kms.cn-hangzhou.aliyuncs.com:443,*:443",
                "HTTPS_PROXY": "http://p:1",
            },
            "a",
        ),
        ({"no_proxy": "low", "NO_PROXY": "up", "ALL_PROXY": "http://p:1"}, "low"),
    ],
)
def test_the_vendors_hosts_are_never_exempt(before: dict[str, str], expected: str, tmp_path: Path) -> None:
    values = made(before, tmp_path).values
    assert values["NO_PROXY"] == values["no_proxy"] == expected


def test_terraform_asks_nobody_for_the_account_and_the_endpoint(tmp_path: Path) -> None:
    values = made({}, tmp_path).values
    assert values["ALIBABA_CLOUD_ACCOUNT_TYPE"] == "Domestic"
    assert values["ALIBABA_CLOUD_ENDPOINT_KMS"] == "kms.cn-beijing.aliyuncs.com"


def test_bundles_are_never_half_there(tmp_path: Path) -> None:
    made({}, tmp_path)
    values = made({}, tmp_path).values  # as `env` does, while programs of another shell read there
    names = {path.name for path in tmp_path.iterdir()}
    named = {"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"}
    assert len(names) == 3
    assert {Path(values[name]).name for name in named} < names


def test_a_shell_gets_the_same_quoted(tmp_path: Path) -> None:
    one = Change({"A": "it's"}, ("B",), {"B": 'was "here"'})
    assert one.shell().startswith("unset B\nexport A='it'\"'\"'s'\nexport KEYSTEAD_BEFORE=")


def test_a_shell_gets_back_what_it_had(tmp_path: Path) -> None:
    had = {
        "HTTPS_PROXY": "http://proxy.example:3128",
        "PYTHONPATH": "/my libs:/it's",
        "NODE_OPTIONS": "--max-old-space-size=64",
        "JAVA_TOOL_OPTIONS": "-Xmx64m '-Da=b c'",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "mine",
        "ALIBABA_CLOUD_SECURITY_TOKEN": "token\nof two lines",
        "NO_PROXY": "",
        "OTHER": "stays",
    }
    script = 'eval "$1"; printf "%s\\n" "$PYTHONPATH" "$OTHER"; env -0'

    def shell(environment: dict[str, str], change: str) -> dict[str, str]:
        told = subprocess.run(
            ["sh", "-c", script, "sh", change], env=environment, capture_output=True, text=True, check=True
        )
        found = dict(one.split("=", 1) for one in told.stdout.split("\n", 2)[2].split("\0") if "=" in one)
        return {name: value for name, value in found.items() if name not in ("PWD", "SHLVL", "_", "OLDPWD")}

    changed = shell(had, made(had, tmp_path).shell())
    assert changed["HTTPS_PROXY"] != had["HTTPS_PROXY"]
    assert "ALIBABA_CLOUD_SECURITY_TOKEN" not in changed
    # Made anew in a changed shell it is the same: nothing is extended twice.
    again = shell(changed, made(before(changed), tmp_path).shell())
    assert again == changed
    assert shell(again, undo(again)) == had
    assert before(again) == had
    assert undo(had) == ""
    assert undo({"KEYSTEAD_BEFORE": "nonsense"}) == ""


def test_a_trust_store_that_can_not_be_read_is_said(tmp_path: Path) -> None:
    assert made({"JAVA_TOOL_OPTIONS": "-Xmx1g"}, tmp_path).warnings == ()
    (warning,) = made({"JAVA_TOOL_OPTIONS": "-Djavax.net.ssl.trustStore=/none.p12"}, tmp_path).warnings
    assert warning.startswith("the trust store /none.p12 of JAVA_TOOL_OPTIONS cannot be read")


def test_an_env_file_has_a_line_for_each_value(tmp_path: Path) -> None:
    change = made({"NODE_OPTIONS": "--a 'b'", "ALIBABA_CLOUD_SECURITY_TOKEN": "t"}, tmp_path / "")
    lines = dict(line.split("=", 1) for line in change.dotenv().splitlines())
    assert lines == change.values
    assert lines["NODE_OPTIONS"].startswith("--a 'b' --require \"")
    assert "ALIBABA_CLOUD_SECURITY_TOKEN" not in lines
    assert "KEYSTEAD_BEFORE" not in lines  # it has what was there before


def test_an_env_file_holds_one_line_of_each(tmp_path: Path) -> None:
    change = made({"NODE_OPTIONS": "--a\n--b"}, tmp_path)
    with pytest.raises(OperatorError, match="the value of NODE_OPTIONS can't be in an env file") as refused:
        change.dotenv()
    assert refused.value.hint == "unset NODE_OPTIONS, or use keystead env without --dotenv"
