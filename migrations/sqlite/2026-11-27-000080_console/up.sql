-- Who is signed in to the console. Digests of the cookie and of the operator's token: neither can be told from them.
CREATE TABLE console_sessions (
    id BLOB PRIMARY KEY NOT NULL,
    operator TEXT NOT NULL,
    token BLOB NOT NULL,
    expires_at BIGINT NOT NULL,
    notice TEXT NOT NULL
);
CREATE INDEX console_sessions_by_end ON console_sessions (expires_at);

-- Plans for dead letters, kept for minutes.
CREATE TABLE letter_plans (
    id BLOB PRIMARY KEY NOT NULL,
    party TEXT NOT NULL,
    stage TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    plan TEXT NOT NULL,
    touched BLOB NOT NULL
);
CREATE INDEX letter_plans_by_party ON letter_plans (party, written_at);
