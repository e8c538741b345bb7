-- key_scope: whose key it is; '' for callers that are not told apart. put_time: when the definition was put last.
-- SQLite cannot change the unique key of a table, so table saga is made anew. A state that is not known yet may come with
-- a newer version, which runs beside this one.

ALTER TABLE definition ADD COLUMN put_time BIGINT NOT NULL DEFAULT 0;

CREATE TABLE saga_2 (
  id TEXT NOT NULL PRIMARY KEY,
  definition TEXT NOT NULL,
  definition_version BIGINT NOT NULL,
  key_scope TEXT NOT NULL,
  key TEXT NOT NULL,
  input_hash TEXT NOT NULL,
  state BIGINT NOT NULL,
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
  UNIQUE (definition, key, key_scope)
);
INSERT INTO saga_2
SELECT id, definition, definition_version, '', key, input_hash, state, version, owner, cancel_requested, backward,
  next_run_at, deadline, create_time, update_time, traceparent, failure, steps, input
FROM saga;
DROP TABLE saga;
ALTER TABLE saga_2 RENAME TO saga;

-- No index has a column that most transitions write, such as update_time; the UPDATE of those does not name the state.
-- What a start takes up again, and what is claimed first of another's.
CREATE INDEX saga_unfinished ON saga (owner, id) WHERE state IN (1, 2, 5);
CREATE INDEX saga_going_back ON saga (owner, id) WHERE state = 2;
-- Lists, newest first. Most sagas are COMPLETED (3): a list of those finds enough of them by id.
CREATE INDEX saga_by_definition ON saga (definition, id);
CREATE INDEX saga_by_definition_and_state ON saga (definition, state, id);
CREATE INDEX saga_by_state ON saga (state, id) WHERE state <> 3;
-- What may be purged.
CREATE INDEX saga_finished ON saga (create_time, id) WHERE +state IN (3, 4);
