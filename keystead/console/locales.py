"""The languages of the console: texts from gettext catalogues, dates and numbers as their readers write them."""

import gettext
import io
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages import mofile, pofile
from babel.numbers import format_decimal
from markupsafe import Markup


def marked(text: str) -> str:
    """The same text, which is to be translated where it is shown."""
    return text


class Language(NamedTuple):
    """A language that the console speaks: its tag on pages (BCP 47), its locale, and its own name."""

    tag: str
    locale: str
    name: str


LANGUAGES = (
    Language("en", "en", "English"),
    Language("zh-TW", "zh_Hant_TW", "繁體中文"),
    Language("zh-CN", "zh_Hans_CN", "简体中文"),
)
_BY_TAG = {language.tag: language for language in LANGUAGES}
_TRADITIONAL = ("zh-tw", "zh-hk", "zh-mo", "zh-hant")


def choose(chosen: str, accepted: str) -> Language:
    """The language that a reader chose, else the first that the browser accepts (Accept-Language), else English."""
    if chosen in _BY_TAG:
        return _BY_TAG[chosen]
    weighed = []
    for place, one in enumerate(accepted.lower().split(",")):
        tag, _, quality = one.strip().partition(";q=")
        try:
            weighed.append((-float(quality or 1), place, tag))
        except ValueError:
            continue
    for _, _, tag in sorted(weighed):
        if tag.startswith(_TRADITIONAL):
            return _BY_TAG["zh-TW"]
        if tag.startswith("zh"):
            return _BY_TAG["zh-CN"]
        if tag.startswith("en"):
            return _BY_TAG["en"]
    return LANGUAGES[0]


class Translator:
    """One language's texts and forms. Texts are looked up by their English."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._texts = _catalogue(language.tag)
        self._locale = Locale.parse(language.locale)

    def __call__(self, text: str, /, **values: object) -> Markup:
        """The text, with its %(name)s filled in. It may have mark-up of its own; what is filled in is escaped."""
        found = Markup(self._texts.gettext(text))  # noqa: S704 - our own catalogues
        return found % values if values else found

    def plural(self, one: str, many: str, number: int, /, **values: object) -> Markup:
        """The text for so many; %(number)s is filled in too."""
        found = Markup(self._texts.ngettext(one, many, number))  # noqa: S704 - our own catalogues
        return found % {"number": self.number(number), **values}

    def number(self, value: float) -> str:
        return format_decimal(value, locale=self._locale)

    def time(self, value: str | float) -> str:
        """A moment: of ISO 8601, or seconds since 1970; in UTC, as the service tells times."""
        moment = _moment(value)
        return f"{format_datetime(moment, 'medium', tzinfo=UTC, locale=self._locale)} UTC"

    def date(self, value: str | float) -> str:
        return format_date(_moment(value), "medium", locale=self._locale)


@cache
def translator(language: Language) -> Translator:
    """One language's texts and forms; read once."""
    return Translator(language)


def load() -> None:
    """Have all languages in memory, with what Babel reads when it first forms a number or date."""
    for language in LANGUAGES:
        one = translator(language)
        one.number(1234.5)
        one.time(0)
        one.date(0)


def _moment(value: str | float) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)


def _catalogue(tag: str) -> gettext.NullTranslations:
    if tag == "en":  # the texts themselves
        return gettext.NullTranslations()
    source = files("keystead.console").joinpath("locales", f"{tag}.po").read_bytes()
    compiled = io.BytesIO()
    mofile.write_mo(compiled, pofile.read_po(io.BytesIO(source)))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
