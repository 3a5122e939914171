-- Movements by hand that wait for a second person, and what became of them. Few: one for each that was too much for one.
CREATE TABLE approvals (
    id BLOB PRIMARY KEY NOT NULL,
    party TEXT NOT NULL,
    act TEXT NOT NULL,
    -- Whoever asks calls it so: the same again is the same approval.
    key TEXT NOT NULL,
    player TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL,
    -- What is decided once it is approved, in the ledger's words.
    command TEXT NOT NULL,
    reason TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_from TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at BIGINT NOT NULL
);
CREATE INDEX approvals_by_key ON approvals (party, act, key);
CREATE INDEX approvals_by_age ON approvals (asked_at, id);
