DROP INDEX journal_key;
ALTER TABLE journal ADD CONSTRAINT journal_key_key UNIQUE (key);
ALTER TABLE journal DROP COLUMN by_key;
ALTER TABLE orders ADD COLUMN changed_seq BIGINT;
UPDATE orders SET changed_seq = COALESCE(cancelled_seq, settled_seq, placed_seq);
ALTER TABLE orders ALTER COLUMN changed_seq SET NOT NULL;
ALTER TABLE orders DROP COLUMN placed_seq, DROP COLUMN settled_seq, DROP COLUMN cancelled_seq;
