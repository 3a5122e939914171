CREATE TABLE orders_by_id (
    id BLOB PRIMARY KEY NOT NULL,
    party TEXT NOT NULL,
    game TEXT NOT NULL,
    external_id TEXT NOT NULL,
    player BLOB NOT NULL,
    state TEXT NOT NULL,
    stake BIGINT,
    currency TEXT,
    bucket TEXT,
    wallet TEXT,
    product INTEGER,
    round BIGINT,
    day INTEGER,
    paid BIGINT NOT NULL,
    placed_seq BIGINT,
    settled_seq BIGINT,
    cancelled_seq BIGINT
);
INSERT INTO orders_by_id
SELECT id, party, game, external_id, player, state, stake, currency, bucket, wallet, product, round, day, paid,
     placed_seq, settled_seq, cancelled_seq
FROM orders ORDER BY num;
DROP TABLE order_index_end;
DROP TABLE order_index;
DROP TABLE orders;
ALTER TABLE orders_by_id RENAME TO orders;
