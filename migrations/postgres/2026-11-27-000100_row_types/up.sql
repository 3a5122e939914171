-- What the writer sends of each table, as arrays of rows (adr/0021). A table may get another column beside it; a row that is to
-- carry it gets a type of another name.
CREATE TYPE journal_row AS (
    seq BIGINT, at BIGINT, writer INTEGER, by_key BOOLEAN, key BYTEA, party TEXT, transfers BYTEA, command TEXT,
    outcome TEXT, hash BYTEA
);
CREATE TYPE player_row AS (
    id BYTEA, party TEXT, player TEXT, home_currency TEXT, username TEXT, nickname TEXT, email TEXT, gender TEXT
);
CREATE TYPE username_row AS (
    party TEXT, username TEXT, player BYTEA
);
CREATE TYPE account_row AS (
    id BYTEA, party TEXT, side TEXT, player BYTEA, currency TEXT, bucket TEXT, wallet TEXT, product INTEGER,
    balance BIGINT, staked_day INTEGER, staked BIGINT
);
CREATE TYPE order_row AS (
    id BYTEA, party TEXT, game TEXT, external_id TEXT, player BYTEA, state TEXT, stake BIGINT, currency TEXT,
    bucket TEXT, wallet TEXT, product INTEGER, round BIGINT, day INTEGER, paid BIGINT, placed_seq BIGINT,
    settled_seq BIGINT, cancelled_seq BIGINT
);
CREATE TYPE transaction_row AS (
    number BIGINT, key BYTEA, party TEXT, player BYTEA, scope TEXT, kind INTEGER, region INTEGER, partner INTEGER,
    reference TEXT, round TEXT, currency TEXT, product INTEGER, moved_real BIGINT, moved_bonus BIGINT,
    moved_ring_fenced BIGINT, moved_gbt_bonus BIGINT, external BIGINT, source BIGINT, state TEXT, ended_by BIGINT,
    memo TEXT, worth TEXT, token TEXT
);
CREATE TYPE void_row AS (
    source BIGINT, party TEXT, player BYTEA, kind INTEGER, state TEXT, queued_at BIGINT, attempt INTEGER
);
CREATE TYPE offer_row AS (
    id BYTEA, party TEXT, offer TEXT, name TEXT, price BIGINT, currency TEXT, stock BIGINT
);
CREATE TYPE gift_key_row AS (
    id BYTEA, offer BYTEA, seq BIGINT, position INTEGER, sealed TEXT
);
CREATE TYPE purchase_row AS (
    number BIGINT, party TEXT, buyer TEXT, offer BYTEA, paid BIGINT, keys INTEGER
);
