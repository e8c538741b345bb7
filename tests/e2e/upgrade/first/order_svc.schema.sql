CREATE TABLE order_items (
  order_id TEXT NOT NULL REFERENCES orders (order_id),
  line BIGINT NOT NULL,
  product_id TEXT NOT NULL CHECK (length(product_id) BETWEEN 1 AND 64),
  quantity BIGINT NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
  member_id TEXT NOT NULL,
  limited BIGINT NOT NULL CHECK (limited IN (0, 1)),
  live BIGINT NOT NULL CHECK (live IN (0, 1)),
  PRIMARY KEY (order_id, line)
) WITHOUT ROWID;
CREATE TABLE orders (
  order_id TEXT NOT NULL PRIMARY KEY CHECK (length(order_id) BETWEEN 1 AND 64),
  owner TEXT NOT NULL,
  member_id TEXT NOT NULL CHECK (length(member_id) BETWEEN 1 AND 64),
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4, 5)),
  total_minor BIGINT NOT NULL CHECK (total_minor BETWEEN 0 AND 1000000000000000),
  currency_code TEXT NOT NULL,
  payment_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  canceller TEXT NOT NULL,
  create_time_us BIGINT NOT NULL,
  update_time_us BIGINT NOT NULL,
  CHECK ((state IN (2, 4, 5)) = (payment_id <> '')),
  CHECK ((state IN (4, 5)) = (canceller <> ''))
);
CREATE TABLE purchase_limits (
  product_id TEXT NOT NULL PRIMARY KEY CHECK (length(product_id) BETWEEN 1 AND 64),
  one_per_member BIGINT NOT NULL CHECK (one_per_member IN (0, 1))
) WITHOUT ROWID;
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
CREATE INDEX orders_newest ON orders (create_time_us, order_id);
CREATE INDEX orders_of_member ON orders (member_id, create_time_us, order_id);
CREATE INDEX orders_in_state ON orders (state, create_time_us, order_id);
CREATE UNIQUE INDEX order_items_claim ON order_items (member_id, product_id) WHERE limited = 1 AND live = 1;
CREATE INDEX saga_barrier_settled ON saga_barrier (written_at_us) WHERE outcome <> 4;
