ALTER TABLE keys ADD COLUMN service TEXT NOT NULL DEFAULT '';
-- The listings of keys tell their rows apart by the service too; of all there are it is none.
UPDATE stretches SET facets = facets || ' ' WHERE listing LIKE 'keys %';
