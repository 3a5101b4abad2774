"""The formats that there are, and which one a file's name tells."""

from keystead.files.formats import dotenv, ini, properties
from keystead.files.formats.spans import Format
from keystead.files.formats.structured import json_leaves, toml_leaves, yaml_leaves

FORMATS = {
    one.name: one
    for one in (
        Format(name="env", leaves=dotenv.leaves, suffixes=(".env",)),
        Format(name="yaml", leaves=yaml_leaves, suffixes=(".yaml", ".yml"), quote='"'),
        Format(name="json", leaves=json_leaves, suffixes=(".json",), quote='"'),
        Format(name="toml", leaves=toml_leaves, suffixes=(".toml",), quote='"'),
        # `.conf` is anything: of nginx, of a shell.
        Format(name="ini", leaves=ini.leaves, suffixes=(".ini", ".cfg", ".cnf")),
        Format(name="properties", leaves=properties.leaves, suffixes=(".properties",), bytewise=True),
    )
}
_BY_SUFFIX = {suffix: one for one in FORMATS.values() for suffix in one.suffixes}


def by_name(file_name: str) -> Format | None:
    """The format that a file's name tells: config.yaml, .env.production, settings.toml.cipher; None if it tells none."""
    name = file_name.removesuffix(".cipher")
    if name.startswith(".env."):
        return FORMATS["env"]
    dot = name.rfind(".")
    return _BY_SUFFIX.get(name[dot:].lower()) if dot >= 0 else None
