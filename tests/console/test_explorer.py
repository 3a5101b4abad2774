"""The API explorer: a form for every operation, made from the catalogue."""

import base64
import json
import re

import pytest

from keystead.api.catalogue import CATALOGUE, Operation
from keystead.console.explored import PRODUCTS
from tests.console.browser import Browser, Shown
from tests.harness import Service
from tests.ram import Ram, allow

OPERATIONS = [one for product in PRODUCTS.values() for one in CATALOGUE.of(product)]
REFUSED_BY_DESIGN = {"GetChallenge", "OpenKmsService"}


def _path(operation: Operation) -> str:
    return f"/explorer/{operation.product.name.lower()}/{operation.action}"


def _enabled(shown: Shown) -> bool:
    return '<button class="primary">Call</button>' in shown.html


def test_every_operation_has_a_form_with_each_of_its_parameters(owner: Browser) -> None:
    index = owner.get("/explorer")
    for operation in OPERATIONS:
        assert f'href="/console{_path(operation)}"' in index.html
        shown = owner.get(_path(operation))
        assert shown.status == 200
        for field in operation.fields:
            assert (f'name="{field.name}"' in shown.html) == (field.name != "DryRun"), operation.action
        assert _enabled(shown)
        assert ('name="confirm_code"' in shown.html) == (operation.confirmed and not _confirmed(owner))


def _confirmed(browser: Browser) -> bool:
    return 'name="confirm_code"' not in browser.get("/explorer/ram/DeleteUser").html


class _Denied:
    """A person who may do everything but some actions."""

    def __init__(self) -> None:
        self.service = Service()
        self._ram = Ram(self.service)
        self._ram.user("ann", allow("*"))
        self.browser = Browser(self.service)
        self.browser.sign_in("ann")

    def deny(self, actions: list[str]) -> None:
        document = allow("*")
        document["Statement"] += [{"Effect": "Deny", "Action": actions, "Resource": "*"}]  # type: ignore[operator]
        self._ram.ok(
            "CreatePolicyVersion",
            PolicyName="ann-0",
            PolicyDocument=json.dumps(document),
            SetAsDefault="true",
            RotateStrategy="DeleteOldestNonDefaultVersionWhenLimitExceeded",
        )


@pytest.fixture(scope="module")
def denied() -> _Denied:
    return _Denied()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.product.name}-{one.action}")
def test_without_the_permission_nothing_is_enabled_and_a_forged_call_is_refused(
    denied: _Denied, operation: Operation
) -> None:
    if operation.free or operation.own:
        return
    denied.deny(_actions(operation))
    shown = denied.browser.get(_path(operation))
    assert not _enabled(shown), operation.action
    assert any(f"Needs the permission {action}" in shown.text for action in _actions(operation))
    before = len(denied.service.records)
    forged = denied.browser.post(_path(operation), {})
    assert forged.status >= 400
    assert operation.action in [record.action for record in denied.service.records[before:]]


def _actions(operation: Operation) -> list[str]:
    return sorted(
        {operation.action_on(field.param.role) for field in operation.roles} | {operation.action_on()}
    )


def _answer(shown: Shown, name: str = "answer") -> dict[str, object]:
    import html

    found = re.search(rf'<pre id="{name}"[^>]*>(.*?)</pre>', shown.html, re.DOTALL)
    assert found is not None, shown.text
    answer: dict[str, object] = json.loads(html.unescape(found[1]))
    return answer


def test_a_call_and_its_answer(service: Service, owner: Browser) -> None:
    shown = owner.post("/explorer/kms/CreateKey", {"Description": "made by hand", "KeySpec": "EC_P256"})
    metadata = _answer(shown)["KeyMetadata"]
    assert isinstance(metadata, dict)
    assert service.ok("DescribeKey", KeyId=metadata["KeyId"])["KeyMetadata"]["Description"] == "made by hand"
    assert "--KeySpec EC_P256" in shown.text
    assert '"KeySpec", "EC_P256"' in shown.text


def test_a_list_is_written_a_line_each(service: Service, owner: Browser) -> None:
    one, two = service.key(), service.key()
    shown = owner.post(
        "/explorer/kms/TagResources",
        {
            "RegionId": service.region,
            "ResourceType": "key",
            "ResourceId": f"{one}\r\n\r\n {two} ",
            "Tag": "team=blue=green\r\nstage",
        },
    )
    assert shown.status == 200, shown.text
    tags = service.ok("ListResourceTags", KeyId=two)["Tags"]["Tag"]
    assert {tag["TagKey"]: tag["TagValue"] for tag in tags} == {"team": "blue=green", "stage": ""}


def test_a_dry_run_changes_nothing(service: Service, owner: Browser) -> None:
    before = service.ok("ListKeys")["TotalCount"]
    shown = owner.post("/explorer/kms/CreateKey", {"do": "dry"})
    assert "would have succeeded; nothing was changed" in shown.text
    assert service.ok("ListKeys")["TotalCount"] == before


