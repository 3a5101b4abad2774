"""Builds the client file: `kms`, `ram`, `sts`, `file` and `exec` in one file that runs on a Python without any package.

    python -m pyz.build OUT

It is a zip archive (see Python's `zipapp`) of the modules that these commands import, of the packages among those imports,
which hold Python only, with their licences, and of the catalogue of operations as data. The same sources and packages
give the same bytes: names are sorted, times and modes fixed, and nothing is compressed, since libraries do that differently.
"""

import ast
import base64
import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from io import BytesIO
from pathlib import Path

import keystead
import keystead.operations
from keystead.api.catalogue import CATALOGUE
from keystead.api.catalogue_data import written
from keystead.cli.call_examples import example
from keystead.cli.edition import CLIENT_COMMANDS

HERE = Path(__file__).resolve().parent
PACKAGE = Path(keystead.__file__).resolve().parent
BUNDLED = {"jmespath": "jmespath", "tomlkit": "tomlkit", "yaml": "PyYAML"}  # by the name that is imported
# What the client file has as data, and what it does without.
AS_DATA = ("keystead.operations", "keystead.cli.call_examples")
LEFT_OUT = ("keystead.server", "keystead.settings", "keystead.given_settings", "keystead.cli.policy_words")
# The imports of what is left out: each where only the whole program comes (see edition.WHOLE and edition.needs_whole).
GUARDED = {
    "keystead.cli": ("keystead.settings",),
    "keystead.cli.commands.kms": ("keystead.cli.policy_words",),
    "keystead.cli.target": ("keystead.settings", "keystead.server.data.discovery"),
}
# The one module that does without a package which is not there.
ELSEWHERE = {"keystead.crypto.primitives.aes_gcm": "cryptography"}


def module_path(name: str) -> Path | None:
    """The file of a module of ours, or None."""
    base = PACKAGE.parent.joinpath(*name.split("."))
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules that a module imports, wherever in it; what only a type checker reads is none."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.Import():
                yield from (one.name for one in node.names)
            case ast.ImportFrom(module=str(module)):
                yield module
                yield from (f"{module}.{one.name}" for one in node.names)
            case _:
                yield from imported(node)


def modules() -> dict[str, Path]:
    """The modules of ours that the client's commands need, by name. SystemExit if one needs what is not in the file."""
    waiting = [
        "keystead.cli",
        "keystead.api.catalogue_data",
        *(f"keystead.cli.commands.{name}" for name in CLIENT_COMMANDS),
    ]
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        path = module_path(name)
        if name in found or path is None or _is_of(name, LEFT_OUT) or name in AS_DATA:
            continue
        found[name] = path
        waiting.append(name.rpartition(".")[0])
        for other in imported(ast.parse(path.read_bytes())):
            if not _is_there(other, name):
                raise SystemExit(
                    f"error: {name} is part of the client file and imports {other}, which is not in it"
                )
            waiting.append(other)
    return found


def _is_there(name: str, importer: str) -> bool:
    """Whether the importer finds this module in the client file, or never comes to ask for it there."""
    top = name.partition(".")[0]
    if top != "keystead":
        return top in sys.stdlib_module_names or top in BUNDLED or ELSEWHERE.get(importer) == top
    if module_path(name) is None:  # a name in a module
        return True
    if _is_of(name, LEFT_OUT):
        return name in GUARDED.get(importer, ())
    return name in AS_DATA or not _is_of(name, AS_DATA)


def _is_of(name: str, packages: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{one}.") for one in packages)


def package_files(name: str, of: Distribution) -> Iterator[tuple[str, bytes]]:
    """The Python files of an installed package, as it was published, and its licence."""
    for file in of.files or ():
        licence = file.name.startswith("LICEN") and ".dist-info" in file.parts[0]
        if not licence and (file.parts[0] != name or file.suffix != ".py"):
            continue
        content = Path(str(file.locate())).read_bytes()
        assert file.hash is not None
        digest = base64.urlsafe_b64encode(hashlib.new(file.hash.mode, content).digest()).decode().rstrip("=")
        if digest != file.hash.value:
            raise SystemExit(f"error: {file.locate()} is not as it was published")
        yield (f"licences/{of.name}/{file.name}" if licence else str(file)), content


def contents() -> dict[str, bytes]:
    """Everything in the archive, by its name there."""
    told = [one for one in CATALOGUE if one.product.name.lower() in CLIENT_COMMANDS]
    found = {path.relative_to(PACKAGE.parent).as_posix(): path.read_bytes() for path in modules().values()}
    for name, of in BUNDLED.items():
        found.update(package_files(name, distribution(of)))
    return found | {
        "__main__.py": (HERE / "__main__.py").read_bytes(),
        "licences/keystead/LICENSE": (PACKAGE.parent / "LICENSE").read_bytes(),
        "keystead/operations/__init__.py": (HERE / "operations.py").read_bytes(),
        "keystead/operations/catalogue.json": _json(written(told)),
        "keystead/cli/call_examples.py": (HERE / "call_examples.py").read_bytes(),
        "keystead/cli/call_examples.json": _json({one.action: example(one) for one in told}),
    }


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def archive(files: dict[str, bytes]) -> bytes:
    """The client file's bytes."""
    held = BytesIO()
    held.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(held, "a", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, wherever it is built
            info.external_attr = 0o100644 << 16
            archive.writestr(info, files[name])
    return held.getvalue()


def main() -> None:
    """Build it, and print its SHA-256 as sha256sum does."""
    out = Path(sys.argv[1])
    content = archive(contents())
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    os.chmod(out, 0o755)  # noqa: S103 - it is a program
    print(f"{hashlib.sha256(content).hexdigest()}  {out}")


if __name__ == "__main__":
    main()
