DROP TABLE saga_1;
DROP TABLE saga_event_1;
DROP TABLE definition_1;

-- No index has a column that most transitions write, such as update_time: those then touch no index at all.
-- What a start recovers, and what is claimed first of another's.
CREATE INDEX saga_unfinished ON saga (owner, id) WHERE state IN (1, 2, 5);
CREATE INDEX saga_going_back ON saga (owner, id) WHERE state = 2;
-- Lists, newest first. Most sagas are COMPLETED (3): a list of those finds enough of them by id.
CREATE INDEX saga_by_definition ON saga (definition, id);
CREATE INDEX saga_by_state ON saga (state, id) WHERE state <> 3;
-- What may be purged.
CREATE INDEX saga_finished ON saga (create_time, id) WHERE state IN (3, 4);
