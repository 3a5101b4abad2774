-- A nonce is accepted once: the table itself says so, whatever the program believes. It stays a few pages long.
CREATE TABLE unique_nonces (
    second INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (second, digest)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO unique_nonces SELECT second, digest FROM recent_nonces;
DROP TABLE recent_nonces;
ALTER TABLE unique_nonces RENAME TO recent_nonces;
