ALTER TABLE keys ADD COLUMN policy TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN absent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN material_check BLOB NOT NULL DEFAULT x'';
ALTER TABLE keys ADD COLUMN expires INTEGER;
CREATE INDEX keys_expiring ON keys (expires) WHERE expires IS NOT NULL;
CREATE INDEX tags_by_name ON tags (account, region, name, value, key_id);
CREATE INDEX tags_by_value ON tags (account, region, value, key_id);
CREATE INDEX keys_of_instance ON keys (account, region, instance, key_id) WHERE instance <> '';
