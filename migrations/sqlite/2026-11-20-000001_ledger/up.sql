-- Ids are 16-byte digests computed by the program (see src/ledger): nothing has to be looked up to know them.
-- A secondary index costs about a tenth of the throughput on a table that grows by a row a command, so there is one:
-- the journal's key. Foreign keys are left out for the same reason; `purser audit` checks what they would.

CREATE TABLE writers (
    id INTEGER PRIMARY KEY NOT NULL,
    last_seq BIGINT NOT NULL,
    head BLOB NOT NULL
);

CREATE TABLE journal (
    seq INTEGER PRIMARY KEY NOT NULL,
    writer INTEGER NOT NULL,
    key BLOB UNIQUE,
    at BIGINT NOT NULL,
    party TEXT NOT NULL,
    command TEXT NOT NULL,
    outcome TEXT NOT NULL,
    hash BLOB NOT NULL
);

CREATE TABLE transfers (
    seq BIGINT NOT NULL,
    leg SMALLINT NOT NULL,
    debit BLOB NOT NULL,
    credit BLOB NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    PRIMARY KEY (seq, leg)
) WITHOUT ROWID;

CREATE TABLE players (
    id BLOB PRIMARY KEY NOT NULL,
    party TEXT NOT NULL,
    player TEXT NOT NULL,
    home_currency TEXT NOT NULL,
    username TEXT,
    nickname TEXT,
    email TEXT,
    gender TEXT
);

CREATE TABLE credentials (
    player BLOB PRIMARY KEY NOT NULL,
    password_hash TEXT NOT NULL
);

CREATE TABLE accounts (
    id BLOB PRIMARY KEY NOT NULL,
    party TEXT NOT NULL,
    side TEXT NOT NULL,
    player BLOB,
    currency TEXT NOT NULL,
    bucket TEXT NOT NULL,
    wallet TEXT NOT NULL,
    product INTEGER NOT NULL,
    balance BIGINT NOT NULL CHECK (balance >= 0),
    staked_day INTEGER NOT NULL,
    staked BIGINT NOT NULL
);
CREATE INDEX accounts_player ON accounts (player);

CREATE TABLE orders (
    id BLOB PRIMARY KEY NOT NULL,
    party TEXT NOT NULL,
    game TEXT NOT NULL,
    external_id TEXT NOT NULL,
    player BLOB NOT NULL,
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
);
