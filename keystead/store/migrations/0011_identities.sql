ALTER TABLE accounts ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN status TEXT NOT NULL DEFAULT 'Active';
-- The id of the user that signs with it; '' is the account itself.
ALTER TABLE access_keys ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
-- When a temporary one is there no longer; 0 is of one that stays.
ALTER TABLE access_keys ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;
CREATE INDEX access_keys_expire ON access_keys (expires) WHERE expires > 0;

CREATE TABLE users (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES accounts (account),
    user_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    mobile TEXT NOT NULL,
    email TEXT NOT NULL,
    comments TEXT NOT NULL,
    UNIQUE (account, name)
) STRICT;

CREATE TABLE user_groups (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES accounts (account),
    group_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    comments TEXT NOT NULL,
    UNIQUE (account, name)
) STRICT;

CREATE TABLE members (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES accounts (account),
    group_id TEXT NOT NULL REFERENCES user_groups (group_id),
    user_id TEXT NOT NULL REFERENCES users (user_id),
    joined INTEGER NOT NULL,
    UNIQUE (account, group_id, user_id)
) STRICT;

CREATE TABLE policies (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES accounts (account),
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    description TEXT NOT NULL,
    current INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    UNIQUE (account, name)
) STRICT;

CREATE TABLE policy_versions (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    policy TEXT NOT NULL,
    number INTEGER NOT NULL,
    document TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (account, policy, number),
    FOREIGN KEY (account, policy) REFERENCES policies (account, name)
) STRICT;

CREATE TABLE attachments (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES accounts (account),
    kind TEXT NOT NULL,
    holder TEXT NOT NULL,
    policy_type TEXT NOT NULL,
    policy TEXT NOT NULL,
    attached INTEGER NOT NULL,
    UNIQUE (account, kind, holder, policy_type, policy)
) STRICT;
