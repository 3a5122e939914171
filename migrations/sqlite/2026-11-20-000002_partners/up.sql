-- What only the partner dialects write: transactions that a partner has named, voids that wait for an operator, offers
-- of gift cards and their keys. None of it is on the way of a bet.

ALTER TABLE players ADD COLUMN vip TEXT;

CREATE TABLE transactions (
    number INTEGER PRIMARY KEY NOT NULL,
    key BLOB NOT NULL UNIQUE,
    party TEXT NOT NULL,
    player BLOB NOT NULL,
    scope TEXT NOT NULL,
    kind INTEGER NOT NULL,
    region INTEGER NOT NULL,
    partner INTEGER NOT NULL,
    reference TEXT NOT NULL,
    round TEXT,
    currency TEXT NOT NULL,
    product INTEGER NOT NULL,
    moved_real BIGINT NOT NULL,
    moved_bonus BIGINT NOT NULL,
    moved_ring_fenced BIGINT NOT NULL,
    moved_gbt_bonus BIGINT NOT NULL,
    external BIGINT NOT NULL,
    source BIGINT,
    state TEXT NOT NULL,
    ended_by BIGINT,
    memo TEXT NOT NULL,
    worth TEXT,
    token TEXT
);
CREATE INDEX transactions_round ON transactions (round, player);
CREATE INDEX transactions_reference ON transactions (player, reference);
CREATE INDEX transactions_latest ON transactions (player, kind, number);

CREATE TABLE voids (
    source INTEGER PRIMARY KEY NOT NULL,
    party TEXT NOT NULL,
    player BLOB NOT NULL,
    kind INTEGER NOT NULL,
    state TEXT NOT NULL,
    queued_at BIGINT NOT NULL
);

CREATE TABLE offers (
    id BLOB PRIMARY KEY NOT NULL,
    party TEXT NOT NULL,
    offer TEXT NOT NULL,
    name TEXT NOT NULL,
    price BIGINT NOT NULL CHECK (price > 0),
    currency TEXT NOT NULL,
    stock BIGINT NOT NULL
);

-- Keys are sealed; their ids are keyed digests. They are sold in the order in which they came.
CREATE TABLE gift_keys (
    id BLOB PRIMARY KEY NOT NULL,
    offer BLOB NOT NULL,
    seq BIGINT NOT NULL,
    position INTEGER NOT NULL,
    sealed TEXT NOT NULL,
    purchase BIGINT
);
CREATE INDEX gift_keys_for_sale ON gift_keys (offer, seq, position) WHERE purchase IS NULL;
CREATE INDEX gift_keys_sold ON gift_keys (purchase) WHERE purchase IS NOT NULL;

CREATE TABLE purchases (
    number INTEGER PRIMARY KEY NOT NULL,
    party TEXT NOT NULL,
    buyer TEXT NOT NULL,
    offer BLOB NOT NULL,
    paid BIGINT NOT NULL CHECK (paid > 0),
    keys INTEGER NOT NULL CHECK (keys > 0)
);
