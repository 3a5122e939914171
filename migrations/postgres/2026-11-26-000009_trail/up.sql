-- What operators did, entry by entry, each hashed with the one before it. Nothing is ever changed in it or taken out.
CREATE TABLE trail (
    number BIGINT PRIMARY KEY,
    id BYTEA NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    role TEXT NOT NULL,
    origin TEXT NOT NULL,
    act TEXT NOT NULL,
    party TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    outcome TEXT NOT NULL,
    concludes BIGINT,
    hash BYTEA NOT NULL
);
CREATE FUNCTION trail_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the trail is append-only';
END
$$;
CREATE TRIGGER trail_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON trail
    FOR EACH STATEMENT EXECUTE FUNCTION trail_is_append_only();

-- The one row: where the trail ends.
CREATE TABLE trail_heads (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL,
    hash BYTEA NOT NULL
);
INSERT INTO trail_heads VALUES (1, 0, '\x0000000000000000000000000000000000000000000000000000000000000000');

-- Operators look for what a partner calls a transaction, whosever it is. No bet writes this table.
CREATE INDEX transactions_by_reference ON transactions (reference);
