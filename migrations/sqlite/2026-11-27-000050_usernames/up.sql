-- A username is one player's within a party, also where two players are opened at the same moment. Beside the players, since
-- ledgers are there in which one was given twice: who had it first keeps it, the other signs in by the player's id.
CREATE TABLE usernames (
    party TEXT NOT NULL,
    username TEXT NOT NULL CHECK (username <> ''),
    player BLOB NOT NULL,
    PRIMARY KEY (party, username)
) WITHOUT ROWID;
INSERT INTO usernames
SELECT party, username, MIN(id) FROM players WHERE username <> '' GROUP BY party, username HAVING COUNT(*) = 1;
-- Only the journal tells who was first.
INSERT INTO usernames
SELECT party, username, id FROM (
    SELECT p.party, p.username, p.id, ROW_NUMBER() OVER (PARTITION BY p.party, p.username ORDER BY o.seq) AS turn
    FROM players p JOIN (
        SELECT seq, party, json_extract(command, '$.player') AS player FROM journal
        WHERE command LIKE '%"act":"open_player"%' AND outcome = '{"done":"player_opened"}'
    ) o ON o.party = p.party AND o.player = p.player
    WHERE p.username <> '' AND NOT EXISTS (
        SELECT 1 FROM usernames u WHERE u.party = p.party AND u.username = p.username
    )
) AS shared WHERE turn = 1;
