DROP TABLE orders;
DROP TABLE accounts;
DROP TABLE credentials;
DROP TABLE players;
DROP TABLE transfers;
DROP TABLE journal;
DROP SEQUENCE journal_seq;
DROP TABLE writers;
