"""Templates and static files, all in memory before the first page: the process that renders opens no files."""

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, cast

from jinja2 import DictLoader, Environment, StrictUndefined

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}


class Static(NamedTuple):
    """A static file."""

    content_type: str
    body: bytes
    compressed: bytes  # gzip
    tag: str  # of its content


@cache
def static_files() -> dict[str, Static]:
    """All static files by name; read once."""
    found = {}
    for one in files("keystead.console").joinpath("static").iterdir():
        body = one.read_bytes()
        kind = f"{_TYPES['.' + one.name.rpartition('.')[2]]}; charset=utf-8"
        tag = hashlib.sha256(body).hexdigest()[:16]
        found[one.name] = Static(kind, body, gzip.compress(body, mtime=0), tag)
    return found


@cache
def environment() -> Environment:
    """All templates, compiled once.

    What is put into a page is escaped unless a template says otherwise; what is not there is an error.
    """
    sources, statics = _read("templates", ""), static_files()
    made = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        auto_reload=False,
        cache_size=-1,
        extensions=["jinja2.ext.do"],
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    names = cast("dict[str, Any]", made.globals)
    names["static"] = lambda name: f"/console/static/{name}?v={statics[name].tag}"
    for name in sources:
        made.get_template(name)
    return made


def _read(folder: str, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in files("keystead.console").joinpath(folder).iterdir():
        name = f"{prefix}{one.name}"
        if one.is_dir():
            found |= _read(f"{folder}/{one.name}", f"{name}/")
        elif one.name.endswith(".html"):
            found[name] = one.read_text(encoding="utf-8")
    return found
