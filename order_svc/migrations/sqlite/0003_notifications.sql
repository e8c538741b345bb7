-- What members were told of their orders, once for each kind. Times are microseconds since 1970. Kinds as in
-- notification.h. An order of which something is told need not be there: it may have been refused.
CREATE TABLE notifications (
  order_id TEXT NOT NULL CHECK (length(order_id) BETWEEN 1 AND 64),
  kind BIGINT NOT NULL CHECK (kind >= 1),
  member_id TEXT NOT NULL CHECK (length(member_id) BETWEEN 1 AND 64),
  amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 0 AND 1000000000000000),
  currency_code TEXT NOT NULL,
  points BIGINT NOT NULL CHECK (points BETWEEN 0 AND 1000000000000000),
  product_id TEXT NOT NULL,
  coupon_id TEXT NOT NULL,
  create_time_us BIGINT NOT NULL,
  PRIMARY KEY (order_id, kind)
) WITHOUT ROWID;

-- A member's list, newest first.
CREATE INDEX notifications_of_member ON notifications (member_id, create_time_us, order_id, kind);
