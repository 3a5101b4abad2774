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
    "version-created": N_("The new version is kept. It has a say once it is the default one."),
    "version-default": N_("This version has a say from the next call on."),
    "version-deleted": N_("The version is deleted."),
    "sign-in-allowed": N_("The user can sign in with this password."),
    "sign-in-ended": N_("The user can sign in no longer, and is signed out."),
    "password-changed": N_("The password is changed, and your other sessions are ended."),
    "mfa-bound": N_("The MFA device is bound. From now on signing in asks for its code."),
    "mfa-unbound": N_("The MFA device is unbound. Signing in asks for no code."),
}
