CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE wrapping_keys (
    generation INTEGER PRIMARY KEY,
    root_fingerprint TEXT NOT NULL,
    blob BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE accounts (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE access_keys (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    access_key_id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL REFERENCES accounts (account),
    status TEXT NOT NULL,
    created INTEGER NOT NULL,
    generation INTEGER NOT NULL REFERENCES wrapping_keys (generation),
    secret BLOB NOT NULL
) STRICT;
CREATE INDEX access_keys_of_account ON access_keys (account, position);

CREATE TABLE keys (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES accounts (account),
    region TEXT NOT NULL,
    key_id TEXT NOT NULL,
    spec TEXT NOT NULL,
    usage TEXT NOT NULL,
    origin TEXT NOT NULL,
    protection TEXT NOT NULL,
    state TEXT NOT NULL,
    description TEXT NOT NULL,
    created INTEGER NOT NULL,
    primary_version TEXT NOT NULL,
    rotated INTEGER NOT NULL,
    instance TEXT NOT NULL,
    deletion_at INTEGER,
    UNIQUE (account, region, key_id)
) STRICT;
CREATE INDEX keys_in_order ON keys (account, region, position);
CREATE INDEX keys_due ON keys (deletion_at) WHERE deletion_at IS NOT NULL;

CREATE TABLE key_versions (
    version_id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    key_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    spec TEXT NOT NULL,
    usage TEXT NOT NULL,
    origin TEXT NOT NULL,
    created INTEGER NOT NULL,
    generation INTEGER NOT NULL REFERENCES wrapping_keys (generation),
    material BLOB NOT NULL,
    UNIQUE (account, region, key_id, number),
    FOREIGN KEY (account, region, key_id) REFERENCES keys (account, region, key_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tags (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    key_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (account, region, key_id, name),
    FOREIGN KEY (account, region, key_id) REFERENCES keys (account, region, key_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (account, region, name),
    FOREIGN KEY (account, region, key_id) REFERENCES keys (account, region, key_id)
) STRICT;
CREATE INDEX aliases_in_order ON aliases (account, region, position);
CREATE INDEX aliases_of_key ON aliases (account, region, key_id, position);

-- How many rows of a listing lie in each stretch of 1024 positions, so that any page is found without a scan.
CREATE TABLE stretches (
    listing TEXT NOT NULL,
    stretch INTEGER NOT NULL,
    facets TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (listing, stretch, facets)
) STRICT, WITHOUT ROWID;

CREATE TABLE nonces (
    second INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (second, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    format INTEGER NOT NULL,
    chain TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    product TEXT NOT NULL,
    version TEXT NOT NULL,
    action TEXT NOT NULL,
    caller_type TEXT NOT NULL,
    principal TEXT NOT NULL,
    access_key_id TEXT NOT NULL,
    session TEXT NOT NULL,
    source TEXT NOT NULL,
    host TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    tls TEXT NOT NULL,
    resources TEXT NOT NULL,
    parameters TEXT NOT NULL,
    status INTEGER NOT NULL,
    code TEXT NOT NULL,
    request_id TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (chain, sequence)
) STRICT, WITHOUT ROWID;
