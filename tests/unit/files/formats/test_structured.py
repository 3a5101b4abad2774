import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.errors import OperatorError
from keystead.files.formats import spans
from keystead.files.formats.known import FORMATS
from keystead.files.formats.spans import pointer


def found(name: str, text: str) -> list[tuple[str, str]]:
    return [(pointer(leaf.path), text[leaf.start : leaf.end]) for leaf in FORMATS[name].leaves(text)]


@pytest.mark.parametrize(
    ("name", "text", "leaves"),
    [
        ("json", "\ufeff 1 ", [("", "1")]),
        ("json", '{"a/b": {"~": [true, [], {}, "x\\"]"]}, "": null}', [("/a~1b/~0/0", "true"), ("/a~1b/~0/3", '"x\\"]"'), ("/", "null")]),
        ("json", '{"\\u0061": -1.5E+3}', [("/a", "-1.5E+3")]),
        ("yaml", "", []),
        ("yaml", "just words", [("", "just words")]),
        ("yaml", "a: &x !!str 1 # c\nb: *x\n? c\n: d\n", [("/a", "1"), ("/c", "d")]),
        ("yaml", "a: >-\n  folded\n  text\n\n# c\nb: |+\n  kept\n\n", [("/a", ">-\n  folded\n  text"), ("/b", "|+\n  kept")]),
        ("yaml", "- {a: 'x', b: [1]}\n- - 2\n-\n", [("/0/a", "'x'"), ("/0/b/0", "1"), ("/1/0", "2")]),
        ("yaml", "a: 1\n---\n- 2\n---\n", [("/0/a", "1"), ("/1/0", "2")]),
        ("yaml", "a: &x [1, *x]\n", [("/a/0", "1")]),
        ("yaml", "{a, b: 1, c: , d: ''}\n", [("/b", "1"), ("/d", "''")]),
        ("yaml", "? a\n? b\n: &x\n", []),
        ("toml", "", []),
        ("toml", "\ufeffa = 1\r\n", [("/a", "1")]),
        ("toml", 'a.b = """x\ny"""\n[t."q/r"]\nc = [ 1, # one\n [true, {d = 2.5}] ]\n[[l]]\ne = false\n', [("/a/b", '"""x\ny"""'), ("/t/q~1r/c/0", "1"), ("/t/q~1r/c/1/0", "true"), ("/t/q~1r/c/1/1/d", "2.5"), ("/l/0/e", "false")]),
    ],
)  # fmt: skip
def test_leaves(name: str, text: str, leaves: list[tuple[str, str]]) -> None:
    assert found(name, text) == leaves


COMPOSE = """\
services:
  web:
    environment:
      - DB_PASSWORD=x
      - "TOKEN=y=z"
      - HOST
    command: [--db-password=x, run]
"""
KUBERNETES = """\
env:
  - name: DB_PASSWORD
    value: x
  - value: y
    name: HOST
  - name: FROM
    valueFrom: {secretKeyRef: {name: s, key: k}}
"""
MERGED = """\
base: &base
  password: x
  hosts: [a]
prod:
  <<: *base
test:
  <<: [*base, {token: y}]
again: *base
"""
CONFIG_MAP = """\
data:
  app.properties: |
    # db
    db.password=x
    export HOST: h
  note: password = one line
"""


