-- Which journal rows are of which player, and of which correlation id: an index that a follower behind the journal
-- writes, a segment of some thousands of rows at a time (docs/adr/0013). It holds nothing that the journal does not.

-- The one row: every journal row up to this number is in the pages. -1 while what there was of them is being dropped.
CREATE TABLE history_position (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);
INSERT INTO history_position VALUES (1, 0);

-- A segment's entries whose digests begin with the same bits: each eight bytes of a digest, and two that say how far
-- behind the segment's first number its row is. Digests cannot be compressed, and a page is read as a whole: it stays
-- in its row where it can.
CREATE TABLE history_pages (
    kind SMALLINT NOT NULL,
    bucket SMALLINT NOT NULL,
    first BIGINT NOT NULL,
    entries BYTEA NOT NULL,
    PRIMARY KEY (kind, bucket, first)
) WITH (toast_tuple_target = 8160);
ALTER TABLE history_pages ALTER COLUMN entries SET STORAGE EXTERNAL;
