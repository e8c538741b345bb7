-- The participant barrier; see common/participant/barrier.h. One row per (saga, step, phase) that was decided.
-- phase: 1 action, 2 compensation, 3 resolve. outcome: 1 OK, 2 refused, 3 tombstone, 4 pending. Never renumber.
-- reply: base64, of the response (OK) or of the google.rpc.Status (refused). written_at_us: microseconds since 1970.
CREATE TABLE saga_barrier (
  saga_id TEXT NOT NULL CHECK (length(saga_id) BETWEEN 1 AND 200),
  step TEXT NOT NULL,
  phase BIGINT NOT NULL CHECK (phase IN (1, 2, 3)),
  outcome BIGINT NOT NULL CHECK (outcome IN (1, 2, 3, 4)),
  payload_hash TEXT NOT NULL,
  reply TEXT NOT NULL,
  written_at_us BIGINT NOT NULL,
  PRIMARY KEY (saga_id, step, phase),
  CHECK (outcome NOT IN (3, 4) OR phase = 1),
  CHECK ((outcome = 3) = (payload_hash = ''))
) WITHOUT ROWID;

-- What may be purged. A pending row is not: it is the only memory that something may have happened.
CREATE INDEX saga_barrier_settled ON saga_barrier (written_at_us) WHERE outcome <> 4;
