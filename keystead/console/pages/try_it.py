"""Try it: use a key by hand, with the same call beside it as a command and as a program."""

import base64
import json
from typing import Any, NamedTuple

from starlette.responses import Response

from keystead.api.coerce import PLAINTEXT_BYTES
from keystead.console import trials
from keystead.console.key_choice import KeyChoice, offered
from keystead.console.locales import marked as N_
from keystead.console.routing import Pages
from keystead.console.same_call import Given, as_command, as_program
from keystead.console.service import Refused
from keystead.console.trials import Trial, Wrong
from keystead.console.visit import Visit
from keystead.domain.keys.algorithms import Use
from keystead.domain.products import KMS

pages = Pages()
_ROWS = 3
_MOST_ROWS = 20


class Outcome(NamedTuple):
    """What a call gave: `given` is what may be seen at once, `secret` what is shown on demand, each to be kept as a file."""

    reply: dict[str, Any]
    given: str = ""
    given_file: str = ""
    secret: bytes | None = None
    secret_file: str = ""
    verified: bool | None = None
    as_base64: bool = False  # what was encrypted is base64 of what was given

    @property
    def given_encoded(self) -> str:
        """What is given, as a form can carry it."""
        return base64.b64encode(self.given.encode()).decode()

    @property
    def readable(self) -> str:
        """The secret as text, if it is text."""
        try:
            text = (self.secret or b"").decode()
        except UnicodeDecodeError:
            return ""
        return text if "\0" not in text else ""

    @property
    def encoded(self) -> str:
        """The secret as a form can carry it."""
        return base64.b64encode(self.secret or b"").decode()


@pages.get("/try")
async def first(visit: Visit) -> Response:
    return await _show(visit, trials.TRIALS[0])


@pages.get("/try/{what}")
async def show(visit: Visit, what: str) -> Response:
    trial = trials.BY_NAME.get(what)
    if trial is None:
        return visit.render("not_found.html", 404)
    return await _show(visit, trial)


@pages.post("/try/{what}")
async def run(visit: Visit, what: str) -> Response:
    trial = trials.BY_NAME.get(what)
    if trial is None:
        return visit.render("not_found.html", 404)
    if visit.field("do") == "row":
        return await _show(visit, trial)
    try:
        parameters, given, as_base64 = await _call_of(visit, trial)
        action = _action(visit, trial)
        reply = await visit.call(action, parameters)
    except Wrong as wrong:
        return await _show(visit, trial, 400, errors={wrong.field: visit._(wrong.text, **wrong.values)})
    except Refused as refused:
        return await _show(visit, trial, refused.status, refused=refused)
    return await _show(visit, trial, outcome=_outcome(visit, trial, reply, as_base64), given=given)


@pages.post("/download")
async def download(visit: Visit) -> Response:
    """What a page showed, as a file: it is sent here and back, and kept nowhere."""
    try:
        content = base64.b64decode(visit.field("content"), validate=True)
    except ValueError:
        content = b""
    return visit.download(visit.field("name") or "file", content)


def _action(visit: Visit, trial: Trial) -> str:
    return "GenerateDataKeyWithoutPlaintext" if _without_plaintext(visit, trial) else trial.action


def _without_plaintext(visit: Visit, trial: Trial) -> bool:
    return trial.name == "data-key" and visit.field("plaintext") == "no"


async def _call_of(visit: Visit, trial: Trial) -> tuple[dict[str, str], list[Given], bool]:
    """The call's parameters, how they are shown, and whether the plaintext was made base64."""
    parameters: dict[str, str] = {}
    if trial.names_key:
        parameters["KeyId"] = visit.field("other_key").strip() or visit.field("key")
        if not parameters["KeyId"]:
            raise Wrong("other_key", N_("Choose a key, or write its id, alias or ARN."))
    text, file = visit.field("text"), await visit.file("file")
    form, as_base64 = visit.field("form"), False
    # What is wrong with what was given is said before anything is looked up.
    raw = trials.content(text, file) if trial.takes in ("plaintext", "message") else b""
    against = trials.encoded("against", visit.field("against"), None) if trial.against else ""
    if trial.use in (Use.SIGNATURE, Use.ASYMMETRIC_ENCRYPTION):
        parameters["KeyVersionId"] = visit.field("version").strip() or await _latest(visit, parameters)
    if trial.use is not Use.SYMMETRIC:
        chosen = visit.field("algorithm")
        metadata = (
            {} if chosen else (await visit.call("DescribeKey", KeyId=parameters["KeyId"]))["KeyMetadata"]
        )
        parameters["Algorithm"] = trials.algorithm_for(trial, chosen, metadata)
    match trial.takes:
        case "plaintext" if trial.use is Use.SYMMETRIC:
            parameters["Plaintext"], as_base64 = trials.plaintext(raw, form)
        case "plaintext":
            parameters["Plaintext"], as_base64 = base64.b64encode(raw).decode(), True
        case "ciphertext":
            parameters["CiphertextBlob"] = trials.encoded("text" if file is None else "file", text, file)
        case "message" if trial.use is Use.MAC:
            parameters["Message"] = base64.b64encode(raw).decode()
        case "message":
            parameters["Digest"] = trials.digest(raw, form, parameters["Algorithm"])
        case _:
            parameters["KeySpec"] = visit.field("spec", "AES_256")
    if trial.against:
        parameters[trial.against] = against
    if trial.has_context:
        found = trials.context(visit.several("context_name"), visit.several("context_value"))
        if found:
            parameters["EncryptionContext"] = json.dumps(found, ensure_ascii=False)
    return parameters, trials.shown(trial, parameters, visit.file_name("file"), form, as_base64), as_base64


