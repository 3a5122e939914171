-- Ids are 16-byte digests computed by the program (see src/ledger): nothing has to be looked up to know them.
-- A secondary index costs about a tenth of the throughput on a table that grows by a row a command, so there is one:
-- the journal's key. Foreign keys are left out for the same reason; `purser audit` checks what they would.

CREATE TABLE writers (
    id INTEGER PRIMARY KEY,
    last_seq BIGINT NOT NULL,
    head BYTEA NOT NULL
);

CREATE SEQUENCE journal_seq;

CREATE TABLE journal (
    seq BIGINT PRIMARY KEY,
    writer INTEGER NOT NULL,
    key BYTEA UNIQUE,
    at BIGINT NOT NULL,
    party TEXT NOT NULL,
    command TEXT NOT NULL,
    outcome TEXT NOT NULL,
    hash BYTEA NOT NULL
);

CREATE TABLE transfers (
    seq BIGINT NOT NULL,
    leg SMALLINT NOT NULL,
    debit BYTEA NOT NULL,
    credit BYTEA NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    PRIMARY KEY (seq, leg)
);

CREATE TABLE players (
    id BYTEA PRIMARY KEY,
    party TEXT NOT NULL,
    player TEXT NOT NULL,
    home_currency TEXT NOT NULL,
    username TEXT,
    nickname TEXT,
    email TEXT,
    gender TEXT
);

CREATE TABLE credentials (
    player BYTEA PRIMARY KEY,
    password_hash TEXT NOT NULL
);

-- The fill factors leave room on each page for the next version of a row, so that updates stay off the indexes.
CREATE TABLE accounts (
    id BYTEA PRIMARY KEY,
    party TEXT NOT NULL,
    side TEXT NOT NULL,
    player BYTEA,
    currency TEXT NOT NULL,
    bucket TEXT NOT NULL,
    wallet TEXT NOT NULL,
    product INTEGER NOT NULL,
    balance BIGINT NOT NULL CHECK (balance >= 0),
    staked_day INTEGER NOT NULL,
    staked BIGINT NOT NULL
) WITH (fillfactor = 60);
CREATE INDEX accounts_player ON accounts (player);

CREATE TABLE orders (
    id BYTEA PRIMARY KEY,
    party TEXT NOT NULL,
    game TEXT NOT NULL,
    external_id TEXT NOT NULL,
    player BYTEA NOT NULL,
    state TEXT NOT NULL,
    stake BIGINT,
    currency TEXT,
    bucket TEXT,
    wallet TEXT,
    product INTEGER,
    round BIGINT,
    day INTEGER,
    paid BIGINT NOT NULL,
    changed_seq BIGINT NOT NULL
) WITH (fillfactor = 70);
