"""With scripts off: every flow works by plain forms and links."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.scene import Scene, context

SECRET = "listen 443; # 密碼 <tag>"


@pytest.fixture
def plain(window: Browser) -> Iterator[BrowserContext]:
    """A reader whose browser runs no scripts."""
    with context(window, java_script_enabled=False) as made:
        yield made


def _press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def _said(page: Page, text: str) -> None:
    expect(page.get_by_role("status")).to_contain_text(text)


def test_a_key_from_creation_to_disabling(scene: Scene, plain: BrowserContext) -> None:
    page = plain.new_page()
    scene.sign_in_owner(page)
    page.goto(f"{scene.url}/console/keys/create")
    page.get_by_label("Description").fill("made without scripts")
    page.get_by_label("Alias (recommended)").fill("alias/plain")
    _press(page, "Create the key")
    _said(page, "The key was created")
    key = scene.kms("DescribeKey", KeyId="alias/plain")["KeyMetadata"]
    assert key["Description"] == "made without scripts"

    page.goto(f"{scene.url}/console/aliases")
    page.get_by_label("Alias", exact=True).fill("alias/plain-too")
    page.get_by_label("Key ID").fill(key["KeyId"])
    _press(page, "Create the alias")
    _said(page, "The alias was created")

    page.goto(f"{scene.url}/console/try/encrypt?key={key['KeyId']}")
    page.get_by_label("Plaintext").fill(SECRET)
    page.get_by_text("Encryption context").click()
    page.get_by_label("Name 1").fill("service")
    page.get_by_label("Value 1").fill("nginx")
    _press(page, "Encrypt")
    blob = page.locator("#given").inner_text()
    assert (
        scene.kms("Decrypt", CiphertextBlob=blob, EncryptionContext='{"service":"nginx"}')["Plaintext"]
        == SECRET
    )

    page.goto(f"{scene.url}/console/try/decrypt")
    page.get_by_label("Ciphertext").fill(blob)
    _press(page, "Decrypt")
    expect(page.get_by_role("alert")).to_contain_text("Refused")
    assert page.get_by_label("Ciphertext").input_value().strip() == blob
    page.get_by_text("Encryption context", exact=True).click()
    page.get_by_label("Name 1").fill("service")
    page.get_by_label("Value 1").fill("nginx")
    _press(page, "Decrypt")
    page.get_by_text("Show the plaintext").click()
    expect(page.locator("#secret")).to_have_text(SECRET)

    page.goto(f"{scene.url}/console/keys/{key['KeyId']}")
    page.get_by_role("link", name="Disable").click()
    _press(page, "Disable")
    _said(page, "The key is disabled")
    assert scene.kms("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"


def test_a_keys_policy_is_checked_and_changed(scene: Scene, plain: BrowserContext) -> None:
    page = plain.new_page()
    scene.sign_in_owner(page)
    key = scene.keys["web"]
    page.goto(f"{scene.url}/console/keys/{key}/policy")
    document = json.loads(page.get_by_label("Key policy", exact=True).input_value())
    document["Statement"][0]["Sid"] = "edited without scripts"
    page.get_by_label("Key policy", exact=True).fill(json.dumps(document)[:-1])
    _press(page, "Only check it")
    expect(page.locator("#policy-said")).to_contain_text("JSON")
    page.get_by_label("Key policy", exact=True).fill(json.dumps(document))
    _press(page, "Save the policy")
    _said(page, "Saved.")
    assert "edited without scripts" in scene.kms("GetKeyPolicy", KeyId=key, PolicyName="default")["Policy"]


def test_a_policy_of_users_is_changed_by_an_operator_with_a_password(
    scene: Scene, plain: BrowserContext
) -> None:
    page = plain.new_page()
    scene.sign_in(page, "operator")
    page.goto(f"{scene.url}/console/policies/Custom/encrypt-only")
    page.get_by_role("link", name="New version").click()
    document = {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*"}],
    }
    page.get_by_label("Document").fill(json.dumps(document))
    page.get_by_label("At once").check()
    _press(page, "Keep this version")
    _said(page, "This version has a say from the next call on.")
    found = scene.ram("GetPolicy", PolicyType="Custom", PolicyName="encrypt-only")
    assert json.loads(found["DefaultPolicyVersion"]["PolicyDocument"]) == document

    _press(page, "Sign out")
    _said(page, "You are signed out.")
    page.goto(f"{scene.url}/console/keys")
    expect(page).to_have_url(re.compile("/console/sign-in"))
