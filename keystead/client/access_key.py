"""Where a command finds the AccessKey that it calls with."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from keystead import owners, variables
from keystead.errors import OperatorError

_SECRET = re.compile(r"[^/]*[0-9A-Za-z]{30}[^/]*")  # or an id and a secret


def read_access_key(path: Path) -> tuple[str, str]:
    """Id and secret of an AccessKey file: the two by themselves, or the answer of CreateAccessKey.

    OperatorError if it is missing, can't be read, or is neither."""
    try:
        content = json.loads(path.read_bytes())
        pair = content.get("AccessKey", content)
        found = pair["AccessKeyId"], pair["AccessKeySecret"]
        if not all(isinstance(one, str) and one for one in found):
            raise TypeError
        return found
    except FileNotFoundError:
        # The secret itself, given in the place of its file, is not shown.
        shown = "of that name" if _SECRET.fullmatch(str(path)) else str(path)
        raise OperatorError(
            f"there is no AccessKey file {shown}",
            hint="set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, "
            "or make a new AccessKey with keystead access-key create -o FILE",
        ) from None
    except OSError as error:
        raise OperatorError(
            f"cannot read the AccessKey file {path}: {error.strerror}", hint=owners.hint(path)
        ) from None
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise OperatorError(
            f"the AccessKey file {path} is not JSON with AccessKeyId and AccessKeySecret",
            hint="keystead access-key create -o FILE makes such a file",
        ) from None


def environment_access_key(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The AccessKey in the file KEYSTEAD_ACCESS_KEY_FILE, else that of ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET; None unless
    both are set. OperatorError if there is no AccessKey in that file."""
    if file := environment.get(variables.ACCESS_KEY_FILE, ""):
        try:
            return read_access_key(Path(file))
        except OperatorError as problem:
            raise OperatorError(
                problem.message, hint=f"{variables.ACCESS_KEY_FILE} names it; {problem.hint}"
            ) from None
    found = (
        environment.get("ALIBABA_CLOUD_ACCESS_KEY_ID", ""),
        environment.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET", ""),
    )
    return found if all(found) else None
