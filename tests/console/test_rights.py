"""What a person may not do: no control for it works on any page, and a form that is sent all the same is refused and recorded."""

import json
import re
from html.parser import HTMLParser
from typing import NamedTuple

import pytest

from keystead.console.app import PARTS
from keystead.domain.audit import Kind
from keystead.domain.products import RAM
from tests.console.browser import Browser, Shown
from tests.console.test_sign_in import bind_device, give_password
from tests.harness import Service
from tests.operations.test_material import parameters
from tests.ram import allow

DECLARED = {path for part in PARTS for method, path, _, _ in part.declared if method == "POST"}
# What everybody who is signed in may do: it is about themselves, changes nothing, or goes nowhere but back.
FREE = {
    *("/preferences", "/sign-out", "/confirm", "/download", "/account/password", "/account/mfa"),
    *("/account/mfa/bind", "/account/mfa/unbind", "/policies/-/check", "/users/alice/access-keys/file"),
}
# No page that a link leads to has a form for them: what leads there is asked for by scripts, comes before signing in, or is done
# in a second step.
ELSEWHERE = {
    *(
        "/sign-in",
        "/link",
        "/confirm",
        "/policies/-/check",
        "/keys/{key_id}/policy/check",
        "/account/mfa/bind",
    ),
    *("/account/mfa/unbind", "/users/{name}/access-keys/file", "/keys/{key_id}/import/file", "/download"),
}

# What is typed where not just anything goes, and would be told beside the field before the service is asked.
VALID = {
    "policy": "",
    "PolicyDocument": json.dumps(allow("*")),
    "Context": "",
    "alias": "alias/forged",
    "Resource": "*",
    "User": "alice",
    "tag_key": "",
    "tag_value": "",
}


class Form(NamedTuple):
    """A form that is sent by POST; `works`: whether a button of it can be pressed."""

    page: str
    action: str
    fields: tuple[tuple[str, str], ...]
    works: bool


class _Parser(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._inside = False
        self._area = ""
        self._choice = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and values.get("href", "").startswith("/console/"):
            self.links.append(values["href"].removeprefix("/console").partition("#")[0])
        if tag == "form":
            self._inside = values.get("method") == "post"
            if self._inside:
                action = values["action"].removeprefix("/console").partition("#")[0]
                self.forms.append(Form(self.page, action, (), works=False))
        if not self._inside:
            return
        form = self.forms[-1]
        # Those that only show the form again with one row more, or say what is wrong with it.
        shows = values.get("name") == "do" and values.get("value") in ("row", "check")
        if (
            tag == "button"
            and values.get("type", "submit") == "submit"
            and not shows
            and "disabled" not in values
        ):
            self.forms[-1] = form = form._replace(works=True)
        if tag == "textarea":
            self._area = values.get("name", "")
        if tag == "select":
            self._choice = values.get("name", "")
        if tag == "option" and self._choice and values["value"]:
            self.forms[-1] = form._replace(fields=(*form.fields, (self._choice, values["value"])))
            self._choice = ""
        kind = values.get("type", "text")
        chosen = kind not in ("radio", "checkbox") or "checked" in values
        if tag == "input" and chosen and values.get("name") not in (None, "form_token", "page"):
            field = values["name"], values.get("value") or ("" if kind == "file" else "x1")
            self.forms[-1] = form._replace(fields=(*form.fields, field))

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1] = self.forms[-1]._replace(
                fields=(*self.forms[-1].fields, (self._area, data.strip() or "x1"))
            )
            self._area = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        if tag == "textarea":
            self._area = ""


def _parsed(shown: Shown, page: str) -> _Parser:
    parser = _Parser(page)
    parser.feed(shown.html)
    return parser


def _furnish(service: Service) -> None:
    """Something in every state that has a form of its own."""

    def ram(action: str, **parameters: str) -> None:
        service.ok(action, Version=RAM.version, **parameters)

    key = service.key(Description="web", Tags='[{"TagKey": "team", "TagValue": "web"}]')
    service.ok("CreateAlias", KeyId=key, AliasName="alias/web")
    service.ok("DisableKey", KeyId=service.key(Description="off"))
    service.ok("ScheduleKeyDeletion", KeyId=service.key(), PendingWindowInDays="30")
    service.key(KeySpec="EC_P256", KeyUsage="SIGN/VERIFY")
    service.key(Origin="EXTERNAL")
    imported = service.key(Origin="EXTERNAL")
    service.ok("ImportKeyMaterial", **parameters(service, imported))
    give_password(service, "alice")
    bind_device(service, "alice")
    ram("CreateUser", UserName="bob")
    ram("CreateAccessKey", UserName="alice")
    ram("CreateGroup", GroupName="team")
    ram("AddUserToGroup", GroupName="team", UserName="alice")
    document = json.dumps(allow("kms:Encrypt"))
    ram("CreatePolicy", PolicyName="own", PolicyDocument=document)
    ram("CreatePolicyVersion", PolicyName="own", PolicyDocument=document)
    ram("AttachPolicyToGroup", GroupName="team", PolicyType="Custom", PolicyName="own")
    ram("AttachPolicyToUser", UserName="alice", PolicyType="Custom", PolicyName="own")


