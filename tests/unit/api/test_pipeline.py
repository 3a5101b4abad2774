import json
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from keystead.api.authorization import Authorizer
from keystead.api.http import receive, signature
from keystead.api.http.message import Channel, HttpRequest
from keystead.api.operation import CATALOGUE, Call, operation
from keystead.api.slow import Attempt, Slow
from keystead.api.wire_types import Boolean, Empty, NewAliasName, Request
from keystead.domain.accounts import AccessKey, AccessKeyStatus, Account
from keystead.domain.keys.aliases import Alias
from keystead.domain.products import KMS
from keystead.errors import NoPermission, OperatorError
from keystead.store.ports import StoreFailure
from tests.harness import Service, sign_acs3, sign_v1


def code(service: Service, request: HttpRequest) -> str:
    return service.answer(request)[0].code


def test_a_call_is_recorded_with_what_it_was_and_without_its_secrets() -> None:
    service = Service()
    key_id = service.key()
    service.ok("Encrypt", KeyId=key_id, Plaintext="canary", EncryptionContext='{"a":"b"}')
    record = service.records[-1]
    assert (record.kind, record.product, record.version, record.action) == (
        "ApiCall",
        "Kms",
        "2016-01-20",
        "Encrypt",
    )
    assert (record.account, record.principal, record.caller_type) == (
        service.account,
        service.account,
        "root-account",
    )
    assert (record.access_key_id, record.source, record.tls) == (
        service.access_key[0],
        "127.0.0.1",
        "TLSv1.3",
    )
    assert (record.host, record.user_agent, record.region) == ("localhost:8443", "tests", "cn-hangzhou")
    assert (record.status, record.code, record.time) == (200, "", 1767323045000)
    assert json.loads(record.resources) == [f"acs:kms:cn-hangzhou:{service.account}:key/{key_id}"]
    assert json.loads(record.parameters) == {"KeyId": key_id, "EncryptionContext": '{"a":"b"}'}


def test_a_created_keys_arn_is_recorded() -> None:
    service = Service()
    key_id = service.key()
    assert json.loads(service.records[-1].resources)[-1].endswith(f":key/{key_id}")


def test_a_refused_call_is_recorded() -> None:
    service = Service()
    assert service.refused("DescribeKey", KeyId="nowhere") == "Forbidden.KeyNotFound"
    assert (service.records[-1].status, service.records[-1].code) == (404, "Forbidden.KeyNotFound")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"Action": "Nonsense<script>"}, "InvalidAction.NotFound"),
        ({"Action": "ListKeys", "Version": "2014-01-01"}, "InvalidVersion"),
        ({"Action": "ListKeys", "RegionId": "NOWHERE"}, "InvalidParameter"),
        ({"Action": "ListKeys", "PageSize": "many"}, "InvalidParameter"),
    ],
)
def test_nonsense_gets_a_code_and_a_record(parameters: dict[str, str], expected: str) -> None:
    service = Service()
    assert code(service, service.request("", parameters)) == expected
    record = service.records[-1]
    assert record.code == expected
    assert "<" not in record.action


def test_without_action_or_version_the_missing_one_is_named() -> None:
    service = Service()
    request = service.request("", {"Version": "2016-01-20"})
    assert (
        json.loads(service.send(request).body)["Message"]
        == 'The parameter "Action" is needed but not provided.'
    )


def test_what_nobody_signed_is_not_recorded() -> None:
    service = Service()
    for request in (
        HttpRequest(method="POST", target="/", headers={}),
        HttpRequest(method="POST", target="/?a=%", headers={}),
        HttpRequest(method="POST", target="/elsewhere", headers={}),
    ):
        assert not service.answer(request)[0].recorded
    wrong = service.request("ListKeys", access_key=(service.access_key[0], "wrong"))
    assert code(service, wrong) == "SignatureDoesNotMatch"
    assert service.records == []
    assert service.store.nonces.horizon() == 0


def test_a_wrong_signature_does_not_use_up_the_nonce() -> None:
    service = Service()
    right = service.request("ListKeys")
    service._nonce -= 1
    wrong = service.request("ListKeys", access_key=(service.access_key[0], "wrong"))
    assert code(service, wrong) == "SignatureDoesNotMatch"
    assert code(service, right) == ""


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(method: str) -> None:
    request = HttpRequest(method=method, target="/?Action=ListKeys", headers={})
    response = Service().send(request)
    assert (response.status, json.loads(response.body)["Code"]) == (403, "UnsupportedHTTPMethod")


