-- Of a capture that is finished although its key was fenced: how long after that. 0: when it would have been without it.
ALTER TABLE intents ADD COLUMN after_fence_us BIGINT NOT NULL DEFAULT 0;
