-- The end of each chain of records, so that no batch looks for it among them.
CREATE TABLE chains (
    chain TEXT PRIMARY KEY,
    records INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- Of the server's own chain, which is mostly the last record; another's end is looked for when it is asked for.
INSERT INTO chains SELECT chain, sequence, hash FROM audit
WHERE chain = (SELECT value FROM meta WHERE name = 'server_id') ORDER BY position DESC LIMIT 1;
