CREATE TABLE transfers (
    seq BIGINT NOT NULL,
    leg SMALLINT NOT NULL,
    debit BYTEA NOT NULL,
    credit BYTEA NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    PRIMARY KEY (seq, leg)
);
INSERT INTO transfers (seq, leg, debit, credit, amount)
SELECT seq, leg, substr(transfers, 40 * leg + 1, 16), substr(transfers, 40 * leg + 17, 16),
    ('x' || encode(substr(transfers, 40 * leg + 33, 8), 'hex'))::BIT(64)::BIGINT
FROM journal, generate_series(0, length(transfers) / 40 - 1) AS leg;
ALTER TABLE journal DROP COLUMN transfers;