async def _latest(visit: Visit, parameters: dict[str, str]) -> str:
    found = await visit.call("ListKeyVersions", KeyId=parameters["KeyId"], PageSize="1")
    return str(found["KeyVersions"]["KeyVersion"][0]["KeyVersionId"])


def _outcome(visit: Visit, trial: Trial, reply: dict[str, Any], as_base64: bool) -> Outcome:
    source = visit.file_name("file") or {"plaintext": "plaintext.txt", "ciphertext": "plaintext"}.get(
        trial.takes, "message.txt"
    )
    if "Plaintext" in reply and trial.takes == "ciphertext":
        text = str(reply["Plaintext"])
        secret = text.encode() if trial.use is Use.SYMMETRIC else base64.b64decode(text)
        if trial.use is Use.SYMMETRIC and visit.field("form") == "base64":
            try:
                secret = base64.b64decode(text, validate=True)
            except ValueError:
                pass  # it was no base64 that was encrypted
        return Outcome(reply, secret=secret, secret_file=source.removesuffix(".cipher"))
    if trial.against:
        return Outcome(reply, verified=reply["Value"])
    if "CiphertextBlob" in reply:
        name = "datakey" if trial.name == "data-key" else source
        made = base64.b64decode(reply["Plaintext"]) if "Plaintext" in reply else None
        return Outcome(reply, reply["CiphertextBlob"], f"{name}.cipher", made, "datakey", as_base64=as_base64)
    name, ending = ("Mac", "mac") if "Mac" in reply else ("Value", "signature")
    return Outcome(reply, reply[name], f"{source}.{ending}")


async def _show(
    visit: Visit,
    trial: Trial,
    status: int = 200,
    *,
    errors: dict[str, Any] | None = None,
    refused: Refused | None = None,
    outcome: Outcome | None = None,
    given: list[Given] | None = None,
) -> Response:
    asked = visit.field("other_key").strip() or visit.field("key")
    choice = await offered(visit, trial.use, f"kms:{_action(visit, trial)}", asked)
    names, values = visit.several("context_name"), visit.several("context_value")
    rows = [*zip(names, values, strict=False)][:_MOST_ROWS]
    wanted = max(_ROWS, len(rows) + (visit.field("do") == "row"))
    rows += [("", "")] * (min(wanted, _MOST_ROWS) - len(rows))
    action = _action(visit, trial)
    given = given or _example(visit, trial, choice)
    return visit.render(
        "try.html",
        status,
        trial=trial,
        trials=trials.TRIALS,
        choice=choice,
        action=action,
        algorithms=[(one, one or visit._("The first that the key is made for")) for one in trial.algorithms],
        # A plaintext is shown again after an error alone, and never came from an address.
        text=""
        if visit.request.method == "GET" or (outcome and trial.takes == "plaintext")
        else visit.field("text"),
        rows=rows,
        more_rows=len(rows) < _MOST_ROWS,
        most=PLAINTEXT_BYTES,
        errors=errors or {},
        refused=refused,
        outcome=outcome,
        had_file=bool(visit.file_name("file")),
        command=as_command(KMS, action, given),
        program=as_program(KMS, action, given, visit.region),
    )


def _example(visit: Visit, trial: Trial, choice: KeyChoice) -> list[Given]:
    """The call as it would be with what is in the form, before it was made."""
    names = {
        "KeyId": trial.names_key and (visit.field("other_key").strip() or choice.chosen or "alias/demo"),
        "KeyVersionId": trial.use in (Use.SIGNATURE, Use.ASYMMETRIC_ENCRYPTION)
        and (visit.field("version") or "KEY_VERSION_ID"),
        "Algorithm": trial.use is not Use.SYMMETRIC
        and (
            visit.field("algorithm") or (trial.algorithms[1] if len(trial.algorithms) > 1 else "HMAC_SHA_256")
        ),
        "Plaintext": trial.takes == "plaintext" and "…",
        "CiphertextBlob": trial.takes == "ciphertext" and "…",
        "Message": trial.takes == "message" and trial.use is Use.MAC and "…",
        "Digest": trial.takes == "message" and trial.use is Use.SIGNATURE and "…",
        trial.against or "-": trial.against and "…",
        "KeySpec": trial.name == "data-key" and visit.field("spec", "AES_256"),
    }
    parameters = {name: str(value) for name, value in names.items() if value}
    as_base64 = trial.use is Use.ASYMMETRIC_ENCRYPTION or visit.field("form") == "base64"
    return trials.shown(trial, parameters, "", visit.field("form"), as_base64)
