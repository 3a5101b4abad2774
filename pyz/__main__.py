"""The client file's beginning. Every Python can read it: one that is too old says so in a sentence."""

import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "error: keystead needs Python 3.11 or newer, and this is Python %d.%d\n"
        "hint: name a newer one, as in python3.11 %s\n"
        % (sys.version_info[0], sys.version_info[1], sys.argv[0])
    )
    sys.exit(1)

# Nothing but this file and Python's own library: the same program on every host, whatever is installed there.
others = [path for path in sys.path[1:] if os.path.basename(path) not in ("site-packages", "dist-packages")]
# What the environment puts before Python's own library goes behind it.
named = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
others.sort(key=lambda path: os.path.abspath(path) in named)
sys.path[0] = os.path.abspath(sys.path[0])
sys.path[1:] = others
# Not even tried, wherever it is: OpenSSL does it here.
sys.modules["cryptography"] = None  # type: ignore[assignment]

try:
    from keystead.cli import main

    status = main()
except ModuleNotFoundError as problem:
    if problem.name is None or problem.name.startswith("keystead"):
        raise
    sys.stderr.write(
        "error: this Python lacks %s, a module of its own library\n"
        "hint: install all of Python: python3, not python3-minimal (Debian, Ubuntu)\n" % problem.name
    )
    status = 1
sys.exit(status)
