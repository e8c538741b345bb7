-- outcome 5: settling; see common/participant/barrier.h. SQLite changes no rule of a column, so the rows move to a new
-- table.
ALTER TABLE saga_barrier RENAME TO saga_barrier_2;
DROP INDEX saga_barrier_settled;
CREATE TABLE saga_barrier (
  key_scope TEXT NOT NULL CHECK (length(key_scope) <= 200),
  saga_id TEXT NOT NULL CHECK (length(saga_id) BETWEEN 1 AND 200),
  step TEXT NOT NULL,
  phase BIGINT NOT NULL CHECK (phase IN (1, 2, 3)),
  outcome BIGINT NOT NULL CHECK (outcome IN (1, 2, 3, 4, 5)),
  payload_hash TEXT NOT NULL,
  reply TEXT NOT NULL,
  written_at_us BIGINT NOT NULL,
  keep_until_us BIGINT NOT NULL,
  PRIMARY KEY (key_scope, saga_id, step, phase),
  CHECK (outcome NOT IN (3, 4, 5) OR phase = 1),
  CHECK ((outcome = 3) = (payload_hash = ''))
) WITHOUT ROWID;
INSERT INTO saga_barrier
  SELECT key_scope, saga_id, step, phase, outcome, payload_hash, reply, written_at_us, keep_until_us
  FROM saga_barrier_2;
DROP TABLE saga_barrier_2;

-- What may be purged. An open row is not: it is the only memory that something may have happened.
CREATE INDEX saga_barrier_settled ON saga_barrier (keep_until_us) WHERE outcome <> 4;
