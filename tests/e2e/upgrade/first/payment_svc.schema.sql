CREATE TABLE payments (
  payment_id TEXT NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  member_id TEXT NOT NULL,
  amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 1000000000000000),
  currency_code TEXT NOT NULL,
  method BIGINT NOT NULL,
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4, 5)),
  pg_transaction_id TEXT NOT NULL,
  failed_reason TEXT NOT NULL,
  refund_id TEXT NOT NULL,
  create_time_us BIGINT NOT NULL,
  paid_at_us BIGINT NOT NULL,
  CHECK ((state IN (3, 5)) = (pg_transaction_id <> '')),
  CHECK ((state = 4) = (failed_reason <> ''))
);
CREATE TABLE refunds (
  refund_id TEXT NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  payment_id TEXT NOT NULL REFERENCES payments (payment_id),
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4)),
  pg_transaction_id TEXT NOT NULL,
  failed_reason TEXT NOT NULL,
  create_time_us BIGINT NOT NULL,
  CHECK ((state = 3) = (pg_transaction_id <> '')),
  CHECK ((state = 4) = (failed_reason <> ''))
);
CREATE TABLE saga_barrier (
  saga_id TEXT NOT NULL CHECK (length(saga_id) BETWEEN 1 AND 200),
  step TEXT NOT NULL,
  phase BIGINT NOT NULL CHECK (phase IN (1, 2, 3)),
  outcome BIGINT NOT NULL CHECK (outcome IN (1, 2, 3, 4)),
  payload_hash TEXT NOT NULL,
  reply TEXT NOT NULL,
  written_at_us BIGINT NOT NULL,
  PRIMARY KEY (saga_id, step, phase),
  CHECK (outcome NOT IN (3, 4) OR phase = 1),
  CHECK ((outcome = 3) = (payload_hash = ''))
) WITHOUT ROWID;
CREATE TABLE schema_version (component TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (component, version));
CREATE INDEX payments_pending ON payments (state) WHERE state IN (1, 2);
CREATE UNIQUE INDEX refunds_once ON refunds (payment_id) WHERE state <> 4;
CREATE INDEX saga_barrier_settled ON saga_barrier (written_at_us) WHERE outcome <> 4;
