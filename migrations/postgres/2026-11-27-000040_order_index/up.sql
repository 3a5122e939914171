-- Postgres finds orders by their primary key, whose pages it writes once a checkpoint: only SQLite has an index of its own.
SELECT 1;
