"""What to say of policies that somebody wrote: actions that none of the server's operations has."""

from typing import TYPE_CHECKING

from keystead.cli import output

if TYPE_CHECKING:
    from keystead.access.documents import Document


def warn_of_idle(document: "Document", name: str) -> None:
    """Warn of actions that no operation here has: misspelt ones, or those of another service."""
    from keystead.api import questions

    known = list(questions.actions())
    for action in questions.idle(document):
        near = output.nearest(action, known)
        meant = f" (did you mean {near}?)" if near else ""
        output.warning(
            f"{name}: no operation here has the action {action}, so that it allows and denies nothing{meant}"
        )


def warn_of_sent(parameters: dict[str, str]) -> None:
    """The same of a policy that a server has just accepted as a parameter of a call."""
    from keystead.access.documents import Malformed, identity_document, key_document

    for name, read in (("PolicyDocument", identity_document), ("Policy", key_document)):
        if name in parameters:
            try:
                document = read(parameters[name])
            except Malformed:  # a server of the vendor's may know what we do not
                continue
            warn_of_idle(document, name)
