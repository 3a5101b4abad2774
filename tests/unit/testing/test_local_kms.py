"""The server within a test process: clock, faults, calls, clients, and what is refused."""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keystead import cli
from keystead.errors import OperatorError, Refused
from keystead.forms import REGION
from keystead.testing.local_kms import LocalKms
from tests.live import Client

KEY = """
[[key]]
id = "work"
aliases = ["alias/work"]
[[key.version]]
id = "11111111-aaaa-4111-8111-000000000001"
material = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"""


@pytest.fixture(scope="module")
def server() -> Iterator[LocalKms]:
    with LocalKms() as running:
        yield running


@pytest.fixture
def kms(server: LocalKms) -> LocalKms:
    server.reset()
    return server


def client(kms: LocalKms) -> Client:
    return Client(kms.url, None, kms.access_key)


# --- the clock


def test_a_key_is_rotated_a_year_later(kms: LocalKms) -> None:
    key = kms.new_key(EnableAutomaticRotation="true", RotationInterval="365d")
    first = kms.call("DescribeKey", KeyId=key)["KeyMetadata"]["PrimaryKeyVersion"]
    kms.clock.advance(days=364)
    assert kms.call("DescribeKey", KeyId=key)["KeyMetadata"]["PrimaryKeyVersion"] == first
    kms.clock.advance(days=1, seconds=1)
    second = kms.call("DescribeKey", KeyId=key)["KeyMetadata"]
    assert second["PrimaryKeyVersion"] != first
    assert second["LastRotationDate"][:10] == (datetime.now(UTC) + timedelta(days=365)).strftime("%Y-%m-%d")


