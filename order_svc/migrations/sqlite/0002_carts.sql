-- Who has, or had, a cart: the row that a change of the cart locks.
CREATE TABLE carts (
  member_id TEXT NOT NULL PRIMARY KEY CHECK (length(member_id) BETWEEN 1 AND 64)
) WITHOUT ROWID;

-- What is in the carts, by when it was added (microseconds since 1970): a line of a cart is the sum of its rows.
CREATE TABLE cart_additions (
  member_id TEXT NOT NULL REFERENCES carts (member_id),
  product_id TEXT NOT NULL CHECK (length(product_id) BETWEEN 1 AND 64),
  add_time_us BIGINT NOT NULL,
  quantity BIGINT NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
  PRIMARY KEY (member_id, product_id, add_time_us)
) WITHOUT ROWID;

-- The orders whose items have left their buyer's cart.
CREATE TABLE cart_clearings (
  order_id TEXT NOT NULL PRIMARY KEY,
  clear_time_us BIGINT NOT NULL
) WITHOUT ROWID;
