"""By keyboard alone: the main flows, and on every page the way through all its controls and out again."""

import json

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.scene import PASSWORD, Scene, context, pages

_MOST = 400  # presses of Tab that a page may need

# What had the focus, in order, and whether it could be seen there.
LISTEN = """() => {
    window.visited = [];
    document.addEventListener('focusin', (event) => {
        const style = getComputedStyle(event.target), box = event.target.getBoundingClientRect();
        window.visited.push([event.target, style.outlineStyle !== 'none' && box.width > 1 && box.height > 1]);
    });
}"""
# A group of radio buttons is one stop; a control of a closed group is none.
UNREACHED = """() => {
    const reached = new Set(window.visited.map(([one]) => one));
    const groups = new Set([...reached].filter(one => one.type === 'radio').map(one => one.name));
    return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
        .filter(one => one.checkVisibility() && !one.disabled && !reached.has(one))
        .filter(one => !(one.type === 'radio' && groups.has(one.name)))
        .map(one => 'not reached: ' + one.outerHTML.slice(0, 120));
}"""
UNSEEN = """() => window.visited.filter(([, seen]) => !seen).map(([one]) => 'focus not seen: ' + one.outerHTML.slice(0, 120))"""


def _go_to(page: Page, wanted: Locator) -> None:
    """Press Tab until this has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(_MOST):
        if wanted.evaluate("one => one === document.activeElement"):
            assert wanted.evaluate("one => getComputedStyle(one).outlineStyle") != "none"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no press of Tab leads to {wanted}")


def _press(page: Page, role: str, name: str, key: str = "Enter") -> None:
    _go_to(page, page.get_by_role(role, name=name, exact=True))  # type: ignore[arg-type]
    page.keyboard.press(key)


def _type(page: Page, label: str, text: str) -> None:
    _go_to(page, page.get_by_label(label, exact=True))
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def test_the_main_flows(scene: Scene, window: Browser) -> None:
    with context(window) as made:
        page = made.new_page()
        page.goto(f"{scene.url}/console/sign-in")
        expect(page.get_by_label("User name")).to_be_focused()
        page.keyboard.type("operator")
        _type(page, "Password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{scene.url}/console/")

        _press(page, "link", "Keys")
        _press(page, "link", "Create a key")
        page.wait_for_url("**/keys/create")
        _type(page, "Alias (recommended)", "alias/by-hand")
        _type(page, "Description", "made by keyboard")
        _press(page, "button", "Create the key")
        expect(page.get_by_role("status")).to_contain_text("The key was created")
        key = scene.kms("DescribeKey", KeyId="alias/by-hand")["KeyMetadata"]
        assert key["Description"] == "made by keyboard"

        _go_to(page, page.locator("main").get_by_role("link", name="Try it"))
        page.keyboard.press("Enter")
        page.wait_for_url("**/try?**")
        _type(page, "Plaintext", "typed")
        _press(page, "button", "Encrypt", "Space")
        expect(page.get_by_role("heading", name="Result")).to_be_visible()
        blob = page.locator("#given").inner_text()
        assert scene.kms("Decrypt", CiphertextBlob=blob)["Plaintext"] == "typed"

        page.goto(f"{scene.url}/console/keys/{key['KeyId']}")
        _press(page, "link", "Key policy")
        page.wait_for_url("**/policy")
        document = json.loads(page.get_by_label("Key policy", exact=True).input_value())
        document["Statement"][0]["Sid"] = "by keyboard"
        _type(page, "Key policy", json.dumps(document))
        _press(page, "button", "Save the policy")
        expect(page.get_by_role("status").first).to_contain_text("Saved.")
        assert "by keyboard" in scene.kms("GetKeyPolicy", KeyId=key["KeyId"], PolicyName="default")["Policy"]

        _press(page, "button", "Sign out", "Space")
        expect(page.get_by_role("status")).to_contain_text("You are signed out.")


def test_the_skip_link_comes_first_and_leads_to_the_content(scene: Scene, window: Browser) -> None:
    with context(window) as made:
        page = made.new_page()
        scene.sign_in_owner(page)
        page.goto(f"{scene.url}/console/audit")
        page.keyboard.press("Tab")
        link = page.get_by_role("link", name="Skip to the content")
        expect(link).to_be_focused()
        expect(link).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.getElementById('content').contains(document.activeElement)")


def test_every_page_is_walked_through_and_left_again(scene: Scene, window: Browser) -> None:
    found: list[str] = []
    with context(window) as made:
        page = made.new_page()
        scene.sign_in_owner(page)
        for address in pages(page, scene):
            page.goto(f"{scene.url}{address}")
            page.evaluate("document.activeElement.blur()")
            page.evaluate(LISTEN)
            for _ in range(_MOST):
                page.keyboard.press("Tab")
                if page.evaluate(
                    "window.visited.length > 1 && window.visited.at(-1)[0] === window.visited[0][0]"
                ):
                    break
            else:
                found.append(f"{address} no way out")
            found += [f"{address} {one}" for one in page.evaluate(UNREACHED) + page.evaluate(UNSEEN)]
    assert found == []
