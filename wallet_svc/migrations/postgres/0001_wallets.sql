-- Members' purses, the ledger behind them, and what was held, earned and charged. Times are microseconds since 1970. States,
-- accounts and causes as in wallet.h.

-- What a member has in one currency. In balance and points is what is not held.
CREATE TABLE purses (
  member_id TEXT COLLATE "C" NOT NULL CHECK (length(member_id) BETWEEN 1 AND 64),
  currency_code TEXT COLLATE "C" NOT NULL CHECK (length(currency_code) = 3),
  balance BIGINT NOT NULL CHECK (balance >= 0),
  points BIGINT NOT NULL CHECK (points >= 0),
  balance_held BIGINT NOT NULL CHECK (balance_held >= 0),
  points_held BIGINT NOT NULL CHECK (points_held >= 0),
  PRIMARY KEY (member_id, currency_code)
);

-- Two of a line each for everything that moves, together zero. cause_id: the order, or the charge.
CREATE TABLE entries (
  cause_id TEXT COLLATE "C" NOT NULL CHECK (length(cause_id) BETWEEN 1 AND 64),
  cause BIGINT NOT NULL CHECK (cause BETWEEN 1 AND 8),
  line BIGINT NOT NULL CHECK (line >= 0),
  member_id TEXT COLLATE "C" NOT NULL CHECK (length(member_id) BETWEEN 1 AND 64),
  account BIGINT NOT NULL CHECK (account BETWEEN 1 AND 7),
  change_minor BIGINT NOT NULL CHECK (change_minor <> 0),
  currency_code TEXT COLLATE "C" NOT NULL CHECK (length(currency_code) = 3),
  create_time_us BIGINT NOT NULL,
  PRIMARY KEY (cause_id, cause, line)
);

-- A member's entries, newest first. Accounts from 5 on are the shop's.
CREATE INDEX entries_of_member ON entries (member_id, create_time_us, cause_id, cause, line) WHERE account <= 4;

-- What an order took out of its buyer's wallet.
CREATE TABLE holds (
  order_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(order_id) BETWEEN 1 AND 64),
  owner TEXT COLLATE "C" NOT NULL,
  member_id TEXT COLLATE "C" NOT NULL CHECK (length(member_id) BETWEEN 1 AND 64),
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4)),
  total_minor BIGINT NOT NULL CHECK (total_minor BETWEEN 0 AND 1000000000000000),
  points BIGINT NOT NULL CHECK (points >= 0),
  balance BIGINT NOT NULL CHECK (balance >= 0),
  kept BIGINT NOT NULL CHECK (kept BETWEEN 0 AND balance),
  currency_code TEXT COLLATE "C" NOT NULL CHECK (length(currency_code) = 3),
  create_time_us BIGINT NOT NULL,
  update_time_us BIGINT NOT NULL,
  CHECK (points + balance <= total_minor)
);

-- What a reset asks for.
CREATE INDEX holds_held ON holds (state) WHERE state = 1;

-- What an order earned. One without a member has not earned yet: it is a tombstone, or one that was undone.
CREATE TABLE earnings (
  order_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(order_id) BETWEEN 1 AND 64),
  member_id TEXT COLLATE "C" NOT NULL,
  state BIGINT NOT NULL CHECK (state IN (1, 2, 3)),
  points BIGINT NOT NULL CHECK (points >= 0),
  kept BIGINT NOT NULL CHECK (kept BETWEEN 0 AND points),
  currency_code TEXT COLLATE "C" NOT NULL,
  taker TEXT COLLATE "C" NOT NULL,
  take_backs BIGINT NOT NULL CHECK (take_backs >= 0),
  create_time_us BIGINT NOT NULL,
  update_time_us BIGINT NOT NULL,
  CHECK (state = 2 OR kept = 0),
  CHECK ((member_id = '') = (currency_code = '')),
  CHECK (member_id <> '' OR points = 0)
);

-- Money that came by card.
CREATE TABLE charges (
  charge_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(charge_id) BETWEEN 1 AND 64),
  member_id TEXT COLLATE "C" NOT NULL CHECK (length(member_id) BETWEEN 1 AND 64),
  amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 1000000000000000),
  currency_code TEXT COLLATE "C" NOT NULL CHECK (length(currency_code) = 3),
  create_time_us BIGINT NOT NULL
);
