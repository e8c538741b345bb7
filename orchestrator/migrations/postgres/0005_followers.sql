-- Who follows whom (saga.stored.v1.Follower), and the sagas that were born of another's end. A program that does not know
-- these ends sagas without followers, and leaves alone those that wait to be started: it cannot load their definitions.

ALTER TABLE saga ADD COLUMN parent TEXT COLLATE "C";  -- whose end gave birth to it
ALTER TABLE saga ADD COLUMN due_at BIGINT;  -- when its row must be looked at, if nobody drives it

-- Most sagas have neither, and no transition but the first of a child changes either.
CREATE INDEX saga_children ON saga (parent) WHERE parent IS NOT NULL;
CREATE INDEX saga_due ON saga (owner, definition, definition_version, due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE follower (
  parent TEXT COLLATE "C" NOT NULL,
  parent_version BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  content BYTEA NOT NULL,
  PRIMARY KEY (parent, parent_version, name)
);

-- One row. A write that ends a saga is refused if it was made for another generation of the table follower.
CREATE TABLE follower_set (
  generation BIGINT NOT NULL
);
INSERT INTO follower_set (generation) VALUES (0);
