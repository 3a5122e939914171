-- The one row: what the last audit beside `serve` found, and when one last found nothing wrong. 0: never.
CREATE TABLE last_audit (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    began_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    report TEXT NOT NULL,
    succeeded_at BIGINT NOT NULL
);
