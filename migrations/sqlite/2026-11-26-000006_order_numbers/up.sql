-- An order's commands are found by the order, which tells the journal's number of each: they need no place in the index
-- of keys, whose random inserts cost more than anything else that a bet writes.
ALTER TABLE orders ADD COLUMN placed_seq BIGINT;
ALTER TABLE orders ADD COLUMN settled_seq BIGINT;
ALTER TABLE orders ADD COLUMN cancelled_seq BIGINT;
-- A key is its order's id with the operation in the last two bits, which the id leaves clear.
UPDATE orders SET
    placed_seq = (SELECT seq FROM journal WHERE key =
        unhex(substr(hex(orders.id), 1, 31) || substr('159D', instr('048C', substr(hex(orders.id), 32)), 1))),
    settled_seq = (SELECT seq FROM journal WHERE key =
        unhex(substr(hex(orders.id), 1, 31) || substr('26AE', instr('048C', substr(hex(orders.id), 32)), 1))),
    cancelled_seq = (SELECT seq FROM journal WHERE key =
        unhex(substr(hex(orders.id), 1, 31) || substr('37BF', instr('048C', substr(hex(orders.id), 32)), 1)));
ALTER TABLE orders DROP COLUMN changed_seq;

-- `by_key`: whether a row is found by its key. SQLite cannot take a constraint off a table.
CREATE TABLE journal_without_unique_key (
    seq INTEGER PRIMARY KEY NOT NULL,
    writer INTEGER NOT NULL,
    key BLOB,
    by_key BOOLEAN NOT NULL,
    at BIGINT NOT NULL,
    party TEXT NOT NULL,
    command TEXT NOT NULL,
    outcome TEXT NOT NULL,
    hash BLOB NOT NULL
);
INSERT INTO journal_without_unique_key
SELECT seq, writer, key, key IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM orders WHERE journal.seq IN (placed_seq, settled_seq, cancelled_seq) AND id =
        unhex(substr(hex(journal.key), 1, 31) ||
            substr('000044448888CCCC', instr('0123456789ABCDEF', substr(hex(journal.key), 32)), 1))
), at, party, command, outcome, hash FROM journal;
DROP TABLE journal;
ALTER TABLE journal_without_unique_key RENAME TO journal;
CREATE UNIQUE INDEX journal_key ON journal (key) WHERE by_key;
