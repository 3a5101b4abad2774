"""What a page says of what was just done. Their names stand in addresses, and nothing else does."""

from keystead.console.locales import marked as N_

NOTICES = {
    "signed-out": N_("You are signed out."),
    "saved": N_("Saved."),
    "key-created": N_("The key was created, and works already."),
    "key-waits": N_("The key was created. It works when its material is imported."),
    "key-enabled": N_("The key is enabled."),
    "key-disabled": N_("The key is disabled: nothing is encrypted or decrypted with it from now on."),
    "alias-created": N_("The alias was created."),
    "alias-moved": N_("The alias was moved."),
    "alias-deleted": N_("The alias was deleted."),
    "version-created": N_(
        "The key has a new version, which encrypts from now on. The older ones go on decrypting."
    ),
    "material-imported": N_("The material was imported: the key works."),
    "material-deleted": N_("The material was deleted: nothing opens until the same is imported again."),
    "deletion-scheduled": N_(
        "The deletion is scheduled. Until then the key can't be used, and the deletion can be cancelled."
    ),
    "deletion-cancelled": N_("The deletion was cancelled: the key is enabled again."),
}