def test_a_key_is_deleted_when_its_days_are_over(kms: LocalKms) -> None:
    key = kms.new_key()
    kms.call("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays="7")
    kms.clock.advance(days=6, hours=23)
    assert kms.call("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    kms.clock.advance(hours=1, seconds=1)
    with pytest.raises(Refused, match=r"Forbidden\.KeyNotFound") as refused:
        kms.call("DescribeKey", KeyId=key)
    assert refused.value.code == "Forbidden.KeyNotFound"


def test_clients_go_on_and_no_request_is_taken_twice_whatever_the_time(kms: LocalKms) -> None:
    one = client(kms)
    target = one.sign("ListKeys", Version="2016-01-20")
    assert one.send(target)[0] == 200
    for _ in range(3):
        kms.clock.advance(days=400)
        assert one.call("ListKeys", Version="2016-01-20")[0] == 200
        assert one.send(target)[1]["Code"] == "SignatureNonceUsed"


def test_it_travels_to_a_moment(kms: LocalKms) -> None:
    moment = datetime(2040, 2, 29, 12, tzinfo=timezone(timedelta(hours=8)))
    assert abs((kms.clock.travel_to(moment) - moment).total_seconds()) < 60
    created = kms.call("DescribeKey", KeyId=kms.new_key())["KeyMetadata"]["CreationDate"]
    assert created.startswith("2040-02-29T04:0")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"days": -1}, "ahead only"),
        ({}, "ahead only"),
        ({"days": 1, "hours": -24}, "ahead only"),
        ({"days": 3_000_000}, "year 9999"),
    ],
)
def test_a_clock_that_can_not_be_moved_so(kms: LocalKms, step: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kms.clock.advance(**step)
    assert not kms.clock.moved


def test_a_moment_that_is_past_or_says_no_zone(kms: LocalKms) -> None:
    with pytest.raises(ValueError, match=r"ahead only, and it is 20.*Z already"):
        kms.clock.travel_to(datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="datetime with its time zone"):
        kms.clock.travel_to(datetime(2040, 1, 1))


# --- calls and faults


def test_calls_are_in_their_order_with_what_was_asked_and_answered(kms: LocalKms) -> None:
    key = kms.new_key()
    one = client(kms)
    one.ok("Encrypt", Version="2016-01-20", KeyId=key, Plaintext="aGk=")
    one.call("Decrypt", Version="2016-01-20", CiphertextBlob="bm8=")
    assert kms.calls == ["Encrypt", "Decrypt"]
    first, second = kms.calls
    assert first.parameters == {"KeyId": key, "Plaintext": "aGk="}
    assert (first.status, first.code, len(first.request_id)) == (200, "", 36)
    assert (second.status, second.code) == (400, "InvalidParameter")
    kms.calls.clear()
    one.ok("ListKeys", Version="2016-01-20")
    assert kms.calls.count("ListKeys") == 1


@pytest.mark.parametrize(
    ("plan", "status", "code"),
    [
        ({"status": 429}, 429, "Rejected.Throttling"),
        ({"status": 503}, 503, "ServiceUnavailableTemporary"),
        ({"status": 500}, 500, "InternalFailure"),
        ({"code": "Throttling.User"}, 400, "Throttling.User"),
        ({"code": "Throttling.User", "status": 503}, 503, "Throttling.User"),
        ({"code": "Forbidden.KeyNotFound"}, 404, "Forbidden.KeyNotFound"),
        ({"code": "Made.Up", "status": 418}, 418, "Made.Up"),
    ],
)
def test_a_planned_refusal(kms: LocalKms, plan: dict[str, object], status: int, code: str) -> None:
    one = client(kms)
    kms.fail("ListKeys", **plan)  # type: ignore[arg-type]
    assert kms.unmet() == [f"{status} {code} for ListKeys"]
    assert one.call("ListAliases", Version="2016-01-20")[0] == 200
    answered, members = one.call("ListKeys", Version="2016-01-20")
    assert (answered, members["Code"]) == (status, code)
    assert one.call("ListKeys", Version="2016-01-20")[0] == 200
    assert [(call, call.code) for call in kms.calls] == [
        ("ListAliases", ""),
        ("ListKeys", code),
        ("ListKeys", ""),
    ]
    assert kms.unmet() == []


def test_faults_are_met_in_their_order_as_often_as_was_planned(kms: LocalKms) -> None:
    one = client(kms)
    kms.fail(status=503, times=2)
    kms.fail("ListKeys", status=429, times=None)
    told = [one.call("ListKeys", Version="2016-01-20")[0] for _ in range(4)]
    assert told == [503, 503, 429, 429]
    assert one.call("ListAliases", Version="2016-01-20")[0] == 200
    assert kms.unmet() == []  # what is always so need not be met
    assert kms.call("ListKeys")["TotalCount"] == 0  # the test's own calls meet none
    kms.reset()
    assert one.call("ListKeys", Version="2016-01-20")[0] == 200


def test_a_slow_call_is_performed_late(kms: LocalKms) -> None:
    kms.slow("CreateKey", seconds=0.4)
    one = client(kms)
    done = threading.Thread(target=one.ok, args=("CreateKey",), kwargs={"Version": "2016-01-20"})
    began = time.monotonic()
    done.start()
    done.join()
    assert time.monotonic() - began >= 0.4
    assert kms.call("ListKeys")["TotalCount"] == 1


def test_a_connection_is_cut_before_or_after_the_effect(kms: LocalKms) -> None:
    for performed in (False, True):
        kms.cut("CreateKey", performed=performed)
        with pytest.raises((OSError, EOFError, Exception)) as cut:
            client(kms).call("CreateKey", Version="2016-01-20")
        assert not isinstance(cut.value, AssertionError)
        assert kms.call("ListKeys")["TotalCount"] == int(performed)
    assert [(call, call.status) for call in kms.calls] == [("CreateKey", 0), ("CreateKey", 0)]


@pytest.mark.parametrize(
    ("minutes", "code"),
    [(14, ""), (-14, ""), (16, "InvalidTimeStamp.Expired"), (-16, "InvalidTimeStamp.Expired")],
)
def test_a_clients_clock_that_is_off(kms: LocalKms, minutes: float, code: str) -> None:
    kms.clients_clock_is_off(minutes=minutes)
    assert client(kms).call("ListKeys", Version="2016-01-20")[1].get("Code", "") == code


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"action": "Encrpyt", "status": 503}, "did you mean 'Encrypt'"),
        ({"action": "zzz", "status": 503}, "there is no operation 'zzz'"),
        ({"status": 404}, "404 stands for more than one"),
        ({}, "name the refusal"),
        ({"code": "Throtling.User"}, "did you mean 'Throttling.User'"),
        ({"code": "zzz"}, "give its status"),
        ({"code": "Made.Up", "status": 200}, "from 400 to 599"),
        ({"status": 503, "times": 0}, "at least 1"),
    ],
)
def test_a_plan_that_can_not_apply(kms: LocalKms, plan: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kms.fail(**plan)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seconds must be"):
        kms.slow(seconds=-1)
    assert client(kms).call("ListKeys", Version="2016-01-20")[0] == 200


# --- its life


def test_reset_keeps_address_and_access_key_and_nothing_else(kms: LocalKms) -> None:
    one = client(kms)
    kms.new_key()
    kms.clock.advance(days=9)
    url, access_key = kms.url, kms.access_key
    kms.reset()
    assert (kms.url, kms.access_key, kms.clock.moved, kms.calls) == (url, access_key, False, [])
    assert one.ok("ListKeys", Version="2016-01-20")["TotalCount"] == 0


def test_a_seed_is_there_at_the_start_and_after_a_reset(tmp_path: Path) -> None:
    seed = tmp_path / "seed.toml"
    seed.write_text(f'region = "cn-beijing"\n{KEY}')
    with LocalKms(seed=seed) as kms:
        assert kms.region == "cn-beijing"
        for _ in range(2):
            assert kms.call("DescribeKey", KeyId="alias/work")["KeyMetadata"]["KeyId"] == "work"
            kms.reset()
    seed.write_text("[[key]]\n")
    with pytest.raises(OperatorError, match=r"seed\.toml"):
        LocalKms(seed=seed)


def test_it_ends_and_leaves_nothing_behind() -> None:
    kms = LocalKms()
    with pytest.raises(OperatorError, match="does not run"):
        kms.clock.advance(days=1)
    with kms:
        change = kms.environment({})
        made = Path(change.values["SSL_CERT_FILE"]).parent
        assert made.exists()
        with pytest.raises(RuntimeError, match="runs already"):
            kms.start()
    assert not made.exists()
    parts = urlsplit(kms.url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port or 0), 5)
    kms.stop()


