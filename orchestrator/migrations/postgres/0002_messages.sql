-- Rows as messages: what SQL does not choose by stands in saga.accepted, saga.progress, saga_event.detail and
-- definition.content, which are messages of protos/saga/stored/v1/rows.proto. The program copies the rows of the tables
-- that get another name here (orchestrator/store/json_rows.cc); 0003 drops those and makes the indexes.
-- A state that is not known yet may come with a newer version, which runs beside this one.

ALTER TABLE saga RENAME TO saga_1;
ALTER TABLE saga_1 RENAME CONSTRAINT saga_pkey TO saga_1_pkey;
ALTER TABLE saga_1 RENAME CONSTRAINT saga_definition_key_key TO saga_1_definition_key_key;
ALTER TABLE saga_event RENAME TO saga_event_1;
ALTER TABLE saga_event_1 RENAME CONSTRAINT saga_event_pkey TO saga_event_1_pkey;
ALTER TABLE definition RENAME TO definition_1;
ALTER TABLE definition_1 RENAME CONSTRAINT definition_pkey TO definition_1_pkey;

CREATE TABLE saga (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  definition TEXT COLLATE "C" NOT NULL,
  definition_version BIGINT NOT NULL,
  key_scope TEXT COLLATE "C" NOT NULL,  -- whose key it is; '' for callers that are not told apart
  key TEXT COLLATE "C" NOT NULL,
  state BIGINT NOT NULL,
  version BIGINT NOT NULL CHECK (version > 0),
  owner TEXT COLLATE "C" NOT NULL,
  next_run_at BIGINT NOT NULL,
  create_time BIGINT NOT NULL,
  update_time BIGINT NOT NULL,
  accepted BYTEA NOT NULL,
  progress BYTEA NOT NULL,
  UNIQUE (definition, key, key_scope)
) WITH (fillfactor = 60);  -- room for a row's next versions beside it

CREATE TABLE saga_event (
  saga_id TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  what TEXT COLLATE "C" NOT NULL,
  at BIGINT NOT NULL,
  state BIGINT NOT NULL,
  detail BYTEA NOT NULL,
  PRIMARY KEY (saga_id, seq)
);

CREATE TABLE definition (
  name TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  hash TEXT COLLATE "C" NOT NULL,
  content BYTEA NOT NULL,
  put_time BIGINT NOT NULL,
  PRIMARY KEY (name, version)
);
