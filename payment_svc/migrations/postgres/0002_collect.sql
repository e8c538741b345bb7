-- Payments that the customer makes himself, and what the gateway says by itself. Times are microseconds since 1970; 0 is
-- never. States as in payment.h and finding.h.

-- Where nothing is due, nothing is taken: paid without a transaction.
ALTER TABLE payments
  ADD COLUMN wait_until_us BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN inquire_at_us BIGINT NOT NULL DEFAULT 0,
  DROP CONSTRAINT payments_amount_minor_check,
  DROP CONSTRAINT payments_check,
  ADD CONSTRAINT payments_amount CHECK (amount_minor BETWEEN 0 AND 1000000000000000),
  ADD CONSTRAINT payments_transaction
    CHECK ((state IN (3, 5) AND amount_minor > 0) = (pg_transaction_id <> ''));
ALTER TABLE refunds
  DROP CONSTRAINT refunds_check,
  ADD CONSTRAINT refunds_transaction CHECK (state = 3 OR pg_transaction_id = '');

-- Charges that have failed, of which the gateway has not said its last word.
CREATE INDEX payments_inquire ON payments (inquire_at_us) WHERE inquire_at_us > 0;

-- Whose a transaction is.
CREATE INDEX payments_transaction ON payments (pg_transaction_id) WHERE pg_transaction_id <> '';

CREATE TABLE attempts (
  gateway_key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  payment_id TEXT COLLATE "C" NOT NULL REFERENCES payments (payment_id) ON DELETE CASCADE,
  number BIGINT NOT NULL,
  owner TEXT COLLATE "C" NOT NULL,
  method BIGINT NOT NULL,
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4)),
  pg_transaction_id TEXT COLLATE "C" NOT NULL,
  failed_reason TEXT COLLATE "C" NOT NULL,
  create_time_us BIGINT NOT NULL,
  inquire_at_us BIGINT NOT NULL,
  UNIQUE (payment_id, number),
  CHECK ((state = 2) = (pg_transaction_id <> '')),
  CHECK ((state = 3) = (failed_reason <> ''))
);

-- Of a payment at most one attempt asks for money, and at most one has it.
CREATE UNIQUE INDEX attempts_one_open ON attempts (payment_id) WHERE state = 1;
CREATE UNIQUE INDEX attempts_one_capture ON attempts (payment_id) WHERE state = 2;

CREATE INDEX attempts_inquire ON attempts (inquire_at_us) WHERE inquire_at_us > 0;

-- What the gateway took under a key that it had declined or fenced, and is to pay back.
CREATE TABLE returns (
  gateway_key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  payment_id TEXT COLLATE "C" NOT NULL REFERENCES payments (payment_id) ON DELETE CASCADE,
  captured_transaction_id TEXT COLLATE "C" NOT NULL UNIQUE,
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
  currency_code TEXT COLLATE "C" NOT NULL,
  tries BIGINT NOT NULL,
  done BIGINT NOT NULL CHECK (done IN (0, 1)),
  create_time_us BIGINT NOT NULL,
  try_at_us BIGINT NOT NULL
);

CREATE INDEX returns_payment ON returns (payment_id);
CREATE INDEX returns_due ON returns (try_at_us) WHERE done = 0;

-- Webhooks that were taken. One is kept, with its body, whose key is not known yet.
CREATE TABLE webhook_events (
  event_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  gateway_key TEXT COLLATE "C" NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  receive_time_us BIGINT NOT NULL
);

CREATE INDEX webhook_events_kept ON webhook_events (receive_time_us) WHERE body <> '';
CREATE INDEX webhook_events_age ON webhook_events (receive_time_us);

-- The last comparison with the gateway's ledger.
CREATE TABLE reconciliation (
  one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
  end_time_us BIGINT NOT NULL,
  differences BIGINT NOT NULL
);
