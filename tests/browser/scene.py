"""A real server with something in every corner of its console, and a real Chromium to look at it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, sync_playwright

from keystead.domain.products import RAM
from tests.live import KEYSTEAD, LiveServer, live, without_ours

PASSWORD = "correct-Horse7-battery"
LANGUAGES = ("en", "zh-TW", "zh-CN")
USERS = {
    "deploy": ("AliyunKMSCryptoUserAccess",),
    "auditor": ("AliyunKMSReadOnlyAccess", "AliyunRAMReadOnlyAccess"),
    "operator": ("AliyunKMSFullAccess", "AliyunRAMFullAccess"),
    "nobody": (),
}


class Scene:
    """A server, its owner, its users."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.url: str = server.description["url"]
        self.account: str = server.description["account"]
        self.client = server.client()
        self.keys: dict[str, str] = {}

    def kms(self, action: str, **parameters: str) -> dict[str, Any]:
        return self.client.ok(action, **parameters)

    def ram(self, action: str, **parameters: str) -> dict[str, Any]:
        return self.client.ok(action, Version=RAM.version, **parameters)

    def furnish(self) -> "Scene":
        """Put something into every corner."""
        for name, description in (
            ("web", "TLS key of the web servers"),
            ("config", "Configuration files of the shop"),
            ("old", "Replaced by web"),
        ):
            self.keys[name] = self.kms("CreateKey", Description=description)["KeyMetadata"]["KeyId"]
            self.kms("CreateAlias", KeyId=self.keys[name], AliasName=f"alias/{name}")
        for name, spec, usage in (
            ("signing", "EC_P256", "SIGN/VERIFY"),
            ("envelope", "RSA_2048", "ENCRYPT/DECRYPT"),
            ("tokens", "HMAC_SHA_256", "GENERATE/VERIFY_MAC"),
        ):
            self.keys[name] = self.kms("CreateKey", KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
        self.keys["imported"] = self.kms("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
        self.kms(
            "UpdateRotationPolicy",
            KeyId=self.keys["web"],
            EnableAutomaticRotation="true",
            RotationInterval="365d",
        )
        self.kms("TagResource", KeyId=self.keys["web"], Tags='[{"TagKey":"team","TagValue":"web"}]')
        self.kms("DisableKey", KeyId=self.keys["config"])
        self.kms("ScheduleKeyDeletion", KeyId=self.keys["old"], PendingWindowInDays="30")
        blob = self.kms("Encrypt", KeyId="alias/web", Plaintext="c2VydmVyLmtleQ==")["CiphertextBlob"]
        self.kms("Decrypt", CiphertextBlob=blob)
        self.client.call("Encrypt", KeyId="alias/config", Plaintext="eA==")
        for user, policies in USERS.items():
            self.ram("CreateUser", UserName=user, DisplayName=user.capitalize())
            self.ram("CreateLoginProfile", UserName=user, Password=PASSWORD)
            for policy in policies:
                self.ram("AttachPolicyToUser", UserName=user, PolicyType="System", PolicyName=policy)
        self.ram("CreateAccessKey", UserName="deploy")
        self.ram("CreateGroup", GroupName="platform")
        self.ram("AddUserToGroup", GroupName="platform", UserName="operator")
        document = {
            "Version": "1",
            "Statement": [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}],
        }
        self.ram("CreatePolicy", PolicyName="encrypt-only", PolicyDocument=json.dumps(document))
        self.ram("AttachPolicyToGroup", GroupName="platform", PolicyType="Custom", PolicyName="encrypt-only")
        return self

    def link(self) -> tuple[str, str]:
        """A one-time link of the owner, and the code that the terminal shows with it."""
        shown = subprocess.run(
            [*KEYSTEAD, "console", "login", "--data", str(self.server.data)],
            capture_output=True,
            text=True,
            check=True,
            env=without_ours(),
        )
        both = shown.stdout + shown.stderr
        return re.findall(r"https?://\S+", both)[0], re.findall(r"[0-9A-Z]{4}-[0-9A-Z]{4}", both)[0]

    def code(self) -> str:
        """A code by which the owner proves again who they are."""
        shown = subprocess.run(
            [*KEYSTEAD, "console", "code", "--data", str(self.server.data)],
            capture_output=True,
            text=True,
            check=True,
            env=without_ours(),
        )
        return str(re.findall(r"\b[0-9A-Z]{4}-?[0-9A-Z]{4}\b", shown.stdout)[0])

    def sign_in_owner(self, page: Page) -> None:
        page.goto(self.link()[0])
        page.click("button.primary")
        page.wait_for_url(f"{self.url}/console/")

    def sign_in(self, page: Page, user: str) -> None:
        page.goto(f"{self.url}/console/sign-in")
        page.fill("#user_name", user)
        page.fill("#password", PASSWORD)
        page.click("form button.primary")
        page.wait_for_url(f"{self.url}/console/")


@contextmanager
def furnished(folder: Path) -> Iterator[Scene]:
    """A server with something in every corner."""
    with live(folder / "data") as server:
        yield Scene(server).furnish()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        # Its own sandbox needs more than a container gives to root.
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        yield browser
        browser.close()


class Watch:
    """What happens on a page that must not: dialogs, scripts that fail, what the page's policy forbids."""

    def __init__(self, page: Page) -> None:
        self.seen: list[str] = []
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.seen.append(f"{page.url}: {error}"))
        page.on("console", self._message)

    def _dialog(self, dialog: Dialog) -> None:
        self.seen.append(f"{dialog.type} {dialog.message}")
        dialog.dismiss()

    def _message(self, message: ConsoleMessage) -> None:
        if "Content Security" in message.text or "Refused to" in message.text:
            self.seen.append(message.text)


def context(browser: Browser, *, language: str = "en", **more: Any) -> BrowserContext:
    """A reader's own cookies, language and window."""
    made = browser.new_context(ignore_https_errors=True, locale=language, **more)
    made.set_default_timeout(60_000)
    made.add_cookies([{"name": "keystead-language", "value": language, "domain": "localhost", "path": "/"}])
    return made


def cookies(browser: BrowserContext) -> list[dict[str, Any]]:
    """What the browser keeps."""
    return [dict(one) for one in browser.cookies()]


def pattern(path: str) -> str:
    """What pages of one kind have in common: names and ids within their addresses left out."""
    parts = urlsplit(path).path.split("/")
    kinds = {"keys", "users", "groups", "policies", "audit", "explorer", "aliases"}
    made = []
    for place, part in enumerate(parts):
        named = place > 1 and parts[place - 1] in kinds and part not in ("create", "new", "export", "verify")
        named = named or (place > 2 and parts[place - 2] in ("policies", "audit", "explorer"))
        made.append("*" if named and part else part)
    return "/".join(made)


def pages(
    page: Page, scene: Scene, each: int = 1, look: Callable[[str], None] = lambda path: None
) -> list[str]:
    """Addresses of all pages that links lead to, `each` of a kind, with those that none leads to; `look` is called on each."""
    waiting = ["/console/", "/console/design", "/console/no-such-page"]
    found: list[str] = []
    kinds: dict[str, int] = {}
    while waiting:
        path = waiting.pop(0)
        kind = pattern(path)
        if path in found or kinds.get(kind, 0) >= each:
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
        found.append(path)
        page.goto(f"{scene.url}{path}")
        look(path)
        links = page.eval_on_selector_all(
            "a[href^='/console']", "links => links.map(link => link.getAttribute('href'))"
        )
        waiting += [link.partition("#")[0] for link in links]
    return found
