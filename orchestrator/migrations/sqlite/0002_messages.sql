-- Rows as messages: what SQL does not choose by stands in saga.accepted, saga.progress, saga_event.detail and
-- definition.content, which are messages of protos/saga/stored/v1/rows.proto. The program copies the rows of the tables
-- that get another name here (orchestrator/store/json_rows.cc); 0003 drops those and makes the indexes.
-- A state that is not known yet may come with a newer version, which runs beside this one.

ALTER TABLE saga RENAME TO saga_1;
ALTER TABLE saga_event RENAME TO saga_event_1;
ALTER TABLE definition RENAME TO definition_1;

CREATE TABLE saga (
  id TEXT NOT NULL PRIMARY KEY,
  definition TEXT NOT NULL,
  definition_version BIGINT NOT NULL,
  key_scope TEXT NOT NULL,  -- whose key it is; '' for callers that are not told apart
  key TEXT NOT NULL,
  state BIGINT NOT NULL,
  version BIGINT NOT NULL CHECK (version > 0),
  owner TEXT NOT NULL,
  next_run_at BIGINT NOT NULL,
  create_time BIGINT NOT NULL,
  update_time BIGINT NOT NULL,
  accepted BLOB NOT NULL,
  progress BLOB NOT NULL,
  UNIQUE (definition, key, key_scope)
);

CREATE TABLE saga_event (
  saga_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  what TEXT NOT NULL,
  at BIGINT NOT NULL,
  state BIGINT NOT NULL,
  detail BLOB NOT NULL,
  PRIMARY KEY (saga_id, seq)
);

CREATE TABLE definition (
  name TEXT NOT NULL,
  version BIGINT NOT NULL,
  hash TEXT NOT NULL,
  content BLOB NOT NULL,
  put_time BIGINT NOT NULL,
  PRIMARY KEY (name, version)
);
