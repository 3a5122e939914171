-- What operators did, entry by entry, each hashed with the one before it. Nothing is ever changed in it or taken out.
CREATE TABLE trail (
    number INTEGER PRIMARY KEY NOT NULL,
    id BLOB NOT NULL UNIQUE,
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
    hash BLOB NOT NULL
);
CREATE TRIGGER trail_never_changes BEFORE UPDATE ON trail BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END;
CREATE TRIGGER trail_never_shrinks BEFORE DELETE ON trail BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END;

-- The one row: where the trail ends.
CREATE TABLE trail_heads (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    number BIGINT NOT NULL,
    hash BLOB NOT NULL
);
INSERT INTO trail_heads VALUES (1, 0, x'0000000000000000000000000000000000000000000000000000000000000000');

-- Operators look for what a partner calls a transaction, whosever it is. No bet writes this table.
CREATE INDEX transactions_by_reference ON transactions (reference);
