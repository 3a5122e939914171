-- Pruning the journal: what it leaves of old rows is sealed row by row, what they moved is carried by account, and each
-- chain goes on from the last of its rows that were pruned (docs/adr/0008).

ALTER TABLE writers ADD COLUMN pruned_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE writers ADD COLUMN pruned_head BYTEA NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000';

-- The one row: how far the journal is pruned, what is left up to there, and all of its seals.
CREATE TABLE checkpoints (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    until BIGINT NOT NULL,
    rows_left BIGINT NOT NULL,
    accounts_carried BIGINT NOT NULL,
    seals BYTEA NOT NULL
);
INSERT INTO checkpoints VALUES (1, 0, 0, 0, 0, '\x0000000000000000000000000000000000000000000000000000000000000000');

-- What pruned rows moved into an account, less what they moved out of it, by the account on the other side.
CREATE TABLE carried (
    account BYTEA NOT NULL,
    counterpart BYTEA NOT NULL,
    amount BIGINT NOT NULL,
    seal BYTEA NOT NULL,
    PRIMARY KEY (account, counterpart)
);
