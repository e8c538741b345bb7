-- Times are whole nanoseconds since 1970 (9223372036854775807 is never). To read one
--   SELECT datetime(update_time / 1000000000, 'unixepoch') FROM saga;
-- The columns steps, failure and detail are JSON; what stands in them is documented in orchestrator/store/json_rows.h.
-- The numbers of states, phases and outcomes are those of saga.v1 and never change.

CREATE TABLE instance (
  id TEXT NOT NULL PRIMARY KEY,
  address TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  lease_until BIGINT NOT NULL
);

CREATE TABLE saga (
  id TEXT NOT NULL PRIMARY KEY,
  definition TEXT NOT NULL,
  definition_version BIGINT NOT NULL,
  key TEXT NOT NULL,
  input_hash TEXT NOT NULL,
  state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 5),
  version BIGINT NOT NULL CHECK (version > 0),
  owner TEXT NOT NULL,
  cancel_requested BIGINT NOT NULL,
  backward BIGINT NOT NULL,
  next_run_at BIGINT NOT NULL,
  deadline BIGINT NOT NULL,
  create_time BIGINT NOT NULL,
  update_time BIGINT NOT NULL,
  traceparent TEXT NOT NULL,
  failure TEXT NOT NULL,
  steps TEXT NOT NULL,
  input TEXT NOT NULL,
  UNIQUE (definition, key)
);

-- What a start recovers.
CREATE INDEX saga_unfinished ON saga (owner, id) WHERE state IN (1, 2, 5);
-- Lists, newest first.
CREATE INDEX saga_by_definition ON saga (definition, id);
CREATE INDEX saga_by_state ON saga (state, id);
-- What may be purged.
CREATE INDEX saga_finished ON saga (update_time, id) WHERE +state IN (3, 4);

CREATE TABLE saga_event (
  saga_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  what TEXT NOT NULL,
  at BIGINT NOT NULL,
  state BIGINT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (saga_id, seq)
);

CREATE TABLE definition (
  name TEXT NOT NULL,
  version BIGINT NOT NULL,
  hash TEXT NOT NULL,
  yaml TEXT NOT NULL,
  descriptors TEXT NOT NULL,
  PRIMARY KEY (name, version)
);
