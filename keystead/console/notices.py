"""What a page says of what was just done. Their names stand in addresses, and nothing else does."""

from keystead.console.locales import marked as N_

NOTICES = {
    "signed-out": N_("You are signed out."),
    "saved": N_("Saved."),
    "user-created": N_(
        "The user is created. It may do nothing until you attach a policy or put it into a group."
    ),
    "user-deleted": N_("The user is deleted."),
    "access-key-active": N_("The AccessKey is enabled."),
    "access-key-inactive": N_("The AccessKey is disabled: no later call is accepted with it."),
    "access-key-deleted": N_("The AccessKey is deleted."),
    "group-created": N_("The group is created. Put users into it, and attach policies to it."),
    "group-deleted": N_("The group is deleted."),
    "group-joined": N_("The user is in the group now."),
    "group-left": N_("The user is out of the group."),
    "policy-attached": N_("The policy is attached; it binds from the next call on."),
    "policy-detached": N_("The policy is detached: no later call is allowed by it."),
    "policy-created": N_("The policy is created. It has a say once it is attached to a user or group."),
    "policy-deleted": N_("The policy is deleted."),
    "policy-version-created": N_("The new version is kept. It has a say once it is the default one."),
    "policy-version-default": N_("This version has a say from the next call on."),
    "policy-version-deleted": N_("The version is deleted."),
    "sign-in-allowed": N_("The user can sign in with this password."),
    "sign-in-ended": N_("The user can sign in no longer, and is signed out."),
    "password-changed": N_("The password is changed, and your other sessions are ended."),
    "mfa-bound": N_("The MFA device is bound. From now on signing in asks for its code."),
    "mfa-unbound": N_("The MFA device is unbound. Signing in asks for no code."),
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
