CREATE TABLE products (
  product_id TEXT NOT NULL PRIMARY KEY CHECK (length(product_id) BETWEEN 1 AND 64),
  price_minor BIGINT NOT NULL CHECK (price_minor BETWEEN 0 AND 1000000000000000),
  currency_code TEXT NOT NULL CHECK (length(currency_code) = 3)
) WITHOUT ROWID;
CREATE TABLE reservation_items (
  reservation_id TEXT NOT NULL REFERENCES reservations (reservation_id),
  product_id TEXT NOT NULL REFERENCES products (product_id),
  quantity BIGINT NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
  unit_price_minor BIGINT NOT NULL CHECK (unit_price_minor BETWEEN 0 AND 1000000000000000),
  PRIMARY KEY (reservation_id, product_id)
) WITHOUT ROWID;
CREATE TABLE reservations (
  reservation_id TEXT NOT NULL PRIMARY KEY CHECK (length(reservation_id) BETWEEN 1 AND 64),
  owner TEXT NOT NULL,
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4)),
  total_minor BIGINT NOT NULL CHECK (total_minor BETWEEN 0 AND 1000000000000000),
  currency_code TEXT NOT NULL,
  create_time_us BIGINT NOT NULL,
  update_time_us BIGINT NOT NULL
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
CREATE TABLE stocks (
  product_id TEXT NOT NULL PRIMARY KEY REFERENCES products (product_id),
  total BIGINT NOT NULL CHECK (total BETWEEN 0 AND 1000000000000000),
  reserved BIGINT NOT NULL CHECK (reserved >= 0),
  sold BIGINT NOT NULL CHECK (sold >= 0),
  version BIGINT NOT NULL,
  CHECK (total - reserved - sold >= 0)
) WITHOUT ROWID;
CREATE INDEX reservations_held ON reservations (state) WHERE state = 1;
CREATE INDEX saga_barrier_settled ON saga_barrier (written_at_us) WHERE outcome <> 4;
