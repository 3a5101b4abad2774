-- Records lie in the order they were written: what is only ever appended needs no index to be appended to.
CREATE TABLE audit_in_order (
    position INTEGER PRIMARY KEY,
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
    hash BLOB NOT NULL
) STRICT;
INSERT INTO audit_in_order (
    format, chain, sequence, time, kind, account, region, product, version, action, caller_type, principal,
    access_key_id, session, source, host, user_agent, tls, resources, parameters, status, code, request_id,
    hash
) SELECT
    format, chain, sequence, time, kind, account, region, product, version, action, caller_type, principal,
    access_key_id, session, source, host, user_agent, tls, resources, parameters, status, code, request_id,
    hash
FROM audit ORDER BY chain, sequence;
DROP TABLE audit;
ALTER TABLE audit_in_order RENAME TO audit;