def test_two_in_one_process_do_not_know_each_other(kms: LocalKms) -> None:
    with LocalKms() as other:
        key = kms.new_key()
        with pytest.raises(Refused, match=r"Forbidden\.KeyNotFound"):
            other.call("DescribeKey", KeyId=key)
        other.clock.advance(days=1)
        assert not kms.clock.moved


# --- clients


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_both_python_sdks(kms: LocalKms) -> None:
    from alibabacloud_kms20160120 import models
    from aliyunsdkkms.request.v20160120.EncryptRequest import EncryptRequest

    key = kms.new_key()
    asked = EncryptRequest()
    asked.set_KeyId(key)
    asked.set_Plaintext("aGk=")
    kms.classic_client().do_action_with_exception(asked)
    kms.client().encrypt(models.EncryptRequest(key_id=key, plaintext="aGk="))
    assert kms.calls == ["Encrypt", "Encrypt"]


def test_programs_in_its_environment_know_nothing_of_it(kms: LocalKms) -> None:
    program = (
        "import os\n"
        "from alibabacloud_kms20160120.client import Client\n"
        "from alibabacloud_kms20160120 import models\n"
        "from alibabacloud_tea_openapi.models import Config\n"
        "client = Client(Config(access_key_id=os.environ['ALIBABA_CLOUD_ACCESS_KEY_ID'],"
        " access_key_secret=os.environ['ALIBABA_CLOUD_ACCESS_KEY_SECRET'], endpoint='kms.cn-hangzhou.aliyuncs.com'))\n"
        "print(client.list_keys(models.ListKeysRequest()).body.total_count)\n"
    )
    kms.new_key()
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=kms.environment(os.environ).apply(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (told.stdout, told.returncode) == ("1\n", 0), told.stderr
    assert kms.calls == ["ListKeys"]


def test_commands_meet_faults_and_tell_those_for_now_by_their_status(
    kms: LocalKms, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"AccessKeyId": kms.access_key[0], "AccessKeySecret": kms.access_key[1]}))
    kms.fail("ListKeys", status=429)
    kms.fail("ListKeys", code="Forbidden.KeyNotFound")
    words = ["--endpoint", kms.url, "--access-key", str(key)]
    assert [cli.main(["kms", "ListKeys", *words]) for _ in range(3)] == [3, 4, 0]
    capsys.readouterr()
    assert cli.main(["kms", "CreateKey", "--DryRun", "true", *words]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "the call would have succeeded; nothing was changed\n")
    assert cli.main(["kms", "DisableKey", "--KeyId", "none", "--DryRun", "true", *words]) == 4


def test_a_slow_call_outlives_a_reset(kms: LocalKms) -> None:
    kms.slow("ListKeys", seconds=0.3)
    told: list[int] = []
    calling = threading.Thread(
        target=lambda: told.append(client(kms).call("ListKeys", Version="2016-01-20")[0])
    )
    calling.start()
    while not kms.calls:
        time.sleep(0.01)
    kms.reset()
    calling.join(20)
    assert told == [200]


