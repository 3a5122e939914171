CREATE TABLE transfers (
    seq BIGINT NOT NULL,
    leg SMALLINT NOT NULL,
    debit BLOB NOT NULL,
    credit BLOB NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    PRIMARY KEY (seq, leg)
) WITHOUT ROWID;
-- A number in hexadecimal is one of JSON5, which SQLite reads as JSON.
WITH RECURSIVE moved (seq, leg, transfers) AS (
    SELECT seq, 0, transfers FROM journal WHERE length(transfers) > 0
    UNION ALL
    SELECT seq, leg + 1, substr(transfers, 41) FROM moved WHERE length(transfers) > 40
)
INSERT INTO transfers (seq, leg, debit, credit, amount)
SELECT seq, leg, substr(transfers, 1, 16), substr(transfers, 17, 16), ('0x' || hex(substr(transfers, 33, 8))) ->> '$'
FROM moved;
ALTER TABLE journal DROP COLUMN transfers;
