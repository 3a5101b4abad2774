ALTER TABLE keys ADD COLUMN rotation_interval INTEGER;
ALTER TABLE keys ADD COLUMN rotation_due INTEGER;
CREATE INDEX keys_rotating ON keys (rotation_due) WHERE rotation_due IS NOT NULL;
