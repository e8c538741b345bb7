-- What a refund does not pay back, in minor units of its payment's currency.
ALTER TABLE refunds ADD COLUMN kept_minor BIGINT NOT NULL DEFAULT 0 CHECK (kept_minor >= 0);
