"""The online-encryption guide end to end, as somebody goes through it who has never used a KMS: from the owner's sign-in by link to
a ciphertext that the guide's own way of decrypting opens, and the reverse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.scene import Scene, Watch, context
from tests.live import KEYSTEAD, without_ours

CLASSIC = Path(__file__).parents[2] / "examples" / "classic-python"
# Drop a file on the page's area for it, as a hand does.
DROP = """([selector, name, text]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], name));
    const area = document.querySelector(selector).closest('.drop');
    for (const kind of ['dragover', 'drop'])
        area.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


def _private_key(folder: Path) -> bytes:
    """The private key of a new certificate, as openssl writes it."""
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"],
            *["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        ],
        check=True,
        capture_output=True,
    )
    return (folder / "key.pem").read_bytes()


def _as_on_the_server(scene: Scene, access_key: dict[str, str], program: str, folder: Path) -> bytes:
    """What one of the guide's programs prints, run with the AccessKey of a RAM user."""
    ended = subprocess.run(
        [
            *[*KEYSTEAD, "run", "--endpoint", scene.url, "--ca", str(scene.server.data / "ca.pem"), "--"],
            *[sys.executable, "-W", "ignore", str(CLASSIC / program)],
        ],
        cwd=folder,
        env={
            **without_ours(),
            "ALIBABA_CLOUD_ACCESS_KEY_ID": access_key["AccessKeyId"],
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": access_key["AccessKeySecret"],
        },
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _downloaded(page: Page, button: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the guide's programs, with a private key in it."""
    folder = tmp_path_factory.mktemp("guide") / "certs"
    folder.mkdir()
    _private_key(folder)
    return folder


def test_the_guide_from_sign_in_to_the_audit_trail(scene: Scene, window: Browser, certs: Path) -> None:
    original = (certs / "key.pem").read_bytes()
    with context(window, accept_downloads=True) as made:
        page = made.new_page()
        watch = Watch(page)
        link, code = scene.link()
        page.goto(link)
        expect(page.locator(".code-badge")).to_have_text(code)
        page.get_by_role("button", name="The codes are the same").click()
        page.get_by_role("link", name="Guided tour", exact=True).first.click()

        page.get_by_role("button", name="Create the key").click()
        page.get_by_role("button", name="Create the alias").click()
        expect(page.locator("#alias code").first).to_have_text("alias/Apollo/WorkKey")
        page.evaluate(DROP, ["#file", "key.pem", original.decode()])
        page.get_by_role("button", name="Encrypt", exact=True).click()
        name, ciphertext = _downloaded(page, "Download key.pem.cipher")
        assert name == "key.pem.cipher"
        assert original[100:140] not in ciphertext
        (certs / name).write_bytes(ciphertext)

        page.get_by_role("button", name="Create the user and its AccessKey").click()
        name, file = _downloaded(page, "Download access-key.json")
        access_key = json.loads(file)["AccessKey"]
        assert access_key["AccessKeySecret"] not in page.url
        assert _as_on_the_server(scene, access_key, "decrypt_key.py", certs.parent) == original

        page.goto(f"{scene.url}/console/tour")
        page.set_input_files("#blob_file", certs / "key.pem.cipher")
        page.get_by_role("button", name="Decrypt", exact=True).click()
        name, opened = _downloaded(page, "Download the plaintext")
        assert (name, opened) == ("key.pem", original)

        page.goto(f"{scene.url}/console/audit?resource=alias/Apollo/WorkKey")
        rows = page.locator("tbody tr")
        expect(rows.filter(has_text="CreateAlias")).to_have_count(1)
        expect(rows.filter(has_text="Encrypt").filter(has_text="in the console")).to_have_count(1)
        page.goto(f"{scene.url}/console/audit?operation=Decrypt&caller=apollo-web")
        rows.first.get_by_role("link", name="Decrypt").click()
        expect(page.locator("main")).to_contain_text("apollo-web")
        expect(page.locator("main")).to_contain_text(access_key["AccessKeyId"])
        assert watch.seen == []


def test_in_reverse(scene: Scene, window: Browser, certs: Path) -> None:
    """A RAM user who was made in the console encrypts with the SDK; the console decrypts."""
    original = (certs / "key.pem").read_bytes()
    with context(window, accept_downloads=True) as made:
        page = made.new_page()
        watch = Watch(page)
        scene.sign_in_owner(page)
        page.goto(f"{scene.url}/console/users/-/create")
        page.get_by_label("User name").fill("packer")
        page.get_by_role("button", name="Create the user").click()
        page.get_by_role("link", name="Policies").last.click()
        page.get_by_role("link", name="Attach a policy").click()
        page.get_by_role("button", name="Attach AliyunKMSCryptoUserAccess").click()
        page.get_by_role("link", name="AccessKeys").click()
        page.get_by_role("button", name="Create an AccessKey").click()
        name, file = _downloaded(page, "Download as a file")
        assert name == "packer-access-key.json"
        os.unlink(certs / "key.pem.cipher")
        _as_on_the_server(scene, json.loads(file), "encrypt_key.py", certs.parent)

        page.goto(f"{scene.url}/console/try/decrypt")
        page.set_input_files("#file", certs / "key.pem.cipher")
        page.get_by_role("button", name="Decrypt", exact=True).click()
        name, opened = _downloaded(page, "Download the plaintext")
        assert (name, opened) == ("key.pem", original)
        assert watch.seen == []
