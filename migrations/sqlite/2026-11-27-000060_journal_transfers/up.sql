-- What a command moved lies in its journal row: 40 bytes a transfer, one behind the other, account that is debited, account
-- that is credited, and minor units with the highest byte first (src/storage/transfers.rs). As rows of a table of their own they
-- cost a bet a row, and a place in a second table.

-- A transfer without its command would be lost here. There is none, or nothing is changed.
CREATE TABLE no_transfer_is_without_its_command (seq BIGINT CHECK (seq IS NULL));
INSERT INTO no_transfer_is_without_its_command
SELECT seq FROM transfers WHERE NOT EXISTS (SELECT 1 FROM journal WHERE journal.seq = transfers.seq);
DROP TABLE no_transfer_is_without_its_command;

CREATE TABLE journal_with_transfers (
    seq INTEGER PRIMARY KEY NOT NULL,
    at BIGINT NOT NULL,
    writer INTEGER NOT NULL,
    by_key BOOLEAN NOT NULL,
    key BLOB,
    party TEXT NOT NULL,
    transfers BLOB NOT NULL,
    command TEXT NOT NULL,
    outcome TEXT NOT NULL,
    hash BLOB NOT NULL
);
INSERT INTO journal_with_transfers (seq, at, writer, by_key, key, party, transfers, command, outcome, hash)
SELECT seq, at, writer, by_key, key, party, unhex(COALESCE((
    SELECT group_concat(hex(debit) || hex(credit) || printf('%016X', amount), '' ORDER BY leg)
    FROM transfers WHERE transfers.seq = journal.seq
), '')), command, outcome, hash FROM journal ORDER BY seq;
DROP TABLE journal;
DROP TABLE transfers;
ALTER TABLE journal_with_transfers RENAME TO journal;
CREATE UNIQUE INDEX journal_key ON journal (key) WHERE by_key;
