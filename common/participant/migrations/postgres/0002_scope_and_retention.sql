-- key_scope: whose key it is of a call without saga metadata, '' if nobody says; '' of every call with saga metadata.
-- keep_until_us: until then the row is not purged, microseconds since 1970. Rows of before are kept for thirty days.
ALTER TABLE saga_barrier ADD COLUMN key_scope TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (length(key_scope) <= 200);
ALTER TABLE saga_barrier ADD COLUMN keep_until_us BIGINT;
UPDATE saga_barrier SET keep_until_us = written_at_us + 2592000000000;
ALTER TABLE saga_barrier ALTER COLUMN keep_until_us SET NOT NULL;
ALTER TABLE saga_barrier ALTER COLUMN key_scope DROP DEFAULT;
ALTER TABLE saga_barrier DROP CONSTRAINT saga_barrier_pkey;
ALTER TABLE saga_barrier ADD PRIMARY KEY (key_scope, saga_id, step, phase);

-- What may be purged. A pending row is not: it is the only memory that something may have happened.
DROP INDEX saga_barrier_settled;
CREATE INDEX saga_barrier_settled ON saga_barrier (keep_until_us) WHERE outcome <> 4;