@pytest.mark.parametrize(
    ("name", "text", "others"),
    [
        ("yaml", COMPOSE, {"/services/web/environment/0": ["/services/web/environment/DB_PASSWORD"], "/services/web/environment/1": ["/services/web/environment/TOKEN"], "/services/web/command/0": ["/services/web/command/--db-password"]}),
        ("yaml", KUBERNETES, {"/env/0/value": ["/env/DB_PASSWORD"], "/env/1/value": ["/env/HOST"]}),
        ("yaml", MERGED, {"/base/password": ["/prod/<</password", "/prod/password", "/test/<</0/password", "/test/password", "/again/password"], "/base/hosts/0": ["/prod/<</hosts/0", "/prod/hosts/0", "/test/<</0/hosts/0", "/test/hosts/0", "/again/hosts/0"], "/test/<</1/token": ["/test/token"]}),
        ("yaml", CONFIG_MAP, {"/data/app.properties": ["/data/app.properties/db.password", "/data/app.properties/HOST"]}),
        ("yaml", "a: &x 1\nb: *x\nc: [*x]\n", {"/a": ["/b", "/c/0"]}),
        ("yaml", "- {a: &e [P=x]}\n- {env: *e}\n", {"/0/a/0": ["/1/env/0", "/0/a/P", "/1/env/P"]}),
        ("yaml", "secret: {name: P, value: {a: x}}\n", {"/secret/value/a": ["/secret/P/a"]}),
        ("yaml", "'<<': {a: 1}\n", {}),  # in quotes it is a key like others
        ("yaml", "a: P=x\n", {}),
        ("json", '[{"name": "P", "value": 1}, "Q=x", 2, "a b=c"]', {"/0/value": ["/P"], "/1": ["/Q"]}),
        ("json", '{"Parameters": [{"ParameterKey": "P", "ParameterValue": "x"}], "Tags": [{"Key": "k", "Value": "v"}]}', {"/Parameters/0/ParameterValue": ["/Parameters/P"], "/Tags/0/Value": ["/Tags/k"]}),
        ("json", '{"name": "P", "key": "Q", "value": 1}', {"/value": ["/P", "/Q"]}),
        ("toml", 'env = ["P=x"]\ntext = """\nP = 1\n"""\n[[vars]]\nname = "N"\nvalue = true\n', {"/env/0": ["/env/P"], "/text": ["/text/P"], "/vars/0/value": ["/vars/N"]}),
    ],
)  # fmt: skip
def test_values_are_found_under_the_names_that_their_readers_give_them(
    name: str, text: str, others: dict[str, list[str]]
) -> None:
    leaves = FORMATS[name].leaves(text)
    assert {leaf.pointers[0]: leaf.pointers[1:] for leaf in leaves if len(leaf.pointers) > 1} == others


def aliases(levels: int, last: int) -> str:
    """Lists of ten aliases each, of the list before: so many values in all."""
    lines = ["a0: &a0 [1]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, levels)]
    return "\n".join([*lines, f"last: [{', '.join([f'*a{levels - 1}'] * last)}]", ""])


def test_aliases_of_aliases_end_somewhere() -> None:
    (leaf,) = FORMATS["yaml"].leaves(aliases(5, 1))
    assert len(leaf.pointers) == 1 + 10 + 100 + 1000 + 10_000 + 10_000
    with pytest.raises(OperatorError, match="its aliases stand for more than 100000 values"):
        FORMATS["yaml"].leaves(aliases(9, 10))


def merged(items: int) -> str:
    """A mapping into which as many others are merged, each of which names all of their values."""
    return "<<:\n" + "".join(f"- {{name: N{number}, value: x}}\n" for number in range(items))


def test_names_of_merged_lists_end_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperatorError, match="give its values more than 1000000 names"):
        FORMATS["yaml"].leaves(merged(4000))
    monkeypatch.setattr(spans, "_NAMES", 3 * 3 + 3)
    assert "/N2" in FORMATS["yaml"].leaves(merged(3))[1].pointers
    monkeypatch.setattr(spans, "_NAMES", 3 * 3 + 3 - 1)
    with pytest.raises(OperatorError, match="more than 11 names"):
        FORMATS["yaml"].leaves(merged(3))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("json", '{"a": NaN}', "it is not valid JSON: NaN is not JSON"),
        ("json", '{"a": secret}', "it is not valid JSON"),
        ("json", "[" * 100_000, "it is nested too deeply"),
        ("yaml", "a: [secret", "it is not valid YAML: expected"),
        ("yaml", "a: \x00", "it is not valid YAML"),
        ("yaml", "? [secret]\n: b", "the key in line 1 is no plain word"),
        ("yaml", "[" * 20_000, "it is nested too deeply"),
        ("toml", "a = secret", "it is not valid TOML"),
        ("toml", '# "\ue0000\ue000"\na = 1\n', "its layout cannot be kept"),
        ("toml", '# "\ue0009\ue000"\na = 1\n', "its layout cannot be kept"),
        ("toml", "a = " + "[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_told_without_its_content(name: str, text: str, told: str) -> None:
    with pytest.raises(OperatorError) as problem:
        FORMATS[name].leaves(text)
    assert problem.value.message.startswith(told)
    assert "secret" not in problem.value.message + problem.value.hint


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def walk(content: object, path: str) -> list[tuple[str, object]]:
    if isinstance(content, dict):
        return [one for name, value in content.items() for one in walk(value, path + pointer((name,)))]
    if isinstance(content, list):
        return [one for number, value in enumerate(content) for one in walk(value, f"{path}/{number}")]
    return [(path, content)]


@given(nested, st.sampled_from([None, 0, "\t"]), st.booleans())
def test_every_value_of_any_json_is_found(
    content: object, indent: int | str | None, ascii_only: bool
) -> None:
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
    assert [(path, json.loads(spelled)) for path, spelled in found("json", text)] == walk(content, "")
