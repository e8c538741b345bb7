-- Products, their stock and reservations. Times are microseconds since 1970. States as in stock.h.
CREATE TABLE products (
  product_id TEXT NOT NULL PRIMARY KEY CHECK (length(product_id) BETWEEN 1 AND 64),
  price_minor BIGINT NOT NULL CHECK (price_minor BETWEEN 0 AND 1000000000000000),
  currency_code TEXT NOT NULL CHECK (length(currency_code) = 3)
) WITHOUT ROWID;

-- What is on the shelf is total - reserved - sold. version counts the writes of the row.
CREATE TABLE stocks (
  product_id TEXT NOT NULL PRIMARY KEY REFERENCES products (product_id),
  total BIGINT NOT NULL CHECK (total BETWEEN 0 AND 1000000000000000),
  reserved BIGINT NOT NULL CHECK (reserved >= 0),
  sold BIGINT NOT NULL CHECK (sold >= 0),
  version BIGINT NOT NULL,
  CHECK (total - reserved - sold >= 0)
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

-- What a reset asks for.
CREATE INDEX reservations_held ON reservations (state) WHERE state = 1;

-- What was taken, at the price of that day.
CREATE TABLE reservation_items (
  reservation_id TEXT NOT NULL REFERENCES reservations (reservation_id),
  product_id TEXT NOT NULL REFERENCES products (product_id),
  quantity BIGINT NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
  unit_price_minor BIGINT NOT NULL CHECK (unit_price_minor BETWEEN 0 AND 1000000000000000),
  PRIMARY KEY (reservation_id, product_id)
) WITHOUT ROWID;