def test_a_request_is_accepted_once_however_many_copies_arrive_at_once() -> None:
    service = Service()
    request = service.request("ListKeys")
    codes = [answer.code for answer in service.answer(*[request] * 32)]
    assert sorted(codes) == ["", *["SignatureNonceUsed"] * 31]
    assert code(service, request) == "SignatureNonceUsed"
    assert len(service.records) == 33


@pytest.mark.parametrize(("seconds", "expected"), [(900, ""), (901, "InvalidTimeStamp.Expired")])
def test_a_stale_or_early_request_is_refused_and_recorded(seconds: int, expected: str) -> None:
    for direction in (1, -1):
        service = Service()
        request = service.request("ListKeys")
        service.clock.advance(direction * seconds)
        assert code(service, request) == expected
        assert service.records[-1].code == expected


@pytest.mark.parametrize("length", [100, 70_000])
def test_a_long_request_is_verified_like_a_short_one_once_its_sender_is_known(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service()
    service.ok("ListKeys")  # from here on the secret is at hand
    request = service.request("CreateKey", {"Description": "d" * length})
    asked = receive.receive(request)
    assert asked.claims is not None
    assert (asked.claims.signed == b"") == (length > 65_536)
    assert (service.pipeline.prepare(asked).signed_with is None) == (length > 65_536)
    assert code(service, request) == ("" if length <= 8192 else "InvalidParameter")
    wrong = service.request(
        "CreateKey", {"Description": "d" * length}, access_key=(service.access_key[0], "wrong")
    )
    assert code(service, wrong) == "SignatureDoesNotMatch"


def test_what_goes_wrong_before_a_calls_turn_is_its_own_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    service.ok("ListKeys")
    asked = receive.receive(service.request("ListKeys"))
    monkeypatch.setattr(signature, "verify", lambda *_: 1 / 0)
    assert service.pipeline.prepare(asked).signed_with is None


def test_an_unknown_access_key_is_named_as_such() -> None:
    service = Service()
    assert (
        code(service, service.request("ListKeys", access_key=("LTAIx", "y"))) == "InvalidAccessKeyId.NotFound"
    )


def test_a_security_token_is_refused() -> None:
    service = Service()
    assert (
        code(service, service.request("ListKeys", {"SecurityToken": "t"})) == "InvalidSecurityToken.Malformed"
    )


def test_an_access_key_deactivated_in_the_same_batch_is_refused() -> None:
    service = Service()
    body = {"Action": "UpdateAccessKey", "AccessKeyId": service.access_key[0], "Status": "Inactive"}
    operate = HttpRequest(
        method="POST",
        target="/",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode({**body, "Version": "2026-11-24"}).encode(),
        channel=Channel.CONTROL,
    )
    answers = service.answer(service.request("ListKeys"), operate, service.request("ListKeys"))
    assert [answer.code for answer in answers] == ["", "", "Forbidden.AccessKey"]


def inactive(service: Service) -> None:
    assert service.operate("UpdateAccessKey", AccessKeyId=service.access_key[0], Status="Inactive")[0] == 200


def test_what_an_inactive_access_key_asked_for_is_recorded() -> None:
    service = Service()
    key_id = service.key()
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/web")
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="canary")["CiphertextBlob"]
    inactive(service)
    key = f"acs:kms:cn-hangzhou:{service.account}:key/{key_id}"
    for action, parameters, recorded, resources in (
        ("Encrypt", {"KeyId": "alias/web", "Plaintext": "canary"}, {"KeyId": "alias/web"}, [key]),
        ("Decrypt", {"CiphertextBlob": blob}, {}, [key]),
        ("DisableKey", {"KeyId": key_id}, {"KeyId": key_id}, [key]),
        ("ListKeys", {}, {}, None),
        # What is wrong with the call itself is not told, but it is recorded as it was asked.
        ("Decrypt", {"CiphertextBlob": "YmxvYg=="}, {}, []),
        ("DescribeKey", {"KeyId": "nowhere"}, {"KeyId": "nowhere"}, []),
        ("Encrypt", {"KeyId": key_id}, {"KeyId": key_id}, []),
    ):
        assert service.refused(action, **parameters) == "Forbidden.AccessKey"
        record = service.records[-1]
        assert (record.action, record.code, record.status) == (action, "Forbidden.AccessKey", 403)
        assert (record.access_key_id, record.product) == (service.access_key[0], "Kms")
        assert json.loads(record.parameters) == recorded
        if resources is not None:
            assert json.loads(record.resources) == resources
    assert service.refused("Nonsense") == "Forbidden.AccessKey"
    assert (service.records[-1].action, service.records[-1].resources) == ("Nonsense", "[]")
    assert service.store.keys.get(service.account, "cn-hangzhou", key_id).state == "Enabled"  # type: ignore[union-attr]
    assert "canary" not in str(service.records)


