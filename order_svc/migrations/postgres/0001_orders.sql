-- Orders, their items and purchase limits. Times are microseconds since 1970. States as in order.h.
CREATE TABLE orders (
  order_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(order_id) BETWEEN 1 AND 64),
  owner TEXT COLLATE "C" NOT NULL,
  member_id TEXT COLLATE "C" NOT NULL CHECK (length(member_id) BETWEEN 1 AND 64),
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4, 5)),
  total_minor BIGINT NOT NULL CHECK (total_minor BETWEEN 0 AND 1000000000000000),
  currency_code TEXT COLLATE "C" NOT NULL,
  payment_id TEXT COLLATE "C" NOT NULL,
  reason TEXT COLLATE "C" NOT NULL,
  canceller TEXT COLLATE "C" NOT NULL,
  create_time_us BIGINT NOT NULL,
  update_time_us BIGINT NOT NULL,
  CHECK ((state IN (2, 4, 5)) = (payment_id <> '')),
  CHECK ((state IN (4, 5)) = (canceller <> ''))
);

-- The lists, newest first; the last one also answers what is under way.
CREATE INDEX orders_newest ON orders (create_time_us, order_id);
CREATE INDEX orders_of_member ON orders (member_id, create_time_us, order_id);
CREATE INDEX orders_in_state ON orders (state, create_time_us, order_id);

-- limited: one per member, when the order was made. live: the order is not FAILED or CANCELLED.
CREATE TABLE order_items (
  order_id TEXT COLLATE "C" NOT NULL REFERENCES orders (order_id),
  line BIGINT NOT NULL,
  product_id TEXT COLLATE "C" NOT NULL CHECK (length(product_id) BETWEEN 1 AND 64),
  quantity BIGINT NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
  member_id TEXT COLLATE "C" NOT NULL,
  limited BIGINT NOT NULL CHECK (limited IN (0, 1)),
  live BIGINT NOT NULL CHECK (live IN (0, 1)),
  PRIMARY KEY (order_id, line)
);

-- At most one live order per member of a limited product.
CREATE UNIQUE INDEX order_items_claim ON order_items (member_id, product_id) WHERE limited = 1 AND live = 1;

CREATE TABLE purchase_limits (
  product_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(product_id) BETWEEN 1 AND 64),
  one_per_member BIGINT NOT NULL CHECK (one_per_member IN (0, 1))
);
