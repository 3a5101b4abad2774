"""`keystead key`: what there is to do about one key that no single operation of the vendor's does."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from keystead.cli import key_uses, output, streams, target
from keystead.errors import OperatorError

_LENGTHS = {"Aliyun_AES_256": 32, "Aliyun_AES_192": 24, "Aliyun_AES_128": 16, "Aliyun_SM4": 16}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "key",
        help="import your own key material, see who uses a key",
        description="Bring your own key: import material into a key of Origin EXTERNAL. See who used a key of late.",
        examples=("keystead key import alias/demo material.bin", "keystead key usage alias/demo"),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    command = verbs.add_parser(
        "import",
        help="import the material of a key",
        description="Import material into a key that was created with Origin EXTERNAL: it is wrapped here, under a public "
        "key of the server, and never sent in the clear. Keep a copy: the server can't give it back, and a key "
        "whose material was deleted or expired takes only the same again.",
        examples=(
            "openssl rand -out material.bin 32",
            "keystead key import alias/demo material.bin",
            "keystead key import alias/demo material.bin --expires 2027-01-31",
        ),
    )
    command.add_argument("key", metavar="KEY", help="the key: an id, an alias or an ARN")
    command.add_argument("material", metavar="FILE", help="the raw bytes; - for standard input")
    command.add_argument(
        "--expires",
        metavar="TIME",
        help="when the server deletes it, as 2027-01-31 or 2027-01-31T12:00:00Z (default: never)",
    )
    target.add_options(command)
    command.set_defaults(func=import_file)
    command = verbs.add_parser(
        "usage",
        help="show who used a key",
        description="Show who used a key: by caller, AccessKey, operation and version, when last and how often. A server "
        "that is killed forgets the uses of its last minute; the audit records have them.",
        examples=("keystead key usage alias/demo", "keystead key usage alias/demo --json"),
    )
    command.add_argument("key", metavar="KEY", help="the key: an id, an alias or an ARN")
    command.add_argument("--json", action="store_true", help="the whole answer, as JSON")
    target.add_options(command)
    command.set_defaults(func=show_usage)


def show_usage(args: argparse.Namespace) -> int:
    """Print who used the key."""
    from keystead.domain.products import KEYSTEAD

    if not output.is_text(args.key):
        raise output.WrongCommandLine("KEY is not UTF-8 text", hint="give an id, an alias or an ARN")
    with target.kms(args) as kms:
        found = kms.call("UsageOfKey", {"KeyId": args.key}, product=KEYSTEAD)
    if args.json:
        output.answer(found)
    else:
        key_uses.table(found)
    return output.DONE


def import_file(args: argparse.Namespace) -> int:
    """Wrap the material and import it."""
    from keystead.client.import_material import import_material

    expires = _seconds(args.expires) if args.expires else 0
    material = _read(args.material)
    with target.kms(args) as kms:
        metadata = kms.key(args.key)
        wanted = _LENGTHS.get(metadata["KeySpec"], 32)
        if metadata["Origin"] != "EXTERNAL":
            raise OperatorError(
                f"the key {metadata['KeyId']} has material of the server's own",
                hint="create one with keystead kms CreateKey --Origin EXTERNAL",
            )
        if len(material) != wanted:
            raise OperatorError(
                f"{args.material} has {len(material)} bytes, and material of {metadata['KeySpec']} has {wanted}",
                hint=f"make some with openssl rand -out FILE {wanted}; no newline belongs to it",
            )
        import_material(kms, metadata["KeyId"], material, expires)
    output.note(f"imported into {metadata['KeyId']}; keep {args.material} in a safe place")
    return output.DONE


def _read(name: str) -> bytes:
    if name == "-":
        streams.check_input()
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise OperatorError(f"cannot read {name}: {error.strerror}", hint="check FILE") from None


def _seconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise output.WrongCommandLine(
            f"--expires {text} is not a time", hint="as 2027-01-31 or 2027-01-31T12:00:00Z, UTC"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
