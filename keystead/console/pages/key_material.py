"""One key: material that was made elsewhere, brought wrapped, and taken away again."""

import base64
from datetime import UTC, datetime

from markupsafe import Markup
from starlette.responses import Response

from keystead.console.pages.key_frame import ShownKey, about_key, find, show
from keystead.console.pages.key_usage import what_breaks
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.keys.algorithms import IMPORTS
from keystead.domain.keys.key import KeySpec

pages = Pages()
_LENGTHS = {KeySpec.AES_256: 32, KeySpec.AES_192: 24, KeySpec.AES_128: 16, KeySpec.SM4: 16}  # bytes
# What OpenSSL has to be told of each way of wrapping.
_OPTIONS = {
    "RSAES_OAEP_SHA_256": "rsa_padding_mode:oaep rsa_oaep_md:sha256 rsa_mgf1_md:sha256",
    "RSAES_OAEP_SHA_1": "rsa_padding_mode:oaep rsa_oaep_md:sha1 rsa_mgf1_md:sha1",
    "RSAES_PKCS1_V1_5": "rsa_padding_mode:pkcs1",
    "SM2PKE": "",
}
# The best of them first.
WAYS = tuple(
    f"{spec} {algorithm}"
    for spec, algorithms in IMPORTS.items()
    for algorithm in sorted(algorithms, key=list(_OPTIONS).index)
)


def commands(spec: KeySpec, algorithm: str) -> str:
    """The command lines that make material for a key of this spec and wrap it for the import."""
    options = "".join(f" \\\n    -pkeyopt {option}" for option in _OPTIONS[algorithm].split())
    return (
        f"openssl rand -out material.bin {_LENGTHS[spec]}\n"
        f"openssl pkeyutl -encrypt -pubin -inkey wrapping-key.pem{options} \\\n"
        "    -in material.bin -out wrapped.bin"
    )


@pages.get("/keys/{key_id}/import")
@about_key
async def ask(visit: Visit, key: ShownKey) -> Response:
    return await _show(visit, key)


async def _show(
    visit: Visit,
    key: ShownKey,
    problem: Refused | None = None,
    errors: dict[str, Markup] | None = None,
    *,
    way: str = "",
    given: dict[str, str] | None = None,
    status: int = 0,
) -> Response:
    """The page; `given` is what GetParametersForImport gave, for this way of wrapping."""
    await key.look_up("GetParametersForImport", "ImportKeyMaterial", "DeleteKeyMaterial")
    typed = visit.fields() if visit.request.method == "POST" else {}
    way = way or typed.get("way", WAYS[0])
    return show(
        visit,
        key,
        "import",
        status or (problem.status if problem is not None else 400 if errors else 200),
        problem=problem,
        errors=errors or {},
        typed=typed,
        ways=[(one, one) for one in WAYS],
        way=way,
        given=given,
        commands=commands(key.spec, way.partition(" ")[2]) if key.external and way in WAYS else "",
        length=_LENGTHS.get(key.spec, 0),
        has_material=not key.is_state("PendingImport"),
        breaks=await what_breaks(visit, key) if key.external else None,
    )


@pages.post("/keys/{key_id}/import/parameters")
@about_key
async def get_parameters(visit: Visit, key: ShownKey) -> Response:
    way = visit.field("way")
    if way not in WAYS:
        return await _show(visit, key, errors={"way": visit._("Choose one of these.")}, way=WAYS[0])
    spec, _, algorithm = way.partition(" ")
    try:
        told = await visit.call(
            "GetParametersForImport",
            {"KeyId": key.id, "WrappingKeySpec": spec, "WrappingAlgorithm": algorithm},
        )
    except Refused as refused:
        return await _show(visit, key, refused)
    given = {
        "pem": _pem(told["PublicKey"]),
        "token": told["ImportToken"],
        "until": told["TokenExpireTime"],
    }
    return await _show(visit, key, way=way, given=given, status=200)


