"""The catalogues: complete, with the same values and mark-up, and nothing that no page shows."""

import pytest
from babel.messages.catalog import Catalog

from keystead.console.locales import LANGUAGES, choose, translator
from share.texts import LOCALES, faults, found, kept


@pytest.mark.parametrize("language", LOCALES)
def test_a_catalogue_is_complete(language: str) -> None:
    assert faults(language, kept(language), found()) == []


def test_what_is_wrong_with_a_catalogue_is_found() -> None:
    wanted, catalog = Catalog(), Catalog(locale="zh_Hans_CN")
    for text in ("one", "two %(name)s", "<code>three</code>", "four"):
        wanted.add(text)
    wanted.add(("%(number)s key", "%(number)s keys"))
    catalog.add("one", "一")
    catalog.add("two %(name)s", "二 %(nome)s")
    catalog.add("<code>three</code>", "三")
    catalog.add("five", "五")
    catalog.add(("%(number)s key", "%(number)s keys"), ("鑰匙",))
    assert faults("zh-CN", catalog, wanted) == [
        "zh-CN: no translation of 'four'",
        "zh-CN: nothing shows 'five'",
        "zh-CN: '二 %(nome)s' has other values or mark-up than 'two %(name)s'",
        "zh-CN: '三' has other values or mark-up than '<code>three</code>'",
        "zh-CN: '鑰匙' has other values or mark-up than ('%(number)s key', '%(number)s keys')",
    ]


@pytest.mark.parametrize(
    ("chosen", "accepted", "tag"),
    [
        ("", "", "en"),
        ("zh-CN", "en", "zh-CN"),
        ("xx", "zh-HK,en;q=0.5", "zh-TW"),
        ("", "fr, zh;q=0.3, en;q=0.7", "en"),
        ("", "zh-Hant", "zh-TW"),
        ("", "zh-SG", "zh-CN"),
        ("", "de;q=x, zh-tw;q=0.9", "zh-TW"),
        ("", "fr", "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_browser_s(chosen: str, accepted: str, tag: str) -> None:
    assert choose(chosen, accepted).tag == tag


def test_values_are_escaped_and_texts_are_not() -> None:
    _ = translator(LANGUAGES[0])
    assert _("<b>%(name)s</b>", name="<i>") == "<b>&lt;i&gt;</b>"
    assert (
        _.plural("%(number)s key of %(name)s", "%(number)s keys of %(name)s", 1234, name="&")
        == "1,234 keys of &amp;"
    )


def test_dates_and_numbers_are_those_of_the_language() -> None:
    shown = {
        language.tag: (
            translator(language).time("2026-11-28T19:00:00Z"),
            translator(language).date(0),
            translator(language).number(1234567.5),
        )
        for language in LANGUAGES
    }
    assert shown["en"] == ("Nov 28, 2026, 7:00:00\u202fPM UTC", "Jan 1, 1970", "1,234,567.5")
    assert shown["zh-TW"][0] == "2026年11月28日 晚上7:00:00 UTC"
    assert shown["zh-CN"][0] == "2026年11月28日 19:00:00 UTC"
