-- What players allow partners (OAuth 2.0). Grants are not money: they are not in the journal, and are deleted some time
-- after they have expired. A token is kept as the SHA-256 digest of its text, never as the text.

CREATE TABLE grants (
    id BYTEA PRIMARY KEY,
    party TEXT NOT NULL,
    client TEXT NOT NULL,
    player TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked BOOLEAN NOT NULL
);
CREATE INDEX grants_expires_at ON grants (expires_at);

CREATE TABLE grant_tokens (
    hash BYTEA PRIMARY KEY,
    grant_id BYTEA NOT NULL,
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent BOOLEAN NOT NULL
);
CREATE INDEX grant_tokens_grant_id ON grant_tokens (grant_id);
CREATE INDEX grant_tokens_expires_at ON grant_tokens (expires_at);

-- Players sign in by their username, too. The table grows by a row a player, not by a row a command.
CREATE INDEX players_username ON players (party, username);
