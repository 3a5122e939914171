-- Parties that are on their way to another ledger or from one, or that have gone: while its row stands, nothing is decided
-- here of a party. Writers read this table in every transaction, after what they lock.
CREATE TABLE party_moves (
    party TEXT PRIMARY KEY NOT NULL,
    state TEXT NOT NULL,
    -- The ledger on the other side, as the configuration calls it.
    other TEXT NOT NULL,
    since BIGINT NOT NULL
);
