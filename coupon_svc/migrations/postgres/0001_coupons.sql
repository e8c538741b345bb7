-- Campaigns, the coupons issued from them, and what became of each in an order. Times are microseconds since 1970. States
-- as in coupon.h. percent 0: amount_minor is taken off; else so many percent are, and amount_minor at most.
CREATE TABLE campaigns (
  campaign_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(campaign_id) BETWEEN 1 AND 64),
  percent BIGINT NOT NULL CHECK (percent BETWEEN 0 AND 100),
  amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 1000000000000000),
  minimum_minor BIGINT NOT NULL CHECK (minimum_minor BETWEEN 0 AND 1000000000000000),
  currency_code TEXT COLLATE "C" NOT NULL CHECK (length(currency_code) = 3),
  for_apologies BIGINT NOT NULL CHECK (for_apologies IN (0, 1)),
  valid_from_us BIGINT NOT NULL,
  valid_until_us BIGINT NOT NULL,
  days_valid BIGINT NOT NULL CHECK (days_valid >= 0),
  coupons_max BIGINT NOT NULL CHECK (coupons_max >= 0),
  issued BIGINT NOT NULL CHECK (issued >= 0),
  create_time_us BIGINT NOT NULL,
  CHECK (coupons_max = 0 OR issued <= coupons_max)
) WITH (fillfactor = 50);  -- few rows, written by every batch of issues: room for their next versions

-- Of each campaign one for a member; of one for apologies one for a member and the order named by occasion.
CREATE TABLE coupons (
  coupon_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(coupon_id) BETWEEN 1 AND 64),
  campaign_id TEXT COLLATE "C" NOT NULL REFERENCES campaigns (campaign_id),
  member_id TEXT COLLATE "C" NOT NULL CHECK (length(member_id) BETWEEN 1 AND 64),
  occasion TEXT COLLATE "C" NOT NULL,
  percent BIGINT NOT NULL CHECK (percent BETWEEN 0 AND 100),
  amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 1000000000000000),
  minimum_minor BIGINT NOT NULL CHECK (minimum_minor BETWEEN 0 AND 1000000000000000),
  currency_code TEXT COLLATE "C" NOT NULL CHECK (length(currency_code) = 3),
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3)),
  order_id TEXT COLLATE "C" NOT NULL,
  valid_from_us BIGINT NOT NULL,
  valid_until_us BIGINT NOT NULL,
  create_time_us BIGINT NOT NULL,
  update_time_us BIGINT NOT NULL,
  CHECK ((state = 1) = (order_id = ''))
);

CREATE UNIQUE INDEX coupons_once ON coupons (campaign_id, member_id, occasion);
-- The lists, newest first.
CREATE INDEX coupons_of_member ON coupons (member_id, create_time_us, coupon_id);
CREATE INDEX coupons_of_member_in_state ON coupons (member_id, state, create_time_us, coupon_id);

CREATE TABLE redemptions (
  order_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(order_id) BETWEEN 1 AND 64),
  coupon_id TEXT COLLATE "C" NOT NULL REFERENCES coupons (coupon_id),
  owner TEXT COLLATE "C" NOT NULL,
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4)),
  total_minor BIGINT NOT NULL CHECK (total_minor BETWEEN 0 AND 1000000000000000),
  discount_minor BIGINT NOT NULL CHECK (discount_minor >= 0),
  currency_code TEXT COLLATE "C" NOT NULL,
  create_time_us BIGINT NOT NULL,
  update_time_us BIGINT NOT NULL,
  CHECK (discount_minor <= total_minor)
);

-- A coupon is held or used by one order at most.
CREATE UNIQUE INDEX redemptions_live ON redemptions (coupon_id) WHERE state IN (1, 3);
-- What a reset asks for.
CREATE INDEX redemptions_held ON redemptions (state) WHERE state = 1;

-- For which products a member has had an apology.
CREATE TABLE apologies (
  campaign_id TEXT COLLATE "C" NOT NULL REFERENCES campaigns (campaign_id),
  member_id TEXT COLLATE "C" NOT NULL,
  product_id TEXT COLLATE "C" NOT NULL CHECK (length(product_id) BETWEEN 1 AND 64),
  coupon_id TEXT COLLATE "C" NOT NULL REFERENCES coupons (coupon_id),
  PRIMARY KEY (campaign_id, member_id, product_id)
);
