"""The site and the READMEs: translations that say the same, commands that fit their column, no page without a place in the menu."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
LANGUAGES = ["zh-TW", "zh-CN"]
# A code block of the site shows 80 columns on a screen of 1280 pixels.
WIDTH = 80


# --- translations


def shape(text: str) -> list[str]:
    """What a translation shares with its original, in order: code to the letter, headings by their depth, links by their target."""
    found: list[str] = []
    for part in re.split(r"(^```.*?^```|(?:^ {4}[^\n]*\n)+)", text, flags=re.MULTILINE | re.DOTALL):
        if part.startswith(("```", "    ")):
            found.append(part)
        else:
            found += re.findall(r"^#+(?= )|(?<=\]\()[^)]+|`[^`]+`", part, re.MULTILINE)
    # A page in a folder of its own names the same page from there; each README names the other languages.
    found = [word.removeprefix("../") for word in found]
    return [word for word in found if not word.startswith("README.")]


def differences(original: str, translated: str) -> list[tuple[str, str]]:
    """Where the two differ; sentences may name things in another order, so code in a line and links are compared as sets."""
    ours, theirs = shape(original), shape(translated)
    blocks = [[one for one in words if one.startswith(("```", "    ", "#"))] for words in (ours, theirs)]
    if blocks[0] != blocks[1]:
        return list(zip(*blocks, strict=False))
    return [(word, "") for word in sorted(set(ours) ^ set(theirs))]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("original", "translation"),
    [("README.md", "README.{}.md"), ("docs/tutorial.md", "docs/{}/tutorial.md")],
)
def test_a_translation_has_the_same_code_headings_and_links(
    original: str, translation: str, language: str
) -> None:
    english = (ROOT / original).read_text(encoding="utf-8")
    translated = (ROOT / translation.format(language)).read_text(encoding="utf-8")
    here = [one.replace(f"docs/{language}/", "docs/") for one in (english, translated)]
    assert differences(*here) == []
    assert len(re.findall(r"[一-鿿]", translated)) > 300
    for planted in ("keystead kms", "\n## ", "](docs/how-to/files.md", "](../how-to/files.md"):
        if planted in translated:
            assert differences(english, translated.replace(planted, "x", 1)) != []


def test_every_readme_names_the_others() -> None:
    names = ["README.md", *(f"README.{language}.md" for language in LANGUAGES)]
    for name in names:
        line = (ROOT / name).read_text(encoding="utf-8").splitlines()[2]
        assert re.findall(r"\]\((.*?)\)", line) == [other for other in names if other != name]


# Words that only the other one has: in its own characters, and letter by letter in these.
FOREIGN = {
    "zh-TW": "密钥|服务|默认|证书|执行|默認|服務器|軟件|設置|運行|信息|通過|創建|文檔|密鑰",
    "zh-CN": "金鑰|服務|預設|憑證|執行|金钥|伺服器|软体|设定|档案|预设|程式|凭証|资讯",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_chinese_is_that_of_its_readers(language: str) -> None:
    for name in ("README.{}.md", "docs/{}/tutorial.md"):
        lines = (ROOT / name.format(language)).read_text(encoding="utf-8").splitlines()
        assert [one for one in lines if "README." not in one and re.search(FOREIGN[language], one)] == []
    (other,) = set(LANGUAGES) - {language}
    assert re.search(FOREIGN[language], (ROOT / f"README.{other}.md").read_text(encoding="utf-8"))


# --- width


def wide(text: str) -> list[str]:
    """Commands that would be folded, and can be broken; what is printed is quoted as it is."""
    found: list[str] = []
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines = block.splitlines() if language in {"sh", "console"} else []
        found += [line for line in lines if language == "sh" or line.startswith("$ ")]
    return [line for line in found if len(line) > WIDTH]


def test_commands_fit_their_column() -> None:
    assert {page.name: lines for page in PAGES if (lines := wide(page.read_text(encoding="utf-8")))} == {}
    assert wide(f"```sh\n{'x' * WIDTH}\n```\n") == []
    assert wide(f"```sh\n{'x' * (WIDTH + 1)}\n```\n") == ["x" * (WIDTH + 1)]
    assert wide(f"```console\n$ x\n{'x' * (WIDTH + 1)}\n```\n") == []


# --- lists and tables


def run_in(text: str) -> list[str]:
    """Lists and tables that the site would take for a part of the paragraph above, for want of an empty line between."""
    outside = re.sub(r"^```.*?^```|^ {4}[^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^(?![-|#*>]|\d+\. | |$)[^\n]*\n(?:- |\d+\. |\|)[^\n]*", outside, re.MULTILINE)


def test_lists_and_tables_stand_apart_from_the_paragraph_above() -> None:
    found = {page.name: lines for page in PAGES if (lines := run_in(page.read_text(encoding="utf-8")))}
    assert found == {}
    assert run_in("a\n\n- b\n- c\n\n# d\n- e\n\n```sh\nf\n- g\n```\n") == []
    assert run_in("a\n- b\n") == ["a\n- b"]
    assert run_in("a\n| b |\n|---|\n") == ["a\n| b |"]


# --- menu


def built(folder: Path) -> "subprocess.CompletedProcess[str]":
    """The site as `make docs` builds it."""
    (command,) = re.findall(
        r"^docs:.*\n\t@(\S+=\S+ )\$\(BIN\)/(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M
    )
    return subprocess.run(
        ["sh", "-c", f"{command[0]}{sys.executable} -W ignore -m {command[1]} -d {folder / 'site'}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("page", "text", "told"),
    [
        ("adr/9999-planted.md", "# Planted\n", "adr/9999-planted.md"),
        ("tutorial.md", "# T\n\n[x](how-to/planted.md)\n", "how-to/planted.md"),
        ("tutorial.md", "# T\n\n[x](how-to/files.md#planted)\n", "#planted"),
    ],
)
def test_a_page_that_the_menu_lacks_and_a_dead_link_fail_the_build(
    page: str, text: str, told: str, tmp_path: Path
) -> None:
    for name in ["mkdocs.yml", *(page.name for page in ROOT.glob("*.md"))]:
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs" / page).write_text(text)
    done = built(tmp_path)
    assert done.returncode != 0
    assert told in done.stderr
    assert len(re.findall("^WARNING", done.stderr, re.MULTILINE)) == 1, done.stderr