def test_its_own_calls_are_checked_and_take_numbers(kms: LocalKms) -> None:
    key = kms.new_key(EnableAutomaticRotation=True, RotationInterval="365d")
    assert kms.call("DescribeKey", KeyId=key)["KeyMetadata"]["AutomaticRotation"] == "Enabled"
    kms.call("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    with pytest.raises(ValueError, match=r"CreateKey has no parameter 'keySpec'; did you mean 'KeySpec'\?"):
        kms.new_key(keySpec="RSA_2048")
    with pytest.raises(
        ValueError, match=r"there is no operation 'Describekey'; did you mean 'DescribeKey'\?"
    ):
        kms.call("Describekey")


@pytest.mark.parametrize("moment", ["2040-01-01", 2_000_000_000, date(2040, 1, 1)])
def test_a_moment_that_is_none(kms: LocalKms, moment: object) -> None:
    with pytest.raises(ValueError, match="a moment is a datetime with its time zone"):
        kms.clock.travel_to(moment)  # type: ignore[arg-type]


def test_a_step_is_of_a_unit(kms: LocalKms) -> None:
    began = kms.clock.time
    assert kms.clock.advance(timedelta(days=2), hours=1) - began >= timedelta(days=2, hours=1)
    for wrong in (7, 7.5, "7"):
        with pytest.raises(ValueError, match=r"advance\(days=7\), or a timedelta"):
            kms.clock.advance(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="year 9999"):
        kms.clock.advance(days=1e12)
    with pytest.raises(ValueError, match="ahead only"):
        kms.clock.advance(timedelta(days=-1))


@pytest.mark.parametrize("wrong", ["2", True, float("nan"), float("inf"), -0.1, None])
def test_times_and_seconds_are_numbers(kms: LocalKms, wrong: object) -> None:
    with pytest.raises(ValueError, match="seconds must be a number, 0 or more"):
        kms.slow(seconds=wrong)  # type: ignore[arg-type]
    if wrong is not None:
        with pytest.raises(ValueError, match="times must be a whole number, at least 1"):
            kms.cut(times=wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="a status is a whole number"):
            kms.fail(status=wrong)  # type: ignore[arg-type]
    if wrong != -0.1:
        with pytest.raises(ValueError, match="minutes must be a number"):
            kms.clients_clock_is_off(minutes=wrong)  # type: ignore[arg-type]
    assert client(kms).call("ListKeys", Version="2016-01-20")[0] == 200


def test_a_fault_behind_one_that_is_always_met(kms: LocalKms) -> None:
    kms.fail("Encrypt", status=503, times=None)
    with pytest.raises(
        ValueError, match="no call could meet this fault: all of them meet an earlier one, 503 Serv"
    ):
        kms.slow("Encrypt", seconds=1)
    kms.slow("Decrypt", seconds=0)
    kms.cut()  # other calls than Encrypt
    kms.slow(seconds=0, times=None)
    with pytest.raises(ValueError, match="slow for any call, times=None"):
        kms.fail("ListKeys", status=429)
    kms.forget()
    kms.fail("ListKeys", status=429)
    kms.slow("ListKeys", seconds=0)
    assert client(kms).call("ListKeys", Version="2016-01-20")[0] == 429


def test_calls_and_faults_of_sts(kms: LocalKms) -> None:
    assert kms.call("GetCallerIdentity")["AccountId"] == kms.account
    kms.fail("GetCallerIdentity", status=503)
    assert client(kms).call("GetCallerIdentity", Version="2015-04-01")[0] == 503
    assert kms.calls == ["GetCallerIdentity"]
    with pytest.raises(ValueError, match="there is no operation 'CreateAccount'"):
        kms.call("CreateAccount")


def test_imported_material_expires_when_its_time_has_come(kms: LocalKms) -> None:
    key = kms.new_key(Origin="EXTERNAL")
    given = kms.call(
        "GetParametersForImport",
        KeyId=key,
        WrappingAlgorithm="RSAES_OAEP_SHA_256",
        WrappingKeySpec="RSA_2048",
    )
    public = serialization.load_der_public_key(base64.b64decode(given["PublicKey"]))
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    kms.call(
        "ImportKeyMaterial",
        KeyId=key,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=base64.b64encode(public.encrypt(bytes(32), oaep)).decode(),
        KeyMaterialExpireUnix=int((kms.clock.time + timedelta(days=30)).timestamp()),
    )
    kms.clock.advance(days=29)
    assert kms.call("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    kms.clock.advance(days=1, seconds=1)
    assert kms.call("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"


# --- misuse


def test_a_server_that_does_not_run_says_so_whatever_is_asked_of_it() -> None:
    kms = LocalKms()
    uses: list[Callable[[], object]] = [
        kms.new_key,
        kms.client,
        kms.classic_client,
        kms.environment,
        kms.patched_environment,
        kms.reset,
        lambda: kms.clock.advance(days=1),
    ]
    for use in uses:
        with pytest.raises(OperatorError, match="this server does not run") as refused:
            use()
        assert refused.value.__notes__ == ["hint: start it first, or use it in a with statement"]
    with kms:
        kms.client()
    with pytest.raises(OperatorError, match="this server does not run"):
        kms.client()
    assert kms.start().new_key()
    kms.stop()


def test_a_region_that_is_none() -> None:
    with pytest.raises(OperatorError, match="'XX bad' is not a region") as caught:
        LocalKms(region="XX bad")
    assert caught.value.hint == f"a region is {REGION.words}"


def test_a_client_without_its_package(kms: LocalKms, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("aliyunsdkcore.client", "alibabacloud_kms20160120.client"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OperatorError, match="a client needs its package") as refused:
        kms.client()
    assert refused.value.hint == "pip install alibabacloud_kms20160120"
    with pytest.raises(OperatorError, match="a client needs its package") as refused:
        kms.classic_client()
    assert refused.value.hint == "pip install aliyun-python-sdk-core aliyun-python-sdk-kms"


def test_the_environment_of_this_process_is_put_back(kms: LocalKms, monkeypatch: pytest.MonkeyPatch) -> None:
    import certifi
    import requests

    monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "mine")
    before, where = dict(os.environ), certifi.where()
    with pytest.raises(RuntimeError, match="of the test"), kms.patched_environment():
        assert "ALIBABA_CLOUD_SECURITY_TOKEN" not in os.environ
        url = "https://kms.cn-hangzhou.aliyuncs.com/?Action=ListKeys"
        assert requests.get(url, timeout=30).json()["Code"] == "MissingParameter"
        raise RuntimeError("of the test")
    assert (dict(os.environ), certifi.where()) == (before, where)


def test_what_is_always_so_is_to_be_met_once(kms: LocalKms) -> None:
    kms.fail("ListKeys", status=503, times=None)
    assert kms.unmet() == ["503 ServiceUnavailableTemporary for ListKeys"]
    assert client(kms).call("ListKeys", Version="2016-01-20")[0] == 503
    assert kms.unmet() == []


def test_a_proxy_that_cannot_be_used_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with LocalKms() as kms:
        with pytest.warns(
            UserWarning, match="the proxy that is set is a socks5 proxy, which cannot be"
        ) as seen:
            kms.environment()
        assert seen[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kms.environment()  # once
        with pytest.warns(UserWarning, match="JAVA_TOOL_OPTIONS cannot be read") as seen:
            kms.environment({"JAVA_TOOL_OPTIONS": "-Djavax.net.ssl.trustStore=/none.p12"})
        assert len(seen) == 1


USERS = """
[[policy]]
name = "encrypt"
document = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}]}'
[[user]]
name = "ann"
policies = ["encrypt"]
[[user]]
name = "bob"
[[user.access_key]]
id = "LTAIBOB"
secret = "secret-of-bob"
"""


def test_users_of_the_seed_have_their_rights_each_time(tmp_path: Path) -> None:
    (tmp_path / "seed.toml").write_text(KEY + USERS)
    with LocalKms(seed=tmp_path / "seed.toml") as kms:
        for _ in range(2):
            ann = Client(kms.url, None, kms.access_key_of("ann"))
            assert kms.access_key_of("ann") == ann.access_key
            sealed = ann.ok("Encrypt", KeyId="alias/work", Plaintext="x")["CiphertextBlob"]
            assert ann.call("Decrypt", CiphertextBlob=sealed)[1]["Code"] == "Forbidden.NoPermission"
            assert kms.access_key_of("bob") == ("LTAIBOB", "secret-of-bob")
            bob = Client(kms.url, None, kms.access_key_of("bob"))
            assert bob.call("Encrypt", KeyId="alias/work", Plaintext="x")[0] == 403
            assert kms.calls[-1].code == "Forbidden.NoPermission"
            ann.close()
            bob.close()
            kms.reset()
        with pytest.raises(Refused, match="The user does not exist"):
            kms.access_key_of("eve")
