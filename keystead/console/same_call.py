"""A call as a command and as a program, for who wants to repeat it elsewhere. What is secret, or long, is a file in both."""

import shlex
from typing import NamedTuple

from keystead.domain.products import Product


class Given(NamedTuple):
    """A parameter of the call: its value, or the name of a file and how it is read.

    `read`: "text" (as it stands there), "line" (without what ends its line), "base64" (the base64 of it), "sha256" (the
    base64 of its SHA-256).
    """

    name: str
    value: str = ""
    file: str = ""
    read: str = "text"


# For the shell, what comes before the command that reads it as standard input; for Python, an expression.
_SHELL = {"base64": "base64 -w0 {}", "sha256": "openssl dgst -sha256 -binary {} | base64 -w0"}
_PYTHON = {
    "text": "open({}).read()",
    "line": "open({}).read().strip()",
    "base64": 'base64.b64encode(open({}, "rb").read()).decode()',
    "sha256": 'base64.b64encode(hashlib.sha256(open({}, "rb").read()).digest()).decode()',
}
_PACKAGES = {"base64": "base64", "sha256": "base64, hashlib"}


def as_command(product: Product, action: str, given: list[Given]) -> str:
    """The call by `keystead kms` and the like; at most one file is given by standard input."""
    words = [f"keystead {product.name.lower()} {action}"]
    first = ""
    for one in given:
        name = f"--{one.name}"
        if not one.file:
            words.append(f"{name} {shlex.quote(one.value) if one.value else repr('')}")
        elif one.read in _SHELL and not first:
            first = _SHELL[one.read].format(shlex.quote(one.file)) + " | "
            words.append(f"{name} -")
        else:
            words.append(f"{name} {shlex.quote(f'file:{one.file}')}")
    line = " ".join(words)
    if len(first) + len(line) <= 56:
        return first + line
    separator = " \\\n    "
    return (f"{first.rstrip(' |')} |\n  " if first else "") + separator.join(words)


def as_program(product: Product, action: str, given: list[Given], region: str) -> str:
    """The call in Python, by the core of the vendor's SDK, which has one way for all operations."""
    packages = {_PACKAGES[one.read] for one in given if one.file and one.read in _PACKAGES}
    imports = ", ".join(sorted({*", ".join(packages).split(", "), "os"} - {""}))
    lines = [
        f"import {imports}",
        "",
        "from aliyunsdkcore.client import AcsClient",
        "from aliyunsdkcore.request import CommonRequest",
        "",
        "client = AcsClient(",
        '    os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],',
        '    os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],',
        f"    {_quoted(region)},",
        ")",
        f"request = CommonRequest(product={_quoted(product.name)}, version={_quoted(product.version)},",
        f"                        action_name={_quoted(action)})",
        'request.set_protocol_type("https")',
        'request.set_method("POST")',
    ]
    for one in given:
        if one.file:
            # In the body: addresses are logged on their way.
            lines.append(
                f'request.add_body_params("{one.name}", {_PYTHON[one.read].format(_quoted(one.file))})'
            )
        else:
            lines.append(f'request.add_query_param("{one.name}", {_quoted(one.value)})')
    lines.append("print(client.do_action_with_exception(request).decode())")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """A literal of Python, in double quotes as far as it goes."""
    shown = repr(text)
    return f'"{shown[1:-1]}"' if shown.startswith("'") and '"' not in shown and "\\'" not in shown else shown
