-- Nonces in the order they came; a few hundred at a time go to `nonces`, which is ordered for look-ups.
CREATE TABLE recent_nonces (
    second INTEGER NOT NULL,
    digest BLOB NOT NULL
) STRICT;
