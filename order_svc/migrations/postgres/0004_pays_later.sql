-- 1: the buyer pays himself, later. While such an order is PENDING it is shown as PAYMENT_PENDING.
ALTER TABLE orders ADD COLUMN pays_later BIGINT NOT NULL DEFAULT 0 CHECK (pays_later IN (0, 1));