def test_a_refusal_keeps_what_was_typed_and_marks_the_field(service: Service, owner: Browser) -> None:
    shown = owner.post("/explorer/kms/Encrypt", {"KeyId": "no such", "Plaintext": "word"})
    assert shown.status == 400
    assert 'id="KeyId-error"' in shown.html
    assert 'value="no such"' in shown.html
    assert "InvalidParameter" in shown.text


def test_secrets_are_shown_on_demand_and_what_was_sent_is_not_shown_again(
    service: Service, owner: Browser
) -> None:
    key = service.key()
    sealed = owner.post("/explorer/kms/Encrypt", {"KeyId": key, "Plaintext": "swordfish"})
    assert "swordfish" not in sealed.html
    blob = _answer(sealed)["CiphertextBlob"]
    opened = owner.post("/explorer/kms/Decrypt", {"CiphertextBlob": f" {blob}\r\n"})
    assert _answer(opened)["Plaintext"] == "••••••"
    assert _answer(opened, "whole")["Plaintext"] == "swordfish"
    assert opened.html.index("Show what is secret") < opened.html.index("swordfish")
    Ram(service).ok("CreateUser", UserName="ann")
    shown = owner.post("/explorer/ram/CreateLoginProfile", {"UserName": "ann", "Password": "short-Pw1"})
    assert "short-Pw1" not in shown.html
    assert '<input id="Password" name="Password" type="password" value=""' in shown.html


def test_what_is_allowed_on_one_resource_is_enabled_when_it_is_named(service: Service) -> None:
    key = service.key()
    arn = f"acs:kms:{service.region}:{service.account}:key/{key}"
    Ram(service).user("ann", allow("kms:Decrypt", resource=arn))
    ann = Browser(service)
    ann.sign_in("ann")
    assert not _enabled(ann.get("/explorer/kms/Decrypt"))
    assert _enabled(ann.get("/explorer/kms/Decrypt", on=arn))
    assert not _enabled(ann.get("/explorer/kms/Decrypt", on=f"{arn}x"))
    assert not _enabled(ann.get("/explorer/kms/Decrypt", on="acs:kms"))
    blob = service.ok("Encrypt", KeyId=key, Plaintext="word")["CiphertextBlob"]
    assert ann.post("/explorer/kms/Decrypt", {"CiphertextBlob": blob, "on": arn}).status == 200


def test_what_there_is_not(owner: Browser) -> None:
    for path in ("kms/Nothing", "keystead/CreateAccessKey", "console/GetSession", "kms/encrypt"):
        assert owner.get(f"/explorer/{path}").status == 404
        assert owner.post(f"/explorer/{path}", {}).status == 404
    assert "No operation has" in owner.get("/explorer", q="<b>none").text
    assert "<b>none" not in owner.get("/explorer", q="<b>none").html


def test_hostile_values_stay_text(owner: Browser) -> None:
    evil = "\"></textarea><script>alert(1)</script>'; rm -rf ~"
    for path, field in (
        ("kms/DescribeKey", "KeyId"),
        ("kms/CreateKey", "Description"),
        ("kms/CreateKey", "Policy"),
    ):
        assert "<script>alert" not in owner.post(f"/explorer/{path}", {f"{field}": evil}).html
    assert "<script>alert" not in owner.get("/explorer/kms/Decrypt", on=evil).html


def test_base64_of_a_file_may_have_line_breaks(service: Service, owner: Browser) -> None:
    key = service.key(KeySpec="HMAC_SHA_256")
    message = base64.b64encode(bytes(99)).decode()
    shown = owner.post(
        "/explorer/kms/GenerateMac",
        {"KeyId": key, "Algorithm": "HMAC_SHA_256", "Message": f"{message[:60]}\r\n{message[60:]}\r\n"},
    )
    assert shown.status == 200, shown.text


def test_an_address_fills_in_what_is_not_secret(owner: Browser) -> None:
    shown = owner.get("/explorer/kms/Encrypt", KeyId="alias/web", Plaintext="swordfish")
    assert 'name="KeyId" type="text" value="alias/web"' in shown.html
    assert ">\nswordfish" not in shown.html


def test_what_can_not_be_undone_needs_a_fresh_proof(service: Service, owner: Browser) -> None:
    ram = Ram(service)
    ram.ok("CreateUser", UserName="ann")
    service.clock.advance(1200)
    assert 'name="confirm_code"' in owner.get("/explorer/ram/DeleteUser").html
    asked = owner.post("/explorer/ram/DeleteUser", {"UserName": "ann"})
    assert (asked.status, "Is it you?" in asked.text) == (403, True)
    assert ram.ok("GetUser", UserName="ann")
    wrong = owner.post("/explorer/ram/DeleteUser", {"UserName": "ann", "confirm_code": "AAAA-AAAA"})
    assert wrong.status >= 400
    assert 'value="ann"' in wrong.html
    assert ram.ok("GetUser", UserName="ann")
