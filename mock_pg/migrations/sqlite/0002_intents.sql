-- Captures that were accepted and are finished later: then they become an entry of the ledger. Times are microseconds since
-- 1970. The flags are 0 or 1.
CREATE TABLE intents (
  idempotency_key TEXT NOT NULL PRIMARY KEY,
  transaction_id TEXT NOT NULL UNIQUE,
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
  currency_code TEXT NOT NULL,
  request TEXT NOT NULL,
  create_time_us BIGINT NOT NULL,
  decline_reason TEXT NOT NULL,
  due_us BIGINT NOT NULL,
  survives_fence BIGINT NOT NULL,
  webhook_delay_us BIGINT NOT NULL,
  webhook_lost BIGINT NOT NULL,
  webhook_twice BIGINT NOT NULL,
  webhook_forged BIGINT NOT NULL
);

CREATE INDEX intents_due ON intents (due_us);