def test_every_recorded_refusal_says_what_it_was_about() -> None:
    service = Service()
    key_id = service.key()
    request = service.request("Encrypt", {"KeyId": key_id, "Plaintext": "p"})
    assert code(service, request) == ""
    codes = [code(service, request)]
    codes.append(code(service, service.request("DescribeKey", {"KeyId": key_id, "SecurityToken": "t"})))
    late = service.request("DescribeKey", {"KeyId": key_id, "RegionId": "cn-beijing"})
    service.clock.advance(901)
    codes.append(code(service, late))
    assert codes == ["SignatureNonceUsed", "InvalidSecurityToken.Malformed", "InvalidTimeStamp.Expired"]
    told = [(one.action, one.region, json.loads(one.resources)) for one in service.records[-3:]]
    key = [f"acs:kms:cn-hangzhou:{service.account}:key/{key_id}"]
    assert told == [
        ("Encrypt", "cn-hangzhou", key),
        ("DescribeKey", "cn-hangzhou", key),
        ("DescribeKey", "cn-beijing", []),
    ]


def test_nobodys_calls_are_not_recorded_and_their_answers_say_for_the_log_what_they_claimed() -> None:
    service = Service()
    secret, known = service.access_key[1], service.access_key[0]
    unknown = "LTAI5tUnknown" + "0" * 11
    records = len(service.records)
    wrong = service.request("ListKeys", access_key=(known, "wrong"))
    bare = HttpRequest(method="GET", target="/?Action=ListKeys", headers={}, source="192.0.2.7")
    acs3 = sign_acs3(
        {"host": "h", "x-acs-action": "ListKeys", "x-acs-version": "2016-01-20"},
        (secret, known),
        query={},
        timestamp="2026-01-02T03:04:05Z",
        nonce="n",
    )
    for request, refusal, claimed in (
        (wrong, "SignatureDoesNotMatch", known),
        (service.request("ListKeys", access_key=(unknown, "x")), "InvalidAccessKeyId.NotFound", unknown),
        (service.request("ListKeys", access_key=(secret, known)), "InvalidAccessKeyId.NotFound", "malformed"),
        (service.request("ListKeys", access_key=("a\nb", "x")), "InvalidAccessKeyId.NotFound", "malformed"),
        (HttpRequest(method="POST", target="/", headers=acs3), "InvalidAccessKeyId.NotFound", "malformed"),
        (bare, "MissingParameter", "none"),
        (
            HttpRequest(method="GET", target=f"/?AccessKeyId={unknown}", headers={}),
            "MissingParameter",
            unknown,
        ),
        (
            HttpRequest(method="GET", target=f"/?AccessKeyId={secret}", headers={}),
            "MissingParameter",
            "malformed",
        ),
        (
            HttpRequest(
                method="GET",
                target="/",
                headers={"authorization": f"ACS3-HMAC-SHA256 Credential={unknown},SignedHeaders=x"},
            ),
            "IncompleteSignature",
            unknown,
        ),
        (
            HttpRequest(method="GET", target="/", headers={"authorization": f"Bearer {secret}"}),
            "IncompleteSignature",
            "none",
        ),
        (HttpRequest(method="GET", target="/elsewhere", headers={}), "InvalidAction.NotFound", "none"),
    ):
        (answer,) = service.answer(request)
        assert (answer.code, answer.recorded, answer.access_key_id) == (refusal, False, claimed)
        assert answer.source == request.source
    assert len(service.records) == records


def test_a_short_id_of_the_store_is_named_when_its_signature_is_wrong() -> None:
    service = Service()
    pair = another_account(service)
    (answer,) = service.answer(service.request("ListKeys", access_key=(pair[0], "wrong")))
    assert answer.access_key_id == pair[0]


