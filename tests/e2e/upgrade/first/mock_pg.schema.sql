CREATE TABLE ledger (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  idempotency_key TEXT NOT NULL UNIQUE,
  transaction_id TEXT NOT NULL UNIQUE,
  kind BIGINT NOT NULL CHECK (kind IN (1, 2, 3, 4)),
  amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
  currency_code TEXT NOT NULL,
  captured_transaction_id TEXT NOT NULL,
  decline_reason TEXT NOT NULL,
  request TEXT NOT NULL,
  create_time_us BIGINT NOT NULL,
  CHECK ((kind IN (1, 2)) = (amount_minor > 0)),
  CHECK ((kind = 2) = (captured_transaction_id <> ''))
);
CREATE TABLE schema_version (component TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (component, version));
CREATE UNIQUE INDEX ledger_refund_once ON ledger (captured_transaction_id) WHERE kind = 2;
INSERT INTO "sqlite_sequence" VALUES('ledger',9);
