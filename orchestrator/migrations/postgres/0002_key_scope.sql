-- key_scope: whose key it is; '' for callers that are not told apart. put_time: when the definition was put last.
-- A state that is not known yet may come with a newer version, which runs beside this one.

ALTER TABLE definition ADD COLUMN put_time BIGINT NOT NULL DEFAULT 0;

ALTER TABLE saga ADD COLUMN key_scope TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE saga DROP CONSTRAINT saga_definition_key_key;
ALTER TABLE saga ADD UNIQUE (definition, key, key_scope);
ALTER TABLE saga DROP CONSTRAINT saga_state_check;

-- What is claimed first of another's.
CREATE INDEX saga_going_back ON saga (owner, id) WHERE state = 2;
