-- The seal of a row: a code over all its columns, by a key that the root key protects.
ALTER TABLE accounts ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE access_keys ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE keys ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE key_versions ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE tags ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE aliases ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE users ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE user_groups ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE members ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE policies ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE policy_versions ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE attachments ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE login_profiles ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE password_policies ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE mfa_devices ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE known_addresses ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE sessions ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE tickets ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE wrapping_keys ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE service_secrets ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE meta ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
-- It is in the sealed record from here on.
DELETE FROM meta WHERE name = 'revision';

-- What the rows of an account, or the server's own, add up to; and in `record` what these rows do, the same of all that
-- belongs to keys, and the revision. All encrypted.
CREATE TABLE seals (
    bucket TEXT PRIMARY KEY,
    blob BLOB NOT NULL
) STRICT;
