-- Which root key wraps the wrapping keys and the service's own keys, and where it comes from: what the setting said, and what its
-- provider needs to find it again. Nothing of it is secret. A store without the row has its root key in a file beside it.
CREATE TABLE root_key (
    one INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    provider TEXT NOT NULL,
    parameters TEXT NOT NULL,
    since INTEGER NOT NULL,
    seal BLOB NOT NULL DEFAULT x''
) STRICT;
