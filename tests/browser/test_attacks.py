"""What others try on who is signed in: posts from elsewhere, frames, planted and old cookies, stolen and prefetched links."""

import http.client
import re
import ssl
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from keystead.console.visit import SESSION
from tests.browser.scene import PASSWORD, Scene, context, cookies

# Of another site, and of another port of this one: its requests bring cookies along.
ELSEWHERE = ("https://evil.test", "https://localhost:9")
NEW_PASSWORD = "another-Horse8-battery"


@pytest.fixture
def owner(scene: Scene, window: Browser) -> Iterator[BrowserContext]:
    with context(window) as made:
        scene.sign_in_owner(made.new_page())
        yield made


def _cookie(browser: BrowserContext) -> str:
    return str(next(one["value"] for one in cookies(browser) if one["name"] == SESSION))


def _ask(
    scene: Scene, method: str, path: str, headers: dict[str, str], body: str = ""
) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of a page, without a browser's help."""
    there = urlsplit(scene.url)
    trusted = ssl.create_default_context(cafile=str(scene.server.data / "ca.pem"))
    connection = http.client.HTTPSConnection(
        str(there.hostname), there.port or 443, timeout=60, context=trusted
    )
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def _signed_in(scene: Scene, cookie: str) -> bool:
    status, headers, _ = _ask(scene, "GET", "/console/account", {"Cookie": f"{SESSION}={cookie}"})
    return status == 200 or not headers["location"].startswith("/console/sign-in")


def _keys(scene: Scene) -> int:
    return int(scene.kms("ListKeys")["TotalCount"])


def _visit(browser: BrowserContext, origin: str, html: str) -> Page:
    """A page of another origin."""
    page = browser.new_page()

    def answer(route: Route) -> None:
        route.fulfill(body=html, content_type="text/html")

    page.route(f"{origin}/", answer)
    page.goto(f"{origin}/")
    return page


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_a_form_of_another_origin_is_refused(scene: Scene, owner: BrowserContext, origin: str) -> None:
    """Even one that has the session's own token."""
    ours = owner.new_page()
    ours.goto(f"{scene.url}/console/keys/create")
    token = ours.locator("form.wizard [name=form_token]").input_value()
    before = _keys(scene)
    page = _visit(
        owner,
        origin,
        f'<form method=post action="{scene.url}/console/tour/key"><input name=form_token value="{token}">'
        "<input name=description value=forged><button>Win a prize</button></form>",
    )
    page.click("button")
    expect(page.locator("body")).to_contain_text("not sent from a page of this console")
    assert page.url.startswith(scene.url)
    # A script of theirs learns nothing either.
    page = _visit(owner, origin, "")
    sent = page.evaluate(
        """async ([url, token]) => {
            const said = [];
            for (const mode of ['cors', 'no-cors'])
                for (const method of ['GET', 'POST'])
                    said.push(await fetch(url, {method, mode, credentials: 'include',
                        body: method === 'POST' ? new URLSearchParams({form_token: token, description: 'forged'}) : undefined,
                    }).then(answer => answer.text(), () => ''));
            return said;
        }""",
        [f"{scene.url}/console/tour/key", token],
    )
    assert sent == ["", "", "", ""]
    assert _keys(scene) == before


