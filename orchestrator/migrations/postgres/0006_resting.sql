-- Sagas that rest: each of their steps that is open waits, and nobody drives them until their row is due.

ALTER TABLE saga ADD COLUMN wait_ends_at BIGINT;  -- of one that rests: when its wait ends, whatever its participants say
ALTER TABLE saga ADD COLUMN waits_since BIGINT;   -- likewise: since when its oldest wait goes on that only an answer ends

-- One index for each reason why a row is due. A saga that was born (0005) waits for its turn since its create_time. What
-- is counted stands in the indexes, so that no row is read for it.
DROP INDEX saga_due;
CREATE INDEX saga_unstarted ON saga (owner, definition, definition_version, due_at, id, create_time)
  WHERE due_at = create_time;
CREATE INDEX saga_resting ON saga (owner, definition, definition_version, due_at, id, create_time, waits_since)
  WHERE due_at > create_time;
CREATE INDEX saga_wait_ends ON saga (owner, definition, definition_version, wait_ends_at, id)
  WHERE wait_ends_at IS NOT NULL;
-- What a start recovers: it does not read those that rest, which may be very many.
CREATE INDEX saga_driven ON saga (owner, due_at, id) WHERE state IN (1, 2, 5) AND due_at IS NULL;
