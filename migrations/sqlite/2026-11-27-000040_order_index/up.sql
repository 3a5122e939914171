-- Orders are numbered as they come. What finds them by id takes up many at once, in the order of the ids, some time after
-- them: `order_index`, of which `order_index_end` tells up to which number it is complete (src/storage/sqlite/order_index.rs).
-- So a bet writes to no random place.
CREATE TABLE numbered_orders (
    num INTEGER PRIMARY KEY NOT NULL,
    id BLOB NOT NULL,
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
INSERT INTO numbered_orders
    (id, party, game, external_id, player, state, stake, currency, bucket, wallet, product, round, day, paid,
     placed_seq, settled_seq, cancelled_seq)
SELECT id, party, game, external_id, player, state, stake, currency, bucket, wallet, product, round, day, paid,
     placed_seq, settled_seq, cancelled_seq
FROM orders ORDER BY rowid;
DROP TABLE orders;
ALTER TABLE numbered_orders RENAME TO orders;

CREATE TABLE order_index (
    id BLOB PRIMARY KEY NOT NULL,
    num BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO order_index SELECT id, num FROM orders ORDER BY id;

CREATE TABLE order_index_end (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    num BIGINT NOT NULL
);
INSERT INTO order_index_end SELECT 1, COALESCE(MAX(num), 0) FROM orders;
