-- What the service itself needs to be secret: the key of the seals of rows, the key that signs checkpoints. Wrapped by the
-- root key, as the wrapping keys are.
CREATE TABLE service_secrets (
    name TEXT PRIMARY KEY,
    root_fingerprint TEXT NOT NULL,
    blob BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
