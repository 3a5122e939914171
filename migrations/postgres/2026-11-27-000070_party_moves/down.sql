DROP TABLE party_moves;
