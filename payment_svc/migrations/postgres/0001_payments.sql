-- Payments and their refunds. Times are microseconds since 1970; 0 is never. States as in payment.h.
CREATE TABLE payments (
  payment_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  owner TEXT COLLATE "C" NOT NULL,
  member_id TEXT COLLATE "C" NOT NULL,
  amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 1000000000000000),
  currency_code TEXT COLLATE "C" NOT NULL,
  method BIGINT NOT NULL,
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4, 5)),
  pg_transaction_id TEXT COLLATE "C" NOT NULL,
  failed_reason TEXT COLLATE "C" NOT NULL,
  refund_id TEXT COLLATE "C" NOT NULL,
  create_time_us BIGINT NOT NULL,
  paid_at_us BIGINT NOT NULL,
  CHECK ((state IN (3, 5)) = (pg_transaction_id <> '')),
  CHECK ((state = 4) = (failed_reason <> ''))
);

-- What a reset asks for.
CREATE INDEX payments_pending ON payments (state) WHERE state IN (1, 2);

CREATE TABLE refunds (
  refund_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  owner TEXT COLLATE "C" NOT NULL,
  payment_id TEXT COLLATE "C" NOT NULL REFERENCES payments (payment_id),
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4)),
  pg_transaction_id TEXT COLLATE "C" NOT NULL,
  failed_reason TEXT COLLATE "C" NOT NULL,
  create_time_us BIGINT NOT NULL,
  CHECK ((state = 3) = (pg_transaction_id <> '')),
  CHECK ((state = 4) = (failed_reason <> ''))
);

-- A payment is paid back at most once.
CREATE UNIQUE INDEX refunds_once ON refunds (payment_id) WHERE state <> 4;
