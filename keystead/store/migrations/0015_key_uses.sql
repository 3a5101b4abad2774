-- Statistics, written once a minute: who used a key when last, and how many calls came in each of the last minutes.
-- They decide nothing: what proves anything is in the records.
CREATE TABLE key_uses (
    key_account TEXT NOT NULL,
    region TEXT NOT NULL,
    key_id TEXT NOT NULL,
    version TEXT NOT NULL,
    account TEXT NOT NULL,
    caller_type TEXT NOT NULL,
    principal TEXT NOT NULL,
    name TEXT NOT NULL,
    access_key_id TEXT NOT NULL,
    action TEXT NOT NULL,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (
        key_account, region, key_id, version, account, caller_type, principal, name, access_key_id, action
    )
) STRICT, WITHOUT ROWID;

CREATE TABLE minutes (
    account TEXT NOT NULL,
    minute INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (account, minute)
) STRICT, WITHOUT ROWID;
