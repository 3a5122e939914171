-- An order's commands are found by the order, which tells the journal's number of each: they need no place in the index
-- of keys, whose random inserts cost more than anything else that a bet writes.
ALTER TABLE orders ADD COLUMN placed_seq BIGINT, ADD COLUMN settled_seq BIGINT, ADD COLUMN cancelled_seq BIGINT;
UPDATE orders SET
    placed_seq = (SELECT seq FROM journal WHERE key = set_byte(orders.id, 15, get_byte(orders.id, 15) | 1)),
    settled_seq = (SELECT seq FROM journal WHERE key = set_byte(orders.id, 15, get_byte(orders.id, 15) | 2)),
    cancelled_seq = (SELECT seq FROM journal WHERE key = set_byte(orders.id, 15, get_byte(orders.id, 15) | 3));
ALTER TABLE orders DROP COLUMN changed_seq;

-- Whether a row is found by its key.
ALTER TABLE journal ADD COLUMN by_key BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE journal ALTER COLUMN by_key DROP DEFAULT;
UPDATE journal SET by_key = TRUE WHERE key IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM orders WHERE id = set_byte(journal.key, 15, get_byte(journal.key, 15) & 252)
        AND journal.seq IN (placed_seq, settled_seq, cancelled_seq));
ALTER TABLE journal DROP CONSTRAINT journal_key_key;
CREATE UNIQUE INDEX journal_key ON journal (key) WHERE by_key;
