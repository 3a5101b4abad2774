"""Texts that would be markup or code stay texts: in every field that there is, wherever a page shows it, and in what is searched for."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from jinja2 import DictLoader
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route

from keystead.console import rendering
from keystead.domain.products import RAM
from tests.browser.scene import PASSWORD, Scene, Watch, context, pages
from tests.console.browser import Browser as WithoutWindow
from tests.console.browser import Shown
from tests.harness import Service

# Each at most 128 characters, the least that a free field takes. What is evaluated would be 54411449.
PAYLOADS = (
    "</textarea></title></pre><script>alert(1)</script><x-planted></x-planted>",
    "\"'> <b onmouseover=alert(2) data-planted=1>\" autofocus onfocus=\"alert(2)\" data-planted='2' x='",
    "{{7919*6871}}${7919*6871}#{7919*6871}<%=7919*6871%>{%print(7919*6871)%}javascript:alert(3)",
    "<svg><animate onbegin=alert(4) attributeName=x dur=1s></svg><img src=//evil.test/x onerror=alert(4)>",
    "\u202e\uff1cscript\uff1e%3Cx-planted%3E&lt;x-planted&gt;\u2028<\u017fcript src=//evil.test/>\ufeff\u00e9\U0001f512<x-planted/>",
)
EVERYTHING = "".join(PAYLOADS)
# Tags and aliases admit less.
TAG = '[{"TagKey": "javascript:alert/planted", "TagValue": "//evil.test/@x+=:."}]'
ALIAS = "alias/img/src_x-onerror/alert"

# What there is on a page that nobody of ours put there.
FIND = """() => {
    const found = [], told = one => one.outerHTML.slice(0, 160);
    for (const one of document.querySelectorAll('x-planted, [data-planted], animate, img, iframe, object, embed, base, b[x]'))
        found.push('planted: ' + told(one));
    for (const one of document.querySelectorAll('script'))
        if (!one.getAttribute('src')?.startsWith('/console/static/')) found.push('script: ' + told(one));
    for (const one of document.querySelectorAll('*'))
        for (const {name, value} of one.attributes) {
            if (name.startsWith('on') || name === 'style') found.push('attribute ' + name + ': ' + told(one));
            if (['href', 'src', 'action', 'formaction', 'hx-get', 'hx-post'].includes(name) && !/^(\\/console|#|$)/.test(value))
                found.push('address: ' + told(one));
        }
    if (document.documentElement.innerHTML.includes('54411449')) found.push('evaluated');
    return found;
}"""
TEXTS = """() => document.body.textContent + [...document.querySelectorAll('input, textarea')].map(one => one.value).join('\\n')"""


class Reader:
    """Looks at pages; `found` is what is wrong with them, `texts` what they said."""

    def __init__(self, page: Page, home: str) -> None:
        self.page = page
        self.watch = Watch(page)
        self.found: list[str] = []
        self.texts: list[str] = []
        self._home = home
        page.on("request", self._requested)

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((self._home, "data:", "about:", "blob:", "chrome-error:")):
            self.found.append(f"asked for {request.url}")

    def look(self, what: str) -> None:
        self.found += [f"{what} {one}" for one in self.page.evaluate(FIND)]
        self.texts.append(self.page.evaluate(TEXTS))

    def go(self, path: str) -> None:
        self.page.goto(f"{self._home}{path}")
        self.look(path)

    def said(self) -> str:
        return "\n".join(self.texts)


def plant(scene: Scene) -> None:
    """Put the texts into every field: all of them where there is room, else each into one of its own."""
    key = scene.kms("CreateKey", Description=EVERYTHING)["KeyMetadata"]
    scene.keys["hostile"] = key["KeyId"]
    scene.kms("CreateAlias", KeyId=key["KeyId"], AliasName=ALIAS)
    scene.kms("TagResource", KeyId=key["KeyId"], Tags=TAG)
    scene.kms(
        "SetDeletionProtection",
        ProtectedResourceArn=key["Arn"],
        EnableDeletionProtection="true",
        DeletionProtectionDescription=EVERYTHING,
    )
    narrow = {"StringEquals": {"kms:EncryptionContext/x": list(PAYLOADS)}}
    statement = {"Effect": "Allow", "Action": ["kms:*"], "Resource": ["*"]}
    everybody = {**statement, "Principal": {"RAM": [f"acs:ram::{scene.account}:*"]}}
    scene.kms(
        "SetKeyPolicy",
        KeyId=key["KeyId"],
        PolicyName="default",
        Policy=json.dumps({"Version": "1", "Statement": [everybody, {**everybody, "Condition": narrow}]}),
    )
    document = json.dumps({"Version": "1", "Statement": [{**statement, "Condition": narrow}]})
    for number, one in enumerate(PAYLOADS):
        context = json.dumps({one: one})
        scene.kms("Encrypt", KeyId=key["KeyId"], Plaintext="eA==", EncryptionContext=context)
        agent = {"User-Agent": one.encode().decode("latin-1")}
        scene.client.send(scene.client.sign("DescribeKey", KeyId=key["KeyId"]), agent)
        scene.client.call("DescribeKey", KeyId=one)  # refused, and recorded
        scene.client.call(one)
        name = f"hostile-{number}"
        scene.ram("CreateUser", UserName=name, DisplayName=one, Comments=one, Email=one, MobilePhone="1")
        scene.ram("CreateGroup", GroupName=name, Comments=one)
        scene.ram("AddUserToGroup", UserName=name, GroupName=name)
        scene.ram("CreatePolicy", PolicyName=name, Description=one, PolicyDocument=document)
        scene.ram("AttachPolicyToUser", UserName=name, PolicyType="Custom", PolicyName=name)


def _of_the_planted(scene: Scene, address: str) -> list[str]:
    """The same page of what was planted."""
    found = re.fullmatch(r"(/console/)(keys|users|groups|policies/Custom)/(?!create|-/)[^/?]+(.*)", address)
    if found is None:
        return []
    names = [scene.keys["hostile"]] if found[2] == "keys" else [f"hostile-{n}" for n in range(len(PAYLOADS))]
    return [f"/console/{found[2]}/{name}{found[3]}" for name in names]


@pytest.fixture(scope="module")
def planted(scene: Scene) -> Scene:
    plant(scene)
    return scene


@pytest.fixture(scope="module")
def owner(scene: Scene, window: Browser) -> Iterator[BrowserContext]:
    with context(window) as made:
        scene.sign_in_owner(made.new_page())
        yield made


def test_every_page_shows_them_as_texts(planted: Scene, owner: BrowserContext) -> None:
    page = owner.new_page()
    reader = Reader(page, planted.url)
    found = pages(page, planted, look=reader.look)
    planted_pages = [one for address in found for one in _of_the_planted(planted, address)]
    assert len(planted_pages) > 50
    for address in planted_pages:
        reader.go(address)
    for operation in ("Encrypt", "DescribeKey", "SetKeyPolicy", "CreateUser"):
        page.goto(f"{planted.url}/console/audit?operation={operation}")
        links = page.locator("tbody tr td:nth-child(2) a").evaluate_all(
            "links => links.map(link => link.getAttribute('href'))"
        )
        for link in links[: 2 * len(PAYLOADS)]:
            reader.go(link)
    assert reader.found == []
    assert reader.watch.seen == []
    said = reader.said()
    for one in (*PAYLOADS, "javascript:alert/planted", "//evil.test/@x+=:.", ALIAS):
        assert one in said


def test_what_is_typed_into_any_form_is_echoed_as_text(planted: Scene, owner: BrowserContext) -> None:
    """All forms of all pages, with every field filled in with all of it; those that search are asked by address, too."""
    page = owner.new_page()
    reader = Reader(page, planted.url)
    addresses = pages(page, planted)
    sent: set[str] = set()
    for address in addresses:
        page.goto(f"{planted.url}{address}")
        forms = page.evaluate(
            """() => [...document.forms].map(form => [form.method, form.getAttribute('action'), [...form.elements]
                .filter(one => one.name && ['text', 'search', 'textarea', 'select-one', 'number', 'password'].includes(one.type))
                .map(one => one.name)])"""
        )
        for number, (method, action, names) in enumerate(forms):
            if not names:
                continue
            sent.add(action)
            if method == "get":
                reader.go(f"{action}?{urlencode([(name, EVERYTHING[:400]) for name in names])}")
                continue
            page.goto(f"{planted.url}{address}")
            with page.expect_navigation():
                page.evaluate(
                    """([number, text]) => {
                        const form = document.forms[number];
                        for (const one of form.elements) {
                            if (['text', 'search', 'textarea', 'password'].includes(one.type)) {
                                one.removeAttribute('maxlength'); one.value = text;
                            }
                        }
                        HTMLFormElement.prototype.submit.call(form);
                    }""",
                    [number, EVERYTHING],
                )
            reader.look(f"{address} {action}")
    assert len(sent) > 25
    assert {
        f"/console/{one}" for one in ("keys", "audit", "explorer", "access", "keys/create", "try/sign")
    } <= sent
    assert reader.found == []
    assert reader.watch.seen == []


def test_addresses_and_file_names_are_texts(planted: Scene, owner: BrowserContext) -> None:
    page = owner.new_page()
    reader = Reader(page, planted.url)
    for one in ("".join(PAYLOADS[:2]), "".join(PAYLOADS[2:])):
        part, query = quote(one, safe=""), quote(one)
        for path in (
            *[
                "keys/{}",
                "users/{}",
                "groups/{}",
                "policies/Custom/{}",
                "policies/{}/x",
                "audit/{}/1",
                "try/{}",
            ],
            *["explorer/kms/{}", "{}", "aliases/change?alias={}", "tour?alias={}&key={}", "try?key={}"],
            *["keys/create?description={}&alias={}&usage={}", "?done={}", "explorer/kms/Encrypt?on={}"],
            *["users/-/create?UserName={}&Comments={}", "access?policy={}&type={}", "audit?before={}"],
        ):
            reader.go("/console/" + path.replace("{}", query if "?" in path else part))
        for path, field in (("try/encrypt", "#file"), ("tour", "#blob_file")):
            page.goto(f"{planted.url}/console/{path}")
            if path == "try/encrypt":
                page.select_option("#key", index=0)
            page.set_input_files(
                field, {"name": one.replace("/", "_"), "mimeType": "text/plain", "buffer": b"x"}
            )
            page.locator(f"form:has({field}) button:not(.small)").click()
            reader.look(f"file name {path}")
    # Before anybody is signed in.
    with owner.browser.new_context(ignore_https_errors=True) as stranger:  # type: ignore[union-attr]
        outside = Reader(stranger.new_page(), planted.url)
        for one in (*PAYLOADS, "javascript:alert(5)", "//evil.test/"):
            outside.go(f"/console/sign-in?next={quote(one)}")
            outside.go(f"/console/link/{quote(one, safe='')}")
            outside.page.goto(f"{planted.url}/console/sign-in?next={quote(one)}")
            outside.page.fill("#user_name", one)
            outside.page.fill("#password", PASSWORD)
            outside.page.click("form button.primary")
            outside.look("sign-in")
        assert outside.found == []
        assert outside.watch.seen == []
    assert reader.found == []
    assert reader.watch.seen == []


# --- what the check above would find


HOLES = (
    ("keys/key.html", "{{ key.Description | truncate(300) }}"),
    ("macros.html", 'value="{{ value }}"'),
    ("macros.html", "{{ value }}</textarea>"),
    ("users/list.html", "{{ user.DisplayName }}"),
)


@pytest.mark.parametrize("policy", [True, False], ids=["with its policy", "without"])
def test_a_field_that_is_not_escaped_is_found(
    window: Browser, monkeypatch: pytest.MonkeyPatch, policy: bool
) -> None:
    service = Service()
    key = service.key(Description=PAYLOADS[0])
    service.ok("CreateUser", Version=RAM.version, UserName="ann", DisplayName=PAYLOADS[3])
    # Compiled anew for each hole, and for nobody else.
    monkeypatch.setattr(rendering, "environment", rendering.environment.__wrapped__)
    assert _looked_at(window, _shown(service, key), policy) == []
    for template, field in HOLES:
        hole = partial(_with_hole, template, field)
        monkeypatch.setattr(rendering, "DictLoader", lambda templates, hole=hole: DictLoader(hole(templates)))
        assert _looked_at(window, _shown(service, key), policy) != [], (template, field)


def _with_hole(template: str, field: str, templates: dict[str, str]) -> dict[str, str]:
    """The templates, one of which puts a value in as it is."""
    assert field in templates[template]
    return {**templates, template: templates[template].replace(field, field.replace(" }}", " | safe }}"))}


def _shown(service: Service, key: str) -> list[Shown]:
    def look() -> list[Shown]:
        browser = WithoutWindow(service).sign_in_as_owner()
        return [
            browser.get(f"/keys/{key}"),
            browser.get("/users"),
            browser.get("/users/-/create", UserName=PAYLOADS[1]),
        ]

    # Playwright has an event loop in this thread.
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(look).result()


def _looked_at(window: Browser, shown: list[Shown], policy: bool) -> list[str]:
    """What the check finds on pages that were made without a server."""
    home = "https://localhost:8443"
    with context(window) as made:
        reader = Reader(made.new_page(), home)
        page: dict[str, Any] = {}

        def answer(route: Route) -> None:
            if route.request.is_navigation_request():
                route.fulfill(**page)
            else:
                route.fulfill(body="")

        reader.page.route("**/*", answer)
        for one in shown:
            headers = {
                **(dict(one.response.headers) if policy else {}),
                "Content-Type": "text/html; charset=utf-8",
            }
            page |= {"body": one.html, "headers": headers}
            reader.go(one.path)
        return reader.found + reader.watch.seen
