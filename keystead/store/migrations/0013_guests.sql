-- Which other accounts the policy of a key names: '*' where it names them by a pattern. All other keys are looked up by
-- their own accounts alone, so that finding nothing takes a stranger as long as there being nothing.
CREATE TABLE guests (
    guest TEXT NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    key_id TEXT NOT NULL,
    FOREIGN KEY (account, region, key_id) REFERENCES keys (account, region, key_id)
) STRICT;
CREATE UNIQUE INDEX guests_by_name ON guests (guest, account, region, key_id);
CREATE INDEX guests_of_key ON guests (account, region, key_id);
INSERT INTO guests
    SELECT DISTINCT CASE WHEN guest GLOB '*[*?]*' THEN '*' ELSE guest END, account, region, key_id
    FROM (
        SELECT substr(atom, 10, instr(substr(atom, 10), ':') - 1) AS guest, account, region, key_id
        FROM keys, json_tree(iif(json_valid(policy), policy, 'null'))
        WHERE atom GLOB 'acs:ram::*:*'
    )
    WHERE guest <> account;
CREATE UNIQUE INDEX key_versions_of_account ON key_versions (account, version_id);
