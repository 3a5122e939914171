DROP TABLE purchases;
DROP TABLE gift_keys;
DROP TABLE offers;
DROP TABLE voids;
DROP TABLE transactions;
ALTER TABLE players DROP COLUMN vip;
