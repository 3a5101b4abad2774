"""What a page says of what was just done. Their names stand in addresses, and nothing else does."""

from keystead.console.locales import marked as N_

NOTICES = {
    "signed-out": N_("You are signed out."),
    "saved": N_("Saved."),
    "key-created": N_("The key is created."),
    "alias-created": N_("The alias is created."),
}
