"""What a program or a shell needs to use a key: the same few lines for each official client, with the key filled in.

A line that ends in § is for a server that is called by its own address; without such lines a program is one for
`keystead run`, which leads it to the server.
"""

import re
from typing import NamedTuple

from keystead.console.locales import marked as N_
from keystead.console.snippet_texts import MAC, PAIR, SIGNATURE, SYMMETRIC
from keystead.domain.keys.algorithms import ENCRYPTIONS, SIGNATURES, Use, good
from keystead.domain.keys.key import KeySpec, KeyUsage, Origin

_HOST = re.compile(r"\A(?P<name>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?\Z")
_ELSEWHERE = "localhost:8443"

TITLES = {
    "python": N_("Python: the current SDK"),
    "classic": N_("Python: the classic SDK"),
    "java": N_("Java"),
    "go": N_("Go"),
    "node": N_("Node.js"),
    "aliyun": N_("The vendor's command line"),
    "terraform": N_("Terraform"),
    "kms": N_("keystead kms: any operation"),
    "file": N_("keystead file: files of any size"),
    "exec": N_("keystead exec: secrets for a service that starts"),
}
PACKAGES = {
    "python": "pip install alibabacloud_kms20160120",
    "classic": "pip install aliyun-python-sdk-core aliyun-python-sdk-kms",
    "java": "com.aliyun:kms20160120:1.2.3",
    "go": "go get github.com/alibabacloud-go/kms-20160120/v3",
    "node": "npm install @alicloud/kms20160120 @alicloud/rpc-client",
}


class Place(NamedTuple):
    """Where a key is called: the server's name and port, and the region."""

    name: str
    port: str
    region: str
    direct: bool  # whether calls that name no region are for this one

    @property
    def endpoint(self) -> str:
        return self.name if self.port == "443" else f"{self.name}:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.endpoint}"


class Snippet(NamedTuple):
    """One piece of text to copy."""

    id: str
    title: str
    package: str
    text: str


def place_of(host: str, region: str, home: str) -> Place:
    """The server that is reached by this Host header."""
    found = _HOST.match(host) or _HOST.match(_ELSEWHERE)
    assert found is not None
    return Place(found["name"], found["port"] or "443", region, region == home)


def snippets(
    place: Place, key: str, version: str, spec: KeySpec, usage: KeyUsage, origin: Origin
) -> list[Snippet]:
    """All that there is for a key of this kind: `key` is its alias or id, `version` a version of a key pair."""
    if good(Use.SYMMETRIC, spec, usage, origin):
        texts, algorithm = SYMMETRIC, ""
    elif good(Use.MAC, spec, usage, origin):
        texts, algorithm = MAC, str(spec)
    elif good(Use.SIGNATURE, spec, usage, origin):
        texts, algorithm = SIGNATURE, SIGNATURES[spec][0]
    else:
        texts, algorithm = PAIR, ENCRYPTIONS[spec][0]
    values = {
        "KEY": key,
        "VERSION": version,
        "ALGORITHM": algorithm,
        "DIGEST": "sm3" if spec is KeySpec.EC_SM2 else "sha256",
        "REGION": place.region,
        "HOST": place.name,
        "PORT": place.port,
        "ENDPOINT": place.endpoint if place.direct else f"kms.{place.region}.aliyuncs.com",
        "URL": place.url,
    }
    return [
        Snippet(name, TITLES[name], PACKAGES.get(name, ""), _filled(text, values, place.direct))
        for name, text in texts.items()
    ]


def _filled(text: str, values: dict[str, str], direct: bool) -> str:
    lines = text.strip("\n").split("\n")
    kept = [line.removesuffix("§") for line in lines if direct or not line.endswith("§")]
    return re.sub(r"@([A-Z]+)@", lambda found: values[found[1]], "\n".join(kept)) + "\n"
