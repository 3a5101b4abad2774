"""Made `cases.json` once, with OpenJDK 17: `python -m tests.vectors.properties.generate`, from the root of the repository.

A case has the bytes of a file in base64, what java.util.Properties reads in them (null: it refuses), and the same of that
file with its values encrypted.
"""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from keystead.errors import OperatorError
from keystead.files.formats.properties import leaves
from tests.sealed_texts import PROPERTIES_TEXTS, sealed

HERE = Path(__file__).parent
SAMPLES = [
    "# c\n! d\na = 1\nb:2\rc 3\r\nd\n",
    "key = \\\n  value\nke\\\n  y2=v\n l \\\n : \\\n  x",
    "a\\ b\\=c = d \\\n\n e = \\u00e9\\uD83D\\uDE00\n",
    "a=1\na=2\n=x\n:y\n",
    "\\\n \\\n# comment\n\\\na=b\\\n#c",
    "fruits = apple, banana, \\\n         kiwi,\\\n\t\t plum\\\\\nnext=1",
    "é = ü\nA = \xff\n",
]


def java(contents: list[bytes]) -> Iterator[dict[str, str] | None]:
    """What Java reads in each."""
    lines = "".join(base64.b64encode(one).decode() + "\n" for one in contents)
    words = ["java", str(HERE / "ReadProperties.java")]
    ended = subprocess.run(words, input=lines, capture_output=True, text=True, check=True)
    for line in ended.stdout.split("\n")[:-1]:
        if line == "refused":
            yield None
            continue
        pairs = [one.partition("=") for one in line.split(" ") if one]
        yield {_text(key): _text(value) for key, _, value in pairs}


def _text(word: str) -> str:
    return base64.urlsafe_b64decode(word + "==").decode("utf-16-be", "surrogatepass")


def drawn(count: int) -> list[str]:
    """Texts at random, always the same."""
    texts: list[str] = []

    @seed(1)
    @settings(
        max_examples=count, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck)
    )
    @given(PROPERTIES_TEXTS)
    def draw(text: str) -> None:
        texts.append(text)

    draw()
    return list(dict.fromkeys(texts))


def cases(texts: list[str]) -> list[dict[str, object]]:
    """Each text, read by Java as it is and encrypted."""
    found = []
    for text in texts:
        content = text.encode("latin-1").decode(errors="surrogateescape")
        try:
            found.append((text.encode("latin-1"), sealed(content, leaves).encode(errors="surrogateescape")))
        except OperatorError:
            found.append((text.encode("latin-1"), b""))
    before = java([one for one, _ in found])
    after = java([one for _, one in found])
    return [
        {
            "file": base64.b64encode(file).decode(),
            "read": read,
            "sealed": base64.b64encode(changed).decode(),
            "sealed_read": sealed_read,
        }
        for (file, changed), read, sealed_read in zip(found, before, after, strict=True)
    ]


if __name__ == "__main__":
    made = cases(SAMPLES + drawn(400))
    (HERE / "cases.json").write_text("[\n" + ",\n".join(map(json.dumps, made)) + "\n]\n")
