"""What Java programs are told: JAVA_TOOL_OPTIONS, which every JVM reads before its command line.

Java's own HTTP clients, and others that ask for its default, read a proxy from system properties only, and none of them
reads a PEM file. A property that is given twice counts as it is given last.
"""

import shlex
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import SplitResult

PASSWORD = "changeit"  # noqa: S105 - Java's own; there is nothing secret in a trust store
_STORE = "javax.net.ssl.trustStore"
_EXEMPT = "http.nonProxyHosts"
_VENDORS = ("kms.cn-hangzhou.aliyuncs.com", "sts.aliyuncs.com", "ram.aliyuncs.com", "location.aliyuncs.com")
# What Java exempts by itself as long as nothing is set.
_LOCAL = ("localhost", "127.*", "[::1]", "0.0.0.0", "[::0]")  # noqa: S104 - a name, nothing listens there


def options(earlier: str, store: Path, proxy: SplitResult, no_proxy: Sequence[str]) -> str:
    """JAVA_TOOL_OPTIONS after this earlier value. `no_proxy` has the host names and domains that need no proxy."""
    exempt = list(_LOCAL)
    exempt += [one for one in _properties(earlier).get(_EXEMPT, "").split("|") if one]
    for host in no_proxy:
        name = host.lstrip("*").lstrip(".")
        if name and ":" not in name:  # an IPv6 address has another form there
            exempt += [name] if name[-1].isdigit() else [name, f"*.{name}"]
    added = {
        _STORE: str(store),
        f"{_STORE}Type": "PKCS12",
        f"{_STORE}Password": PASSWORD,
        "https.proxyHost": proxy.hostname,
        "https.proxyPort": proxy.port,
        "http.proxyHost": proxy.hostname,
        "http.proxyPort": proxy.port,
        _EXEMPT: "|".join(one for one in dict.fromkeys(exempt) if not _vendors(one)),
    }
    words = [_quoted(f"-D{name}={value}") for name, value in added.items()]
    return " ".join([earlier, *words] if earlier.strip() else words)


def earlier_store(earlier: str) -> tuple[str, bytes] | None:
    """The path and password of the trust store that the earlier options name."""
    named = _properties(earlier)
    path = named.get(_STORE, "")
    return (path, named.get(f"{_STORE}Password", PASSWORD).encode()) if path else None


def _vendors(pattern: str) -> bool:
    """Whether the pattern is for hosts of the vendor's, or matches them among others."""
    return pattern.endswith("aliyuncs.com") or any(fnmatchcase(host, pattern) for host in _VENDORS)


def _properties(text: str) -> dict[str, str]:
    words = shlex.shlex(text, posix=True, punctuation_chars=False)
    words.whitespace_split, words.escape, words.commenters = True, "", ""
    try:
        pairs = [word.removeprefix("-D").partition("=") for word in words if word.startswith("-D")]
    except ValueError:  # an open quote: Java refuses it as well
        return {}
    return {name: value for name, _, value in pairs}


def _quoted(word: str) -> str:
    # Java knows quotes but no backslash; where they are not needed there are none, for other JVMs.
    return shlex.quote(word) if any(letter.isspace() or letter in "'\"" for letter in word) else word
