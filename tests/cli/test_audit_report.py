"""`keystead audit report`: one page on one key."""

import csv
import io
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import apsw
import pytest

from tests.live import LiveServer, keystead, live


class World(LiveServer):
    key_id: str
    other: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with live(tmp_path_factory.mktemp("report") / "data") as server:
        server.__class__ = World
        assert isinstance(server, World)
        client = server.client()
        server.key_id, server.other = (client.ok("CreateKey")["KeyMetadata"]["KeyId"] for _ in range(2))
        client.ok("CreateAlias", KeyId=server.key_id, AliasName="alias/web")
        for _ in range(3):
            client.ok("Encrypt", KeyId="alias/web", Plaintext="canary-plaintext")
        client.ok("GenerateDataKey", KeyId=server.key_id)
        client.ok("DisableKey", KeyId=server.key_id)
        client.call("Encrypt", KeyId=server.key_id, Plaintext="x")
        client.ok("Encrypt", KeyId=server.other, Plaintext="x")
        yield server


def report(data: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return keystead("audit", "report", *words, "--data", str(data))


def test_a_page_says_who_did_what_how_often_when_and_from_where(world: World) -> None:
    told = report(world.data, "alias/web", "--since", "1h")
    assert told.returncode == 0, told.stderr
    text = told.stdout
    assert max(map(len, text.splitlines())) <= 100
    assert f"Key       key/{world.key_id}\n" in text
    assert re.search(r"Records   8 about the key, of \d+ verified", text)
    assert "Refused   1\n" in text
    assert "Gave out  1 times" in text
    assert "no signed checkpoint was given" in text
    access_key_id = world.client().access_key[0]
    assert re.search(rf"root, root-account of account \d{{16}}, {access_key_id}\n", text)
    assert re.search(r"\n  Encrypt +4 +1  \d{4}-\d\d-\d\d \d\d:\d\d  \d{4}", text)
    assert "\n    from 127.0.0.1; refused: Rejected.Disabled 1\n" in text
    assert "canary" not in text
    assert world.other not in text


def test_by_id_alias_and_arn_it_is_the_same(world: World) -> None:
    arn = world.client().ok("DescribeKey", KeyId=world.other)["KeyMetadata"]["Arn"]
    pages = [
        re.sub(r"(Made|Period|Records|Chain).*\n( .*\n)?", "", report(world.data, name).stdout)
        for name in (world.other, arn)
    ]
    assert pages[0] == pages[1]
    assert "Encrypt" in pages[0]


def test_an_arn_is_that_of_a_key_or_alias_here(world: World) -> None:
    arn = world.client().ok("DescribeKey", KeyId=world.other)["KeyMetadata"]["Arn"]
    _, _, region, account, _ = arn.split(":")
    place = f"acs:kms:{region}:{account}"
    # A call names a key where it is not, so that a record may name it too.
    world.client().call("DescribeKey", KeyId=arn.replace(region, "cn-beijing"))
    for right, key_id in ((arn, world.other), (f"{place}:alias/web", world.key_id)):
        told = report(world.data, right)
        assert (told.returncode, f"key/{key_id}" in told.stdout) == (0, True), told.stderr
    for wrong in (
        arn.replace(region, "cn-beijing"),
        arn.replace(account, "1000000000000009"),
        f"{place}:alias/web".replace(region, "cn-beijing"),
        f"{place}:{world.key_id}",
        f"acs:kms:::key/{world.key_id}",
    ):
        told = report(world.data, wrong)
        assert (told.returncode, "there is no key or alias" in told.stderr) == (2, True), told.stdout
        listed = keystead("audit", "list", "--key", wrong, "--data", str(world.data))
        assert (listed.returncode, listed.stdout) == (2, "")


def test_as_csv(world: World) -> None:
    told = report(world.data, world.key_id, "--format", "csv")
    assert told.returncode == 0, told.stderr
    rows = list(csv.DictReader(io.StringIO(told.stdout)))
    (encrypt,) = (row for row in rows if row["operation"] == "Encrypt")
    assert (encrypt["calls"], encrypt["refused"], encrypt["from"]) == ("4", "1", "127.0.0.1")
    assert encrypt["refusals"] == "Rejected.Disabled 1"
    assert encrypt["access_key_id"] == world.client().access_key[0]
    assert "Proof: " in told.stderr


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_as_one_page_that_needs_nothing_else(world: World) -> None:
    told = report(world.data, world.key_id, "--format", "html")
    assert told.returncode == 0, told.stderr
    tags = Tags()
    tags.feed(told.stdout)
    assert (tags.open, tags.addresses) == ([], [])
    assert tags.seen <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "h1",
            "h2",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        ),
        *("section", "small", "br"),
    }
    assert "<td>Encrypt<br><small>from 127.0.0.1; refused: Rejected.Disabled 1</small></td>" in told.stdout


