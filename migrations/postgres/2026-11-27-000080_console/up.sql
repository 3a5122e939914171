-- Who is signed in to the console. Digests of the cookie and of the operator's token: neither can be told from them.
CREATE TABLE console_sessions (
    id BYTEA PRIMARY KEY,
    operator TEXT NOT NULL,
    token BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    notice TEXT NOT NULL
);
CREATE INDEX console_sessions_by_end ON console_sessions (expires_at);

-- Plans for dead letters, kept for minutes.
CREATE TABLE letter_plans (
    id BYTEA PRIMARY KEY,
    party TEXT NOT NULL,
    stage TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    plan TEXT NOT NULL,
    touched BYTEA NOT NULL
);
CREATE INDEX letter_plans_by_party ON letter_plans (party, written_at);