def _kind(page: str) -> str:
    """What pages of one kind have in common; keys differ by their state, so each counts."""
    path = re.sub(r"^/(audit|explorer)/[^/]+/[^/]+$", r"/\1/*", page.partition("?")[0])
    return page if path == "/tour" else path


@pytest.fixture(scope="module")
def service() -> Service:
    made = Service()
    _furnish(made)
    return made


@pytest.fixture(scope="module")
def pages(service: Service) -> dict[str, _Parser]:
    """All pages that links lead those to who may do everything: the owner, and a user."""
    found = dict[str, _Parser]()
    tour = f"/tour?key={service.ok('DescribeKey', KeyId='alias/web')['KeyMetadata']['KeyId']}"
    for one in (
        Browser(service).sign_in_as_owner(),
        Browser(service).sign_in_as("all", json.dumps(allow("*"))),
    ):
        waiting, seen = ["/", tour], set[str]()
        while waiting:
            page = waiting.pop(0)
            if _kind(page) in seen:
                continue
            seen.add(_kind(page))
            parsed = _parsed(one.get(page), page)
            waiting += parsed.links
            parsed.forms += found[page].forms if page in found else []
            found[page] = parsed
    return found


@pytest.fixture(scope="module")
def forms(pages: dict[str, _Parser]) -> list[Form]:
    """One form of each address that the owner sees, with what is in it."""
    return list(
        {form.action.partition("?")[0]: form for page in pages.values() for form in page.forms}.values()
    )


def test_every_form_that_there_is_was_found(forms: list[Form]) -> None:
    actions = [form.action.partition("?")[0] for form in forms]
    missing = {
        path
        for path in DECLARED - ELSEWHERE
        if not any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), action) for action in actions)
    }
    assert missing == set()
    assert ELSEWHERE < DECLARED


@pytest.mark.parametrize(
    "policies",
    [
        (),
        ("AliyunKMSReadOnlyAccess", "AliyunRAMReadOnlyAccess"),
        ("AliyunKMSFullAccess",),
        ("AliyunRAMFullAccess",),
    ],
    ids=["none", "to read", "keys", "users"],
)
def test_no_control_works_for_what_is_refused(
    service: Service, pages: dict[str, _Parser], policies: tuple[str, ...]
) -> None:
    browser = Browser(service).sign_in_as(f"clerk-{len(policies)}-{'-'.join(policies)[9:12]}", *policies)
    wrong: list[str] = []
    tried = set[str]()
    for page in pages:
        for form in _parsed(browser.get(page), page).forms:
            action = form.action.partition("?")[0]
            if not form.works or action in FREE or action in tried:
                continue
            tried.add(action)
            # Without what was typed, nothing is changed; what the person may not do is refused all the same.
            answer = browser.post(form.action, [(name, "") for name, _ in form.fields])
            if answer.status == 403 and "The permission " in answer.text:
                wrong.append(f"{page}: {form.action}: {answer.text[:80]}")
            if not policies:
                wrong.append(f"{page}: {form.action} works for somebody who may do nothing")
    assert wrong == []


def test_forged_forms_are_refused_and_recorded(service: Service, forms: list[Form]) -> None:
    browser = Browser(service).sign_in_as("forger")
    wrong: list[str] = []
    for form in forms:
        if form.action.partition("?")[0] in FREE:
            continue
        before = len(service.records)
        # A key's alias is told on the page to be out of reach, before the service is asked for the key.
        fields = [
            (name, VALID.get(name, value) if value == "x1" else value)
            for name, value in form.fields
            if (form.action, name) != ("/keys/create", "alias")
        ]
        answer = browser.post(form.action, fields)
        recorded = [
            one
            for one in service.records[before:]
            if one.status == 403 and one.kind is Kind.CONSOLE_OPERATION
        ]
        if answer.status < 400 or not recorded:
            wrong.append(f"{form.action}: {answer.status}, {len(recorded)} refusals")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", sorted(DECLARED))
def test_every_form_is_refused_from_elsewhere_and_without_its_token(service: Service, path: str) -> None:
    owner = Browser(service).sign_in_as_owner()
    before = len(owner.calls)
    where = re.sub(r"\{\w+\}", "x", path)
    for headers in (
        {"origin": ""},
        {"origin": "null"},
        {"origin": "https://evil.test"},
        {"sec-fetch-site": "same-site"},
    ):
        shown = owner.post(where, headers=headers)
        assert (shown.status, "not sent from a page" in shown.text) == (403, True)
    assert len(owner.calls) == before  # the service is not even asked who it is
    assert owner.post(where, token="0" * 64).status == 403
    assert {call.action for call in owner.calls[before:]} <= {"GetSession"}
