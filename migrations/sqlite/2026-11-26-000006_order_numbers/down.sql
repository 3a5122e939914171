DROP INDEX journal_key;
CREATE TABLE journal_with_unique_key (
    seq INTEGER PRIMARY KEY NOT NULL,
    writer INTEGER NOT NULL,
    key BLOB UNIQUE,
    at BIGINT NOT NULL,
    party TEXT NOT NULL,
    command TEXT NOT NULL,
    outcome TEXT NOT NULL,
    hash BLOB NOT NULL
);
INSERT INTO journal_with_unique_key SELECT seq, writer, key, at, party, command, outcome, hash FROM journal;
DROP TABLE journal;
ALTER TABLE journal_with_unique_key RENAME TO journal;
ALTER TABLE orders ADD COLUMN changed_seq BIGINT NOT NULL DEFAULT 0;
UPDATE orders SET changed_seq = COALESCE(cancelled_seq, settled_seq, placed_seq);
ALTER TABLE orders DROP COLUMN placed_seq;
ALTER TABLE orders DROP COLUMN settled_seq;
ALTER TABLE orders DROP COLUMN cancelled_seq;
