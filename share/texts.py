"""The console's texts: found in its templates and modules, and put into the catalogues of its languages to be translated.

python -m share.texts            brings the catalogues up to date; what is new in them has no translation yet
"""

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

PACKAGE = Path(__file__).parents[1] / "keystead" / "console"
LOCALES = {"zh-TW": "zh_Hant_TW", "zh-CN": "zh_Hans_CN"}
_VALUES = re.compile(r"%\((\w+)\)s")
_MARKUP = re.compile(r"</?[a-z]+[^>]*>")


def found() -> Catalog:
    """Every text that a page may show, with where it is."""
    catalog = Catalog(project="Keystead", charset="utf-8")
    for suffix, texts_of in (("py", _named), ("html", _shown)):
        for path in sorted(PACKAGE.rglob(f"*.{suffix}")):
            for texts in texts_of(path.read_text(encoding="utf-8")):
                _add(catalog, texts, path)
    return catalog


def _named(module: str) -> Iterator[tuple[str, ...]]:
    """The texts that a module names, in its order: those of _("…") and N_("…"), and both of plural("…", "…", number)."""
    calls = [one for one in ast.walk(ast.parse(module)) if isinstance(one, ast.Call)]
    for call in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name in ("_", "N_", "plural"):
            few = call.args[: 2 if name == "plural" else 1]
            yield tuple(str(one.value) for one in few if isinstance(one, ast.Constant))


def _shown(template: str) -> Iterator[tuple[str, ...]]:
    """The texts that a template shows, in its order: those of _("…"), and both of _.plural("…", "…", number)."""
    parsed = Environment(autoescape=True, extensions=["jinja2.ext.do"]).parse(template)
    for call in parsed.find_all(nodes.Call):
        plural = isinstance(call.node, nodes.Getattr) and call.node.attr == "plural"
        if plural or (isinstance(call.node, nodes.Name) and call.node.name == "_"):
            few = call.args[: 2 if plural else 1]
            yield tuple(str(one.value) for one in few if isinstance(one, nodes.Const))


def _add(catalog: Catalog, texts: tuple[str, ...], path: Path) -> None:
    if texts:
        message = texts[0] if len(texts) == 1 else texts
        catalog.add(message, locations=[(path.relative_to(PACKAGE).as_posix(), 0)])


def kept(language: str) -> Catalog:
    """A language's catalogue, as it is written."""
    path = PACKAGE / "locales" / f"{language}.po"
    with path.open("rb") as file:
        return read_po(file, locale=LOCALES[language])


def faults(language: str, catalog: Catalog, wanted: Catalog) -> list[str]:
    """What is wrong with a catalogue: texts that are missing or no longer shown, values or mark-up that differ."""
    wrong = []
    texts = {message.id: message for message in wanted if message.id}
    there = {message.id: message for message in catalog if message.id}
    wrong += [f"{language}: no translation of {text!r}" for text in texts if text not in there]
    wrong += [f"{language}: nothing shows {text!r}" for text in there if text not in texts]
    for text, message in there.items():
        sources = (text,) if isinstance(text, str) else tuple(text)
        translations = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        for translation in translations:
            if not translation or message.fuzzy:
                wrong.append(f"{language}: no translation of {text!r}")
                continue
            for pattern in (_VALUES, _MARKUP):
                # A plural has one form there, which has the values of ours for many.
                if sorted(pattern.findall(sources[-1])) != sorted(pattern.findall(translation)):
                    wrong.append(f"{language}: {translation!r} has other values or mark-up than {text!r}")
    return wrong


def update(language: str) -> int:
    """Bring a catalogue up to date; how many of its texts have no translation."""
    catalog = kept(language)
    catalog.update(found(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    written = io.BytesIO()
    write_po(written, catalog, width=110, omit_header=False, sort_output=False, include_lineno=False)
    text = written.getvalue().decode()
    (PACKAGE / "locales" / f"{language}.po").write_text(
        _HEADER + text[text.index("\n\n") + 2 :], encoding="utf-8"
    )
    return sum(1 for one in faults(language, catalog, found()) if "no translation" in one)


_HEADER = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""


if __name__ == "__main__":
    for one in LOCALES:
        print(f"{one}: {update(one)} texts have no translation")
