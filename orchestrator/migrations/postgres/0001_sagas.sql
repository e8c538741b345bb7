-- Times are whole nanoseconds since 1970 (9223372036854775807 is never). To read one
--   SELECT to_timestamp(update_time / 1e9) FROM saga;
-- The columns steps, failure and detail are JSON; what stands in them is documented in orchestrator/store/json_rows.h.
-- The numbers of states, phases and outcomes are those of saga.v1 and never change.

CREATE TABLE instance (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  address TEXT COLLATE "C" NOT NULL,
  epoch BIGINT NOT NULL,
  lease_until BIGINT NOT NULL
);

CREATE TABLE saga (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  definition TEXT COLLATE "C" NOT NULL,
  definition_version BIGINT NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  input_hash TEXT COLLATE "C" NOT NULL,
  state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 5),
  version BIGINT NOT NULL CHECK (version > 0),
  owner TEXT COLLATE "C" NOT NULL,
  cancel_requested BIGINT NOT NULL,
  backward BIGINT NOT NULL,
  next_run_at BIGINT NOT NULL,
  deadline BIGINT NOT NULL,
  create_time BIGINT NOT NULL,
  update_time BIGINT NOT NULL,
  traceparent TEXT COLLATE "C" NOT NULL,
  failure TEXT COLLATE "C" NOT NULL,
  steps TEXT COLLATE "C" NOT NULL,
  input TEXT COLLATE "C" NOT NULL,
  UNIQUE (definition, key)
) WITH (fillfactor = 60);  -- room for a row's next versions beside it

-- No index has a column that most transitions write, such as update_time: those then touch no index at all.
-- What a start recovers.
CREATE INDEX saga_unfinished ON saga (owner, id) WHERE state IN (1, 2, 5);
-- Lists, newest first. Most sagas are COMPLETED (3): a list of those finds enough of them by id.
CREATE INDEX saga_by_definition ON saga (definition, id);
CREATE INDEX saga_by_state ON saga (state, id) WHERE state <> 3;
-- What may be purged.
CREATE INDEX saga_finished ON saga (create_time, id) WHERE state IN (3, 4);

CREATE TABLE saga_event (
  saga_id TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  what TEXT COLLATE "C" NOT NULL,
  at BIGINT NOT NULL,
  state BIGINT NOT NULL,
  detail TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (saga_id, seq)
);

CREATE TABLE definition (
  name TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  hash TEXT COLLATE "C" NOT NULL,
  yaml TEXT COLLATE "C" NOT NULL,
  descriptors TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (name, version)
);