def test_the_last_use_is_kept_to_within_five_minutes() -> None:
    service = Service()

    def last_used() -> int:
        found = service.store.accounts.access_key(service.access_key[0])
        assert found is not None
        return found.last_used

    start = int(service.clock.now())
    assert last_used() == 0
    service.ok("ListKeys")
    assert last_used() == start
    service.clock.advance(299)
    service.ok("ListKeys")
    assert last_used() == start
    service.clock.advance(1)
    service.refused("DescribeKey", KeyId="nowhere")  # it is a use all the same
    assert last_used() == start + 300
    service.clock.advance(300)
    assert code(service, service.request("ListKeys", access_key=(service.access_key[0], "wrong"))) != ""
    assert last_used() == start + 300
    service.clock.advance(-1000)  # the clock had run ahead
    service.ok("ListKeys")
    assert last_used() == start - 400
    service.clock.advance(1000)
    inactive(service)
    service.refused("ListKeys")
    assert last_used() == start - 400


def test_a_call_that_waits_for_slow_work_writes_its_last_use_with_its_record() -> None:
    service = Service()
    prepared = service.pipeline.prepare(receive.receive(service.request("CreateKey", {"KeySpec": "EC_P256"})))
    attempt = Attempt()
    for passes in (1, 2):
        service.store.begin()
        batch = service.pipeline.open_batch()
        try:
            service.pipeline.answer(batch, prepared, attempt)
        except Slow as slow:
            assert (passes, batch.empty) == (1, True)
            attempt.remember(slow, slow.run())
        batch.write()
        service.store.commit()
        found = service.store.accounts.access_key(service.access_key[0])
        assert found is not None
        assert found.last_used == {1: 0, 2: int(service.clock.now())}[passes]


def test_an_operator_is_the_user_at_the_other_end_of_the_control_socket() -> None:
    service = Service()
    body = urlencode({"Action": "ListAccessKeys", "Version": "2026-11-24"}).encode()
    for user, principal in (("alice", "alice"), ("", "operator")):
        request = HttpRequest(
            method="POST",
            target="/",
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=body,
            source="unix:1000",
            user=user,
            channel=Channel.CONTROL,
        )
        assert code(service, request) == ""
        record = service.records[-1]
        assert (record.principal, record.caller_type, record.source) == (principal, "operator", "unix:1000")


def test_nobody_is_an_operator_over_the_network() -> None:
    service = Service()
    request = msgspec.structs.replace(service.request("ListKeys"), user="root")
    assert code(service, request) == ""
    assert (service.records[-1].principal, service.records[-1].caller_type) == (
        service.account,
        "root-account",
    )


def test_a_bug_answers_internal_failure_and_is_recorded_and_undone() -> None:
    service = Service()
    key_id = service.key()

    class NoRequest(Request, frozen=True):
        alias_name: NewAliasName

    @operation(changes=True)
    def break_down(call: Call, request: NoRequest) -> Empty:
        """Break down half-way."""
        call.store.aliases.add(
            Alias(account=call.account, region=call.region, name=request.alias_name, key_id=key_id, created=0)
        )
        raise ZeroDivisionError("canary")

    found = CATALOGUE.find(KMS.version, "BreakDown")
    assert found is not None
    try:
        (answer,) = service.answer(service.request("BreakDown", {"AliasName": "alias/a"}))
        assert answer.response.status == 500
        assert isinstance(answer.fault, ZeroDivisionError)
        assert b"canary" not in answer.response.body
        assert service.records[-1].code == "InternalFailure"
        assert service.store.aliases.get(service.account, "cn-hangzhou", "alias/a") is None
    finally:
        CATALOGUE.remove(found)


def test_a_dry_run_of_a_change_is_undone() -> None:
    service = Service()
    key_id = service.key()

    class DryRequest(Request, frozen=True):
        alias_name: NewAliasName
        dry_run: Boolean = False

    @operation(changes=True)
    def name_nothing(call: Call, request: DryRequest) -> Empty:
        """Name nothing."""
        call.store.aliases.add(
            Alias(account=call.account, region=call.region, name=request.alias_name, key_id=key_id, created=0)
        )
        return Empty()

    found = CATALOGUE.find(KMS.version, "NameNothing")
    assert found is not None
    try:
        assert service.refused("NameNothing", AliasName="alias/a", DryRun="true") == "DryRunOperationError"
        assert service.store.aliases.get(service.account, "cn-hangzhou", "alias/a") is None
        service.ok("NameNothing", AliasName="alias/a")
        assert service.store.aliases.get(service.account, "cn-hangzhou", "alias/a") is not None
        assert service.refused("NameNothing", AliasName="alias/a", DryRun="true") == "ValidationError"
    finally:
        CATALOGUE.remove(found)


