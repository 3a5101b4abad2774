"""The console's menu: what there is, in the order in which people look for it."""

from keystead.console.locales import marked as N_

MENU = (
    ("", (("/", N_("Overview")), ("/tour", N_("Guided tour")))),
    (
        N_("Keys"),
        (("/keys", N_("Keys")), ("/aliases", N_("Aliases")), ("/try", N_("Try it"))),
    ),
    (
        N_("Access"),
        (
            ("/users", N_("Users")),
            ("/groups", N_("Groups")),
            ("/policies", N_("Policies")),
            ("/access", N_("Who may do what")),
        ),
    ),
    (
        N_("Operations"),
        (
            ("/audit", N_("Audit trail")),
            ("/explorer", N_("API explorer")),
            ("/settings", N_("Settings and health")),
        ),
    ),
)