def test_a_form_without_an_origin_is_refused(scene: Scene, owner: BrowserContext) -> None:
    page = owner.new_page()
    page.goto(f"{scene.url}/console/keys/create")
    token = page.locator("form.wizard [name=form_token]").input_value()
    before = _keys(scene)
    headers = {
        "Cookie": f"{SESSION}={_cookie(owner)}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    good = urlencode({"form_token": token, "description": "by hand"})
    for origin in (
        {},
        {"Origin": "null"},
        {"Origin": "https://localhost"},
        {"Origin": f"{scene.url}.evil.test"},
    ):
        status, _, said = _ask(scene, "POST", "/console/tour/key", {**headers, **origin}, good)
        assert (status, "not sent from a page" in said) == (403, True), origin
    forged = urlencode({"form_token": "0" * 64, "description": "by hand"})
    origin = {"Origin": scene.url}
    assert _ask(scene, "POST", "/console/tour/key", {**headers, **origin}, forged)[0] == 403
    assert _keys(scene) == before
    assert _ask(scene, "POST", "/console/tour/key", {**headers, **origin}, good)[0] == 303
    assert _keys(scene) == before + 1


@pytest.mark.parametrize("origin", [*ELSEWHERE, "here"])
def test_no_page_is_shown_in_a_frame(scene: Scene, owner: BrowserContext, origin: str) -> None:
    html = f'<iframe src="{scene.url}/console/"></iframe><iframe src="{scene.url}/console/sign-in"></iframe>'
    page = _visit(owner, scene.url if origin == "here" else origin, html)
    assert len(page.frames) == 3
    for frame in page.frames[1:]:
        assert frame.locator("form, h1:has-text('Overview')").count() == 0
        assert "Keystead" not in frame.content()


def test_a_page_that_opens_ours_gets_no_hold_of_it(scene: Scene, owner: BrowserContext) -> None:
    page = _visit(owner, "https://localhost:9", "<button>Open</button>")
    page.evaluate(
        "url => { document.querySelector('button').onclick = () => { window.ours = open(url); }; }",
        scene.url + "/console/sign-in?stay=1",
    )
    with owner.expect_page() as opened:
        page.click("button")
    expect(opened.value.locator("h1")).to_be_visible()
    assert opened.value.evaluate("window.opener") is None
    page.wait_for_function("window.ours.closed")


def test_a_cookie_that_was_planted_is_never_adopted(scene: Scene, window: Browser) -> None:
    for sign_in in (scene.sign_in_owner, lambda page: scene.sign_in(page, "operator")):
        with context(window) as victim:
            victim.add_cookies([{"name": SESSION, "value": "planted", "url": scene.url, "secure": True}])
            sign_in(victim.new_page())
            assert _cookie(victim) != "planted"
            assert _signed_in(scene, _cookie(victim))
            assert not _signed_in(scene, "planted")


def test_cookies_are_kept_from_scripts_and_other_sites(scene: Scene, owner: BrowserContext) -> None:
    page = owner.new_page()
    page.goto(f"{scene.url}/console/")
    assert _cookie(owner) not in page.evaluate("document.cookie")
    for one in cookies(owner):
        if one["name"].startswith("__Host-"):
            assert one["httpOnly"]
            assert one["secure"]
            assert one["sameSite"] == "Strict"


def test_a_session_ends_when_signing_out_and_nothing_of_it_is_shown_again(
    scene: Scene, owner: BrowserContext
) -> None:
    page = owner.new_page()
    page.goto(f"{scene.url}/console/users")
    old = _cookie(owner)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_contain_text("You are signed out.")
    assert not _signed_in(scene, old)
    page.go_back()
    expect(page).to_have_url(re.compile("/console/sign-in"))
    expect(page.locator("body")).not_to_contain_text("operator")


def test_a_session_ends_when_the_password_is_changed_or_the_user_is_gone(
    scene: Scene, window: Browser
) -> None:
    with context(window) as one, context(window) as other:
        scene.ram("CreateUser", UserName="mallory")
        scene.ram("CreateLoginProfile", UserName="mallory", Password=PASSWORD)
        page, elsewhere = one.new_page(), other.new_page()
        scene.sign_in(page, "mallory")
        scene.sign_in(elsewhere, "mallory")
        first, second = _cookie(one), _cookie(other)
        page.goto(f"{scene.url}/console/account/password")
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        page.get_by_label("The new password again").fill(NEW_PASSWORD)
        page.locator("main button.primary").click()
        expect(page.get_by_role("status")).to_contain_text("The password is changed")
        assert not _signed_in(scene, second)
        assert _signed_in(scene, _cookie(one))
        elsewhere.goto(f"{scene.url}/console/")
        expect(elsewhere).to_have_url(re.compile("/console/sign-in"))
        scene.ram("DeleteLoginProfile", UserName="mallory")
        assert not _signed_in(scene, first)
        assert not _signed_in(scene, _cookie(one))


def test_looking_at_a_link_in_any_way_does_not_use_it_up_and_it_works_once(
    scene: Scene, window: Browser
) -> None:
    link, code = scene.link()
    path = link.removeprefix(scene.url)
    for method in ("GET", "HEAD", "GET"):
        status, headers, said = _ask(scene, method, path, {})
        assert status == 200
        assert SESSION not in headers.get("set-cookie", "")
        assert (code in said) == (method == "GET")
    with context(window) as thief, context(window) as owner:
        page = _visit(
            owner,
            "https://evil.test",
            f'<link rel=prefetch href="{link}"><link rel=prerender href="{link}"><img src="{link}">'
            f'<iframe src="{link}"></iframe>',
        )
        page.goto(link)
        stolen = thief.new_page()
        stolen.goto(link)
        page.click("button.primary")
        page.wait_for_url(f"{scene.url}/console/")
        stolen.click("button.primary")
        expect(stolen.get_by_role("alert")).to_contain_text("used before")
        assert SESSION not in [one["name"] for one in cookies(thief)]
        stolen.goto(link)
        stolen.click("button.primary")
        expect(stolen.get_by_role("alert")).to_contain_text("used before")
        assert _signed_in(scene, _cookie(owner))


def test_a_link_that_was_guessed_is_refused(scene: Scene, window: Browser) -> None:
    with context(window) as guesser:
        page = guesser.new_page()
        for guess in ("A" * 43, "x"):
            page.goto(f"{scene.url}/console/link/{guess}")
            page.click("button.primary")
            expect(page.get_by_role("alert")).to_contain_text("used before")
        assert SESSION not in [one["name"] for one in cookies(guesser)]
