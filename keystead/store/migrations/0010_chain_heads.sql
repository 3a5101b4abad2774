-- The end of each chain of records, so that no batch looks for it among them.
CREATE TABLE chains (
    chain TEXT PRIMARY KEY,
    records INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- SQLite takes the other columns from the row that has the maximum.
INSERT INTO chains SELECT chain, sequence, hash FROM (
    SELECT chain, sequence, hash, max(position) FROM audit GROUP BY chain
);
