"""The rules of an account for passwords, for people."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from keystead.console.locales import Translator
from keystead.console.locales import marked as N_
from keystead.console.typed import Typed

_WANTED = (
    ("RequireLowercaseCharacters", N_("A lower-case letter.")),
    ("RequireUppercaseCharacters", N_("An upper-case letter.")),
    ("RequireNumbers", N_("A digit.")),
    ("RequireSymbols", N_("A symbol, which is neither a letter nor a digit.")),
)


def rules(_: Translator, policy: Mapping[str, Any]) -> list[Markup]:
    """What a new password must have, a sentence each."""
    least = policy["MinimumPasswordLength"]
    found = [_.plural("At least %(number)s character.", "At least %(number)s characters.", least)]
    found += [_(text) for name, text in _WANTED if policy[name]]
    if reuse := policy["PasswordReusePrevention"]:
        found.append(_.plural("Not the last password.", "None of the last %(number)s passwords.", reuse))
    return found


_WRONG = {
    "InvalidParameter.Password.TooWeak": N_("This password does not follow the rules."),
    "InvalidParameter.NewPassword.TooWeak": N_("This password does not follow the rules."),
    "InvalidParameter.Password.ReusePrevention": N_("This password was used before."),
    "InvalidParameter.NewPassword.ReusePrevention": N_("This password was used before."),
    "InvalidParameter.OldPassword.Incorrect": N_("This is not your password."),
}


def beside(_: Translator, form: Typed) -> Typed:
    """The form with what the service says of a password beside the password's field."""
    code = form.refused.code if form.refused is not None else ""
    if code not in _WRONG:
        return form
    field = code.split(".")[1]
    return form._replace(errors={**form.errors, field: _(_WRONG[code])}, refused=None)
