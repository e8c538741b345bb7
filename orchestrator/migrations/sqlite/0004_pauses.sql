-- The definitions of which no saga may be started. A program that does not know the table runs beside one that does, and
-- starts them all the same.
CREATE TABLE pause (
  name TEXT NOT NULL PRIMARY KEY,
  pause_time BIGINT NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL
);