def altered(world: World, folder: Path, *statements: str) -> Path:
    source = apsw.Connection(str(world.data / "keystead.db"))
    copy = apsw.Connection(str(folder / "keystead.db"))
    with copy.backup("main", source, "main") as backup:
        backup.step()
    for statement in statements:
        copy.execute(statement)
    copy.close()
    source.close()
    return folder


def test_what_somebody_put_into_a_record_is_text_and_the_log_is_said_to_be_altered(
    world: World, tmp_path: Path
) -> None:
    evil = "session = '=<script>alert(1)</script>' || char(27) || '[2J', source = '<img src=x>'"
    data = altered(world, tmp_path, f"UPDATE audit SET {evil} WHERE action = 'GenerateDataKey'")
    for form in ("text", "csv", "html"):
        told = report(data, world.key_id, "--format", form)
        assert told.returncode == 1
        assert "was altered, moved or put in place of another" in told.stderr
        assert "\x1b" not in told.stdout
        assert ("<script>" in told.stdout) is (form != "html")
    told = report(data, world.key_id, "--format", "html")
    assert "<strong>The log is not right:</strong>" in told.stdout
    assert "&lt;script&gt;" in told.stdout
    (row,) = (
        row
        for row in csv.DictReader(io.StringIO(report(data, world.key_id, "--format", "csv").stdout))
        if row["operation"] == "GenerateDataKey"
    )
    assert row["name"].startswith("'=")


def test_a_record_that_can_be_none_ends_it_with_one_error(world: World, tmp_path: Path) -> None:
    data = altered(world, tmp_path, "UPDATE audit SET kind = 'Nonsense' WHERE action = 'GenerateDataKey'")
    told = report(data, world.key_id)
    assert (told.returncode, told.stdout) == (1, "")
    assert "was altered: a column holds what none can" in told.stderr
    told = keystead("audit", "list", "--data", str(data))
    assert (told.returncode, "was altered: a column holds" in told.stderr) == (1, True)


def test_many_addresses_are_counted_and_the_most_frequent_shown(world: World, tmp_path: Path) -> None:
    data = altered(
        world,
        tmp_path,
        "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT i FROM n",
        "INSERT INTO audit SELECT NULL, format, chain, 1000000 + i, time, kind, account, region, product, version, action, "
        "caller_type, principal, access_key_id, session, '10.0.0.' || i, host, user_agent, tls, resources, parameters, status, "
        "code, request_id, hash, revision FROM audit JOIN n WHERE action = 'GenerateDataKey'",
    )
    told = report(data, world.key_id)
    assert told.returncode == 1
    assert re.search(r"from .*, .*, .*, .*, .* and at least 45 more", told.stdout)


def test_a_checkpoint_is_proof(world: World, tmp_path: Path) -> None:
    note, key = tmp_path / "note", tmp_path / "key"
    note.write_text(keystead("audit", "checkpoint", "--data", str(world.data)).stdout)
    key.write_text(keystead("audit", "key", "--data", str(world.data)).stdout)
    proof = ("--checkpoint", str(note), "--key", str(key))
    told = report(world.data, world.key_id, *proof)
    assert told.returncode == 0
    assert "Proof     proved: the first " in told.stdout
    (tmp_path / "cut").mkdir()
    cut = altered(world, tmp_path / "cut", "DELETE FROM audit WHERE position > 5")
    told = report(cut, world.key_id, *proof)
    assert (told.returncode, "its end was cut off" in told.stderr) == (1, True)
    assert "ends with record 5, and the database notes" in told.stdout


def test_nothing_in_the_period_and_wrong_words(world: World) -> None:
    told = report(world.data, world.key_id, "--until", "2020-01-01")
    assert (told.returncode, "Nobody did anything with it in this period." in told.stdout) == (0, True)
    for long_ago in ("99999999d", "800000d", "0001-01-01"):
        told = report(world.data, world.key_id, "--since", long_ago)
        assert (told.returncode, "8 about the key" in told.stdout) == (0, True), told.stderr
    for words, status, told_ in (
        (("",), 2, "KEY is empty"),
        (("alias/none",), 2, "there is no key or alias 'alias/none'"),
        ((world.key_id, "--since", "yesterday"), 2, "is not a time"),
        ((world.key_id, "--since", "0001-01-01T00:00+01:00"), 2, "is not a time"),
        ((world.key_id, "--since", "1h", "--until", "2h"), 2, "--since is not before --until"),
        ((world.key_id, "--since", "9990-01-01"), 2, "--since is in the future"),
        ((world.key_id, "--since", "9990-01-01", "--until", "9991-01-01"), 2, "--since is in the future"),
        ((world.key_id, "--format", "pdf"), 2, "invalid choice"),
        ((world.key_id, "--key", "x"), 2, "--checkpoint is missing"),
        ((world.key_id, "--checkpoint", "", "--key", ""), 2, "--checkpoint is empty"),
    ):
        ended = report(world.data, *words)
        assert (ended.returncode, told_ in ended.stderr) == (status, True), ended.stderr
