-- What a command moved lies in its journal row: 40 bytes a transfer, one behind the other, account that is debited, account
-- that is credited, and minor units with the highest byte first (src/storage/transfers.rs). As rows of a table of their own they
-- cost a bet a row, an entry of that table's index, and both in the log.

-- A transfer without its command would be lost here. There is none, or nothing is changed.
CREATE TABLE no_transfer_is_without_its_command (seq BIGINT CHECK (seq IS NULL));
INSERT INTO no_transfer_is_without_its_command
SELECT seq FROM transfers WHERE NOT EXISTS (SELECT 1 FROM journal WHERE journal.seq = transfers.seq);
DROP TABLE no_transfer_is_without_its_command;

-- Made anew, since it is written anew whole, and columns of a fixed width lie closer in front.
ALTER TABLE journal RENAME TO journal_before;
ALTER INDEX journal_pkey RENAME TO journal_before_pkey;
ALTER INDEX journal_key RENAME TO journal_before_key;
CREATE TABLE journal (
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    writer INTEGER NOT NULL,
    by_key BOOLEAN NOT NULL,
    key BYTEA,
    party TEXT NOT NULL,
    transfers BYTEA NOT NULL,
    command TEXT NOT NULL,
    outcome TEXT NOT NULL,
    hash BYTEA NOT NULL
);
INSERT INTO journal (seq, at, writer, by_key, key, party, transfers, command, outcome, hash)
SELECT seq, at, writer, by_key, key, party, COALESCE(moved.transfers, ''), command, outcome, hash
FROM journal_before LEFT JOIN (
    SELECT seq, string_agg(debit || credit || int8send(amount), ''::BYTEA ORDER BY leg) AS transfers
    FROM transfers GROUP BY seq
) AS moved USING (seq) ORDER BY seq;
DROP TABLE journal_before;
DROP TABLE transfers;
ALTER TABLE journal ADD PRIMARY KEY (seq);
CREATE UNIQUE INDEX journal_key ON journal (key) WHERE by_key;