def test_a_dry_run_that_is_denied_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> None:
        raise NoPermission(about="", detail=None)

    service = Service()
    key_id = service.key()
    monkeypatch.setattr(Authorizer, "authorize", deny)
    status, members = service.call("Encrypt", KeyId=key_id, Plaintext="x", DryRun="true")
    assert (status, members["Code"]) == (403, "AccessDeniedError")
    assert service.refused("Encrypt", KeyId=key_id, Plaintext="x") == "Forbidden.NoPermission"


def test_a_failing_store_fails_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()

    def broken(*_: object) -> None:
        raise StoreFailure("disk full")

    monkeypatch.setattr(service.store.keys, "get", broken)
    with pytest.raises(StoreFailure):
        service.call("DescribeKey", KeyId="k")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("{key}", ""),
        ("alias/mine", ""),
        ("acs:kms:cn-hangzhou:{account}:key/{key}", ""),
        ("acs:kms:cn-hangzhou:{account}:alias/mine", ""),
        ("acs:kms:cn-hangzhou:2000000000000002:key/{key}", "Forbidden.KeyNotFound"),
        ("acs:kms:cn-beijing:{account}:key/{key}", "Forbidden.KeyNotFound"),
        ("acs:kms:cn-hangzhou:2000000000000002:alias/mine", "Forbidden.AliasNotFound"),
        ("alias/other", "Forbidden.AliasNotFound"),
        ("alias/acs/none", "Forbidden.AliasNotFound"),
        ("nowhere", "Forbidden.KeyNotFound"),
        ("acs:kms:cn-hangzhou:{account}:secret/s", "InvalidParameter"),
    ],
)
def test_key_references(reference: str, expected: str) -> None:
    service = Service()
    key_id = service.key()
    service.ok("CreateAlias", AliasName="alias/mine", KeyId=key_id)
    named = reference.format(key=key_id, account=service.account)
    for action, more in (("DescribeKey", {}), ("Encrypt", {"Plaintext": "x"}), ("GenerateDataKey", {})):
        status, members = service.call(action, KeyId=named, **more)
        assert members.get("Code", "") == expected
        assert (status == 200) == (expected == "")


@pytest.mark.memory("a database keeps no alias without its key")
def test_an_alias_whose_key_is_gone_finds_nothing() -> None:
    service = Service()
    service.store.begin()
    service.store.aliases.add(
        Alias(account=service.account, region="cn-hangzhou", name="alias/a", key_id="gone", created=0)
    )
    service.store.commit()
    assert service.refused("DescribeKey", KeyId="alias/a") == "Forbidden.AliasNotFound"


def test_a_version_whose_key_is_gone_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    blob = service.ok("Encrypt", KeyId=service.key(), Plaintext="x")["CiphertextBlob"]
    monkeypatch.setattr(service.store.keys, "get", lambda *_: None)
    assert service.refused("Decrypt", CiphertextBlob=blob) == "InvalidParameter"


def test_action_and_version_may_come_in_signed_headers() -> None:
    service = Service()
    named = {"host": "h", "x-acs-action": "ListKeys", "x-acs-version": "2016-01-20"}
    headers = sign_acs3(
        named, service.access_key, query={"PageSize": "1"}, timestamp="2026-01-02T03:04:05Z", nonce="n"
    )
    response = service.send(HttpRequest(method="POST", target="/?PageSize=1", headers=headers))
    assert (response.status, json.loads(response.body)["PageSize"]) == (200, 1)


@pytest.mark.parametrize("name", ["Action", "Version"])
def test_an_unsigned_header_does_not_say_what_a_call_does(name: str) -> None:
    service = Service()
    signed = sign_v1(
        {"Action": "ListKeys", name: ""}, service.access_key, timestamp="2026-01-02T03:04:05Z", nonce="n"
    )
    headers = {"host": "h", "x-acs-action": "ListKeys", "x-acs-version": "2016-01-20"}
    request = HttpRequest(method="POST", target=f"/?{urlencode(signed)}", headers=headers)
    assert code(service, request) == "MissingParameter"


