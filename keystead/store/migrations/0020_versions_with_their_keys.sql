-- The versions of a key lie together, and are found by their ids among those of their account alone.
-- One whose key is gone, which only another program can have brought about, is carried over like the others.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE versions (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    key_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    version_id TEXT NOT NULL,
    spec TEXT NOT NULL,
    usage TEXT NOT NULL,
    origin TEXT NOT NULL,
    created INTEGER NOT NULL,
    generation INTEGER NOT NULL REFERENCES wrapping_keys (generation),
    material BLOB NOT NULL,
    seal BLOB NOT NULL,
    PRIMARY KEY (account, region, key_id, number),
    FOREIGN KEY (account, region, key_id) REFERENCES keys (account, region, key_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX versions_of_account ON versions (account, version_id);
-- Row by row, and emptied before it is dropped: neither is sorted, nor kept to be undone, in memory.
INSERT INTO versions
    SELECT account, region, key_id, number, version_id, spec, usage, origin, created, generation, material, seal
    FROM key_versions ORDER BY account, region, key_id, number;
DELETE FROM key_versions;
DROP TABLE key_versions;
ALTER TABLE versions RENAME TO key_versions;
