-- SQLite takes rows one by one: only Postgres is sent arrays of them.
SELECT 1;