def test_an_answer_that_xml_cannot_carry_has_no_effect() -> None:
    service = Service()
    request = service.request("CreateKey", {"Description": "a\x01", "Format": "XML"})
    response = service.send(request)
    assert (response.status, response.content_type) == (400, "text/xml;charset=utf-8")
    assert service.records[-1].code == "InvalidParameter"
    assert service.ok("ListKeys")["TotalCount"] == 0


def test_a_dry_run_in_a_malformed_region_says_what_would_have_happened() -> None:
    service = Service()
    status, members = service.call("Encrypt", KeyId="k", Plaintext="x", DryRun="true", RegionId="NO WHERE")
    assert (status, members["Code"]) == (400, "ValidationError")
    assert 'InvalidParameter: The specified parameter "RegionId"' in members["Message"]


def test_a_flattened_context_is_recorded() -> None:
    service = Service()
    service.ok("Encrypt", KeyId=service.key(), Plaintext="x", **{"EncryptionContext.a": "b"})
    assert json.loads(service.records[-1].parameters)["EncryptionContext.a"] == "b"


def test_a_damaged_access_key_costs_its_neighbours_nothing() -> None:
    service = Service()
    row = service.store.accounts.access_key(service.access_key[0])
    assert row is not None
    service.store.begin()
    service.store.accounts.add_access_key(msgspec.structs.replace(row, access_key_id="LTAImoved"))
    service.store.commit()
    broken, fine = service.answer(
        service.request("ListKeys", access_key=("LTAImoved", service.access_key[1])),
        service.request("ListKeys"),
    )
    assert (broken.code, broken.response.status, broken.recorded) == ("InternalFailure", 500, False)
    assert isinstance(broken.fault, OperatorError)
    assert fine.code == ""


def test_a_store_that_fails_while_the_caller_is_looked_up_fails_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = Service()

    def broken(*_: object) -> None:
        raise StoreFailure("disk full")

    monkeypatch.setattr(service.store.accounts, "access_key", broken)
    with pytest.raises(StoreFailure):
        service.call("ListKeys")


def another_account(service: Service) -> tuple[str, str]:
    """An AccessKey of a second account in the same store."""
    account = "2000000000000002"
    service.store.begin()
    service.store.accounts.add(Account(account_id=account, created=0))
    secret, wrapped = service.world.vault.make_secret(account, "LTAIother")
    service.store.accounts.add_access_key(
        AccessKey(
            access_key_id="LTAIother",
            account=account,
            status=AccessKeyStatus.ACTIVE,
            created=0,
            secret=wrapped,
        )
    )
    service.store.commit()
    return "LTAIother", secret


def test_another_accounts_things_are_not_there() -> None:
    service = Service()
    other = another_account(service)

    def as_other(action: str, **parameters: str) -> tuple[int, dict[str, Any]]:
        response = service.send(service.request(action, parameters, access_key=other))
        return response.status, json.loads(response.body)

    metadata = service.ok("CreateKey")["KeyMetadata"]
    key_id = metadata["KeyId"]
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/a")
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    for reference in (key_id, metadata["Arn"]):
        assert as_other("DescribeKey", KeyId=reference)[1]["Code"] == "Forbidden.KeyNotFound"
        assert as_other("DisableKey", KeyId=reference)[1]["Code"] == "Forbidden.KeyNotFound"
    for reference in ("alias/a", metadata["Arn"].replace(f"key/{key_id}", "alias/a")):
        assert as_other("Encrypt", KeyId=reference, Plaintext="x")[1]["Code"] == "Forbidden.AliasNotFound"
    assert as_other("DeleteAlias", AliasName="alias/a")[1]["Code"] == "Forbidden.AliasNotFound"
    assert as_other("ListKeys")[1]["TotalCount"] == as_other("ListAliases")[1]["TotalCount"] == 0
    tampered = as_other("Decrypt", CiphertextBlob=blob[:-8] + "AAAAAAA=")
    for state in ("EnableKey", "DisableKey"):
        service.ok(state, KeyId=key_id)
        status, members = as_other("Decrypt", CiphertextBlob=blob)
        assert (status, members["Message"]) == (tampered[0], tampered[1]["Message"])
    assert service.records[-1].account == "2000000000000002"
    assert service.records[-1].resources == "[]"
