CREATE TABLE meta (
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    seal bytea NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE wrapping_keys (
    generation bigint NOT NULL,
    root_fingerprint text COLLATE "C" NOT NULL,
    blob bytea NOT NULL,
    created bigint NOT NULL,
    seal bytea NOT NULL,
    PRIMARY KEY (generation)
);

CREATE TABLE service_secrets (
    name text COLLATE "C" NOT NULL,
    root_fingerprint text COLLATE "C" NOT NULL,
    blob bytea NOT NULL,
    created bigint NOT NULL,
    seal bytea NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE root_key (
    one bigint NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    parameters text COLLATE "C" NOT NULL,
    since bigint NOT NULL,
    seal bytea NOT NULL,
    PRIMARY KEY (one)
);

CREATE TABLE accounts (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account),
    PRIMARY KEY (position)
);

CREATE TABLE access_keys (
    position bigint NOT NULL,
    access_key_id text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    generation bigint NOT NULL,
    secret bytea NOT NULL,
    description text COLLATE "C" NOT NULL,
    creator text COLLATE "C" NOT NULL,
    last_used bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    expires bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (access_key_id),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account),
    FOREIGN KEY (generation) REFERENCES wrapping_keys (generation)
);
CREATE INDEX access_keys_of_account ON access_keys (account, position);
CREATE INDEX access_keys_expire ON access_keys (expires) WHERE expires > 0;

CREATE TABLE keys (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    spec text COLLATE "C" NOT NULL,
    usage text COLLATE "C" NOT NULL,
    origin text COLLATE "C" NOT NULL,
    protection text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    description text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    primary_version text COLLATE "C" NOT NULL,
    rotated bigint NOT NULL,
    instance text COLLATE "C" NOT NULL,
    deletion_at bigint,
    rotation_interval bigint,
    rotation_due bigint,
    protected bigint NOT NULL,
    protection_reason text COLLATE "C" NOT NULL,
    policy text COLLATE "C" NOT NULL,
    absent bigint NOT NULL,
    material_check bytea NOT NULL,
    expires bigint,
    service text COLLATE "C" NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account, region, key_id),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account)
);
-- While a table has no statistics, an index whose first columns are given is taken for as good as the unique one, though it
-- leads through all rows of an account. So those for other purposes have a condition that only these have, or other first columns.
CREATE INDEX keys_in_order ON keys (account, region, position) WHERE position IS NOT NULL;
CREATE INDEX keys_due ON keys (deletion_at) WHERE deletion_at IS NOT NULL;
CREATE INDEX keys_rotating ON keys (rotation_due) WHERE rotation_due IS NOT NULL;
CREATE INDEX keys_expiring ON keys (expires) WHERE expires IS NOT NULL;
CREATE INDEX keys_of_instance ON keys (account, region, instance, key_id) WHERE instance <> '';

CREATE TABLE key_versions (
    version_id text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    spec text COLLATE "C" NOT NULL,
    usage text COLLATE "C" NOT NULL,
    origin text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    generation bigint NOT NULL,
    material bytea NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account, region, key_id, number),
    PRIMARY KEY (version_id),
    FOREIGN KEY (generation) REFERENCES wrapping_keys (generation),
    FOREIGN KEY (account, region, key_id) REFERENCES keys (account, region, key_id)
);
CREATE UNIQUE INDEX key_versions_of_account ON key_versions (version_id, account);

CREATE TABLE tags (
    account text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    seal bytea NOT NULL,
    PRIMARY KEY (account, region, key_id, name),
    FOREIGN KEY (account, region, key_id) REFERENCES keys (account, region, key_id)
);
CREATE INDEX tags_by_name ON tags (name, account, region, value, key_id);
CREATE INDEX tags_by_value ON tags (value, account, region, key_id);

CREATE TABLE aliases (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account, region, name),
    PRIMARY KEY (position),
    FOREIGN KEY (account, region, key_id) REFERENCES keys (account, region, key_id)
);
CREATE INDEX aliases_in_order ON aliases (account, region, position) WHERE position IS NOT NULL;
CREATE INDEX aliases_of_key ON aliases (key_id, account, region, position);

CREATE TABLE stretches (
    listing text COLLATE "C" NOT NULL,
    stretch bigint NOT NULL,
    facets text COLLATE "C" NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (listing, stretch, facets)
);

CREATE TABLE nonces (
    second bigint NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (second, digest)
);

CREATE TABLE users (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    mobile text COLLATE "C" NOT NULL,
    email text COLLATE "C" NOT NULL,
    comments text COLLATE "C" NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (user_id),
    UNIQUE (account, name),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account)
);

CREATE TABLE user_groups (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    group_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL,
    comments text COLLATE "C" NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (group_id),
    UNIQUE (account, name),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account)
);

CREATE TABLE members (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    group_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    joined bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account, group_id, user_id),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account),
    FOREIGN KEY (group_id) REFERENCES user_groups (group_id),
    FOREIGN KEY (user_id) REFERENCES users (user_id)
);

CREATE TABLE policies (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL,
    description text COLLATE "C" NOT NULL,
    current bigint NOT NULL,
    latest bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account, name),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account)
);

CREATE TABLE policy_versions (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    policy text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    document text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account, policy, number),
    PRIMARY KEY (position),
    FOREIGN KEY (account, policy) REFERENCES policies (account, name)
);