def _pem(text: str) -> str:
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


@pages.post("/keys/{key_id}/import/file")
@about_key
async def keep(visit: Visit, key: ShownKey) -> Response:
    """What the page just showed, as a file."""
    name = "wrapping-key.pem" if visit.field("what") == "pem" else "import-token.txt"
    return visit.download(name, visit.field("content").replace("\r\n", "\n").encode(), "text/plain")


@pages.post("/keys/{key_id}/import")
@about_key
async def bring(visit: Visit, key: ShownKey) -> Response:
    errors: dict[str, Markup] = {}
    wrapped = await _wrapped(visit)
    if not wrapped:
        errors["wrapped"] = visit._(
            "Choose the file with the wrapped material. Browsers do not keep a file: choose it anew."
        )
    token = "".join(
        (await visit.file("token_file") or visit.field("token").encode()).decode(errors="replace").split()
    )
    if not token:
        errors["token"] = visit._("Paste the import token, or choose the file that it is in.")
    expires = _seconds(visit.field("expires"), visit.console.clock.now())
    if expires is None:
        errors["expires"] = visit._(
            "A date and time in the future, in UTC; or nothing, and it is kept for good."
        )
    if errors:
        return await _show(visit, key, errors=errors)
    try:
        await visit.call(
            "ImportKeyMaterial",
            {
                "KeyId": key.id,
                "EncryptedKeyMaterial": wrapped,
                "ImportToken": token,
                "KeyMaterialExpireUnix": str(expires),
            },
        )
    except Refused as refused:
        return await _show(visit, await find(visit, key.id), *_about_field(visit, key, refused))
    return visit.redirect(f"{key.path}/import", "material-imported")


async def _wrapped(visit: Visit) -> str:
    """The file with the wrapped material as base64: of its bytes, or as it is if it is that already."""
    content = await visit.file("wrapped") or b""
    text = b"".join(content.split())
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return base64.b64encode(content).decode()
    return text.decode()


def _about_field(
    visit: Visit, key: ShownKey, refused: Refused
) -> tuple[Refused | None, dict[str, Markup] | None]:
    """A refusal as what is said beside the field that it is about."""
    _ = visit._
    if refused.code == "InvalidKeyMaterial":
        said = _(
            "This does not unwrap to material for this key. %(spec)s takes %(length)s bytes, wrapped with the public key "
            "that came with this token and in the way that was chosen then; a key that had material before takes "
            "the same only.",
            spec=key.spec,
            length=_LENGTHS[key.spec],
        )
        return None, {"wrapped": said}
    if refused.code == "InvalidImportToken":
        return None, {"token": _("This is no import token of this key. Get a new one in step 1.")}
    if refused.code == "ExpiredImportToken":
        return None, {
            "token": _("This token is older than 24 hours. Get a new one in step 1, and wrap again.")
        }
    return refused, None


def _seconds(text: str, now: float) -> int | None:
    """A moment of a form in UTC, in seconds since 1970; 0 for none, None for what is no moment to come."""
    if not (text := text.strip()):
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return seconds if seconds > now else None


@pages.post("/keys/{key_id}/import/delete")
@about_key
async def take_away(visit: Visit, key: ShownKey) -> Response:
    if visit.field("typed_key").strip() != key.id:
        return await _show(
            visit, key, errors={"typed_key": visit._("Type the ID of the key as it stands above.")}
        )
    try:
        await visit.confirm()
        await visit.call("DeleteKeyMaterial", {"KeyId": key.id})
    except Refused as refused:
        if refused.code == "ConfirmationRequired":
            raise
        if refused.action == "ConfirmSession":
            return await _show(visit, key, errors={"confirm": Markup.escape(refused.message)})
        return await _show(visit, await find(visit, key.id), refused)
    return visit.redirect(f"{key.path}/import", "material-deleted")
