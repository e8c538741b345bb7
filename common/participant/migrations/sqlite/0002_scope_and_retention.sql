-- key_scope: whose key it is of a call without saga metadata, '' if nobody says; '' of every call with saga metadata.
-- keep_until_us: until then the row is not purged, microseconds since 1970. Rows of before are kept for thirty days.
-- SQLite changes no primary key, so the rows move to a new table.
ALTER TABLE saga_barrier RENAME TO saga_barrier_1;
DROP INDEX saga_barrier_settled;
CREATE TABLE saga_barrier (
  key_scope TEXT NOT NULL CHECK (length(key_scope) <= 200),
  saga_id TEXT NOT NULL CHECK (length(saga_id) BETWEEN 1 AND 200),
  step TEXT NOT NULL,
  phase BIGINT NOT NULL CHECK (phase IN (1, 2, 3)),
  outcome BIGINT NOT NULL CHECK (outcome IN (1, 2, 3, 4)),
  payload_hash TEXT NOT NULL,
  reply TEXT NOT NULL,
  written_at_us BIGINT NOT NULL,
  keep_until_us BIGINT NOT NULL,
  PRIMARY KEY (key_scope, saga_id, step, phase),
  CHECK (outcome NOT IN (3, 4) OR phase = 1),
  CHECK ((outcome = 3) = (payload_hash = ''))
) WITHOUT ROWID;
INSERT INTO saga_barrier
  SELECT '', saga_id, step, phase, outcome, payload_hash, reply, written_at_us, written_at_us + 2592000000000
  FROM saga_barrier_1;
DROP TABLE saga_barrier_1;

-- What may be purged. A pending row is not: it is the only memory that something may have happened.
CREATE INDEX saga_barrier_settled ON saga_barrier (keep_until_us) WHERE outcome <> 4;
