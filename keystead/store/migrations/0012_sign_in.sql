CREATE TABLE login_profiles (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES accounts (account),
    user_id TEXT NOT NULL UNIQUE REFERENCES users (user_id),
    password TEXT NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    past TEXT NOT NULL,
    reset_required INTEGER NOT NULL,
    mfa_bind_required INTEGER NOT NULL,
    last_login INTEGER NOT NULL,
    UNIQUE (account, user_id)
) STRICT;

CREATE TABLE password_policies (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL UNIQUE REFERENCES accounts (account),
    min_length INTEGER NOT NULL,
    lowercase INTEGER NOT NULL,
    uppercase INTEGER NOT NULL,
    numbers INTEGER NOT NULL,
    symbols INTEGER NOT NULL,
    hard_expiry INTEGER NOT NULL,
    max_age INTEGER NOT NULL,
    reuse INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL
) STRICT;

CREATE TABLE mfa_devices (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES accounts (account),
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    seed BLOB NOT NULL,
    user_id TEXT NOT NULL,
    activated INTEGER NOT NULL,
    step INTEGER NOT NULL,
    UNIQUE (account, name)
) STRICT;

CREATE TABLE known_addresses (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES accounts (account),
    user_id TEXT NOT NULL REFERENCES users (user_id),
    address TEXT NOT NULL,
    seen INTEGER NOT NULL,
    UNIQUE (account, user_id, address)
) STRICT;

CREATE TABLE sessions (
    digest BLOB PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL REFERENCES accounts (account),
    -- '' is the owner of the account.
    user_id TEXT NOT NULL,
    created INTEGER NOT NULL,
    used INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    how TEXT NOT NULL,
    source TEXT NOT NULL,
    mfa INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of ON sessions (account, user_id);

CREATE TABLE tickets (
    digest BLOB PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (account),
    kind TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
