-- What waits for a person is found and counted without passing over what was decided long since, and all of it is listed by its
-- age. No bet writes these tables.
CREATE INDEX voids_waiting ON voids (state, party, queued_at, source);
CREATE INDEX voids_by_age ON voids (party, queued_at, source);
CREATE INDEX approvals_waiting ON approvals (state, expires_at);