CREATE TABLE attachments (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    holder text COLLATE "C" NOT NULL,
    policy_type text COLLATE "C" NOT NULL,
    policy text COLLATE "C" NOT NULL,
    attached bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account, kind, holder, policy_type, policy),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account)
);

CREATE TABLE login_profiles (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    password text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    changed bigint NOT NULL,
    past text COLLATE "C" NOT NULL,
    reset_required bigint NOT NULL,
    mfa_bind_required bigint NOT NULL,
    last_login bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (user_id),
    UNIQUE (account, user_id),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account),
    FOREIGN KEY (user_id) REFERENCES users (user_id)
);

CREATE TABLE password_policies (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    min_length bigint NOT NULL,
    lowercase bigint NOT NULL,
    uppercase bigint NOT NULL,
    numbers bigint NOT NULL,
    symbols bigint NOT NULL,
    hard_expiry bigint NOT NULL,
    max_age bigint NOT NULL,
    reuse bigint NOT NULL,
    max_attempts bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account)
);

CREATE TABLE mfa_devices (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    seed bytea NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    activated bigint NOT NULL,
    step bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account, name),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account)
);

CREATE TABLE known_addresses (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    seen bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (account, user_id, address),
    PRIMARY KEY (position),
    FOREIGN KEY (account) REFERENCES accounts (account),
    FOREIGN KEY (user_id) REFERENCES users (user_id)
);

CREATE TABLE sessions (
    digest bytea NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    used bigint NOT NULL,
    confirmed bigint NOT NULL,
    how text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    mfa bigint NOT NULL,
    seal bytea NOT NULL,
    UNIQUE (session_id),
    PRIMARY KEY (digest),
    FOREIGN KEY (account) REFERENCES accounts (account)
);
CREATE INDEX sessions_of ON sessions (account, user_id);

CREATE TABLE tickets (
    digest bytea NOT NULL,
    account text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    expires bigint NOT NULL,
    seal bytea NOT NULL,
    PRIMARY KEY (digest),
    FOREIGN KEY (account) REFERENCES accounts (account)
);

CREATE TABLE guests (
    guest text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    FOREIGN KEY (account, region, key_id) REFERENCES keys (account, region, key_id)
);
CREATE UNIQUE INDEX guests_by_name ON guests (guest, account, region, key_id);
CREATE INDEX guests_of_key ON guests (account, region, key_id);

CREATE TABLE key_uses (
    key_account text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    caller_type text COLLATE "C" NOT NULL,
    principal text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    access_key_id text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    last bigint NOT NULL,
    count bigint NOT NULL,
    refused bigint NOT NULL,
    PRIMARY KEY (key_account, region, key_id, version, account, caller_type, principal, name, access_key_id, action)
);

CREATE TABLE minutes (
    account text COLLATE "C" NOT NULL,
    minute bigint NOT NULL,
    calls bigint NOT NULL,
    refused bigint NOT NULL,
    PRIMARY KEY (account, minute)
);

CREATE TABLE seals (
    bucket text COLLATE "C" NOT NULL,
    blob bytea NOT NULL,
    PRIMARY KEY (bucket)
);

-- Every record, of all chains. Each chain is of one run of one server: it alone appends to it.
CREATE TABLE audit (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    format bigint NOT NULL,
    chain text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    time bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    product text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    caller_type text COLLATE "C" NOT NULL,
    principal text COLLATE "C" NOT NULL,
    access_key_id text COLLATE "C" NOT NULL,
    session text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    host text COLLATE "C" NOT NULL,
    user_agent text COLLATE "C" NOT NULL,
    tls text COLLATE "C" NOT NULL,
    resources text COLLATE "C" NOT NULL,
    parameters text COLLATE "C" NOT NULL,
    status bigint NOT NULL,
    code text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL,
    UNIQUE (chain, sequence)
);

-- The latest position of each table that has them: none is given twice.
CREATE TABLE positions (
    name text COLLATE "C" PRIMARY KEY,
    latest bigint NOT NULL
);

-- The servers that have ever joined: `server` is an id that each keeps in its own data directory, `epoch` counts its starts.
CREATE TABLE servers (
    server text COLLATE "C" PRIMARY KEY,
    epoch bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    started bigint NOT NULL,
    seen bigint NOT NULL,
    stopped bigint,
    retired bigint
);

-- How many batches have changed anything. Every commit proves that its server knew the latest. `held` says why no server may
-- use the store: it was moved elsewhere, or is a copy that is not whole yet; '' is nothing.
CREATE TABLE fence (
    one bigint PRIMARY KEY CHECK (one = 1),
    revision bigint NOT NULL,
    held text COLLATE "C" NOT NULL DEFAULT ''
);
INSERT INTO fence VALUES (1, 0);

-- Called under the shared lock, as a statement of its own: then what it reads is what was committed before that was granted.
CREATE FUNCTION keep_out(of_server text, of_epoch bigint, known bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    latest bigint;
    hold text;
BEGIN
    SELECT revision, held INTO latest, hold FROM fence;
    IF latest IS DISTINCT FROM known THEN
        RAISE EXCEPTION 'the state is at revision %', latest USING ERRCODE = 'KS001';
    END IF;
    PERFORM 1 FROM servers WHERE server = of_server AND epoch = of_epoch AND retired IS NULL;
    IF hold <> '' OR NOT FOUND THEN
        RAISE EXCEPTION 'this run of the server is over: it started elsewhere, was retired, or its store was moved' USING ERRCODE = 'KS002';
    END IF;
END
$$;
