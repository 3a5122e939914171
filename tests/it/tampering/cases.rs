//! What somebody may do by hand, area by area, and what is found.

use super::{Case, PARTNERS, STORY, check};

const JOURNAL: &[Case] = &[
    (
        "UPDATE journal SET command = REPLACE(command, '\"stake\":100', '\"stake\":10') WHERE seq = 5",
        "journal row 5 does not follow",
    ),
    ("UPDATE journal SET outcome = REPLACE(outcome, '250', '25') WHERE seq = 6", "journal row 6 does not follow"),
    ("UPDATE journal SET outcome = 'won' WHERE seq = 6", "journal row 6 cannot be read"),
    (
        "UPDATE journal SET outcome = REPLACE(outcome, 'deposited', 'withdrawn') WHERE seq = 3",
        "something was done that its act does not do (journal row 3)",
    ),
    (
        "UPDATE journal SET outcome = (SELECT outcome FROM journal WHERE seq = 3) WHERE seq = 1",
        "something was done that its act does not do (journal row 1)",
    ),
    (
        "UPDATE journal SET outcome = (SELECT outcome FROM journal WHERE seq = 5) WHERE seq = 6",
        "something was done that its act does not do (journal row 6)",
    ),
    (
        "UPDATE journal SET outcome = (SELECT outcome FROM journal WHERE seq = 3) WHERE seq = 5",
        "something was done that its act does not do (journal row 5)",
    ),
    (
        "UPDATE journal SET hash = (SELECT hash FROM journal WHERE seq = 2) WHERE seq = 3",
        "journal row 3 does not follow",
    ),
    ("UPDATE journal SET key = NULL WHERE seq = 7", "journal row 7 does not follow"),
    ("UPDATE journal SET writer = 2 WHERE seq = 8", "journal row 8 does not follow"),
    ("UPDATE journal SET party = 'other' WHERE seq = 9", "journal row 9 is filed under another party or time"),
    ("UPDATE journal SET at = 5 WHERE seq = 9", "journal row 9 is filed under another party or time"),
    ("UPDATE journal SET seq = 99 WHERE seq = 14", "journal row 99 does not follow"),
    ("DELETE FROM journal WHERE seq = 4", "journal row 5 does not follow"),
    ("DELETE FROM journal WHERE seq = 14", "chain 1 ends at journal row 13, and was left at 14"),
    ("DELETE FROM journal", "chain 1 ends at journal row 0, and was left at 14"),
    ("UPDATE writers SET head = (SELECT hash FROM journal WHERE seq = 13)", "chain 1 ends at journal row 14"),
    ("UPDATE writers SET last_seq = 13", "chain 1 ends at journal row 14, and was left at 13"),
    ("DELETE FROM writers", "chain 1 ends at journal row 14, and no writer left it"),
];

const MONEY: &[Case] = &[
    ("UPDATE journal SET transfers = '{alice>house 101}' WHERE seq = 5", "journal row 5 does not follow"),
    ("UPDATE journal SET transfers = '{alice>house 101}' WHERE seq = 5", "acme/alice CHF real: 1105"),
    ("UPDATE journal SET transfers = '{bob>house 100}' WHERE seq = 5", "journal row 5 does not follow"),
    ("UPDATE journal SET transfers = '{house>bob 250}' WHERE seq = 6", "acme/bob CHF real: 40"),
    (
        "UPDATE journal SET transfers = '{alice>alice 250}' WHERE seq = 6",
        "{alice} is debited by a transfer between accounts that do not belong together, by its seq (6)",
    ),
    ("UPDATE journal SET transfers = '{house>alice 0}' WHERE seq = 6", "row 6: has transfers that cannot be read"),
    ("UPDATE journal SET transfers = substr(transfers, 2) WHERE seq = 6", "row 6: has transfers that cannot be read"),
    ("UPDATE journal SET transfers = '{}' WHERE seq = 6", "journal row 6 does not follow"),
    ("UPDATE journal SET transfers = '{}' WHERE seq = 6", "acme/alice CHF real: 1105"),
    ("UPDATE journal SET transfers = '{house>alice 250}' WHERE seq = 1", "journal row 1 does not follow"),
    (
        "UPDATE journal SET transfers = '{house>alice 250,house>alice 250}' WHERE seq = 6",
        "journal row 6 does not follow from its predecessor",
    ),
    ("UPDATE accounts SET balance = balance + 1 WHERE id = '{alice}'", "acme/alice CHF real: 1106"),
    ("UPDATE accounts SET balance = 5 WHERE side = 'house'", "is an account with an impossible balance (5)"),
    ("UPDATE accounts SET currency = 'EUR' WHERE id = '{alice}'", "{alice} is an account under another's id"),
    ("UPDATE accounts SET bucket = 'bonus' WHERE id = '{alice}'", "{alice} is an account under another's id"),
    ("UPDATE accounts SET wallet = 'w' WHERE id = '{alice}'", "{alice} is an account under another's id"),
    (
        "UPDATE accounts SET player = (SELECT player FROM accounts WHERE id = '{bob}') WHERE id = '{alice}'",
        "{alice} is an account under another's id",
    ),
    ("UPDATE accounts SET side = 'cashier' WHERE side = 'house'", "is an account under another's id"),
    ("DELETE FROM accounts WHERE id = '{alice}'", "{alice} is debited by a transfer between accounts"),
    ("DELETE FROM players WHERE player = 'alice'", "{alice} is an account without a player"),
    ("DELETE FROM players WHERE player = 'alice'", "1 players are stored, and the journal opened 2"),
    ("UPDATE usernames SET username = 'al'", "acme/ally is the username of alice and is missing"),
    ("UPDATE usernames SET party = 'other'", "acme/ally is the username of alice and is missing"),
    (
        "UPDATE usernames SET player = (SELECT id FROM players WHERE player = 'bob')",
        "acme/ally is the username of alice and is given to another",
    ),
    (
        "INSERT INTO usernames SELECT party, 'bobby', id FROM players WHERE player = 'bob'",
        "2 usernames are stored, and the journal accounts for 1",
    ),
    ("DELETE FROM usernames", "acme/ally is the username of alice and is missing"),
    ("UPDATE players SET player = 'mallory' WHERE player = 'alice'", "acme/mallory is a player under another's id"),
];

const ORDERS: &[Case] = &[
    ("{order} state = 'lost' WHERE id = '{won}'", "{won} is an order lost with 250 paid, not won with 250"),
    ("{order} paid = 1 WHERE id = '{won}'", "{won} is an order won with 1 paid, not won with 250"),
    ("{order} state = 'open' WHERE id = '{cancelled}'", "{cancelled} is an order open with 70 paid, not cancelled"),
    ("{order} state = 'open' WHERE id = '{refused}'", "{refused} is an order open with 0 paid, not refused"),
    ("{order} state = 'tombstone' WHERE id = '{refused}'", "{refused} is an order tombstone with 0 paid, not refused"),
    (
        "{order} state = 'refused' WHERE id = '{tombstone}'",
        "{tombstone} is an order refused with 0 paid, not tombstone",
    ),
    ("{order} stake = 7 WHERE id = '{open}'", "{open} is an order that is not as its bet was"),
    ("{order} stake = NULL WHERE id = '{open}'", "{open} is an order that is not as its bet was"),
    ("{order} round = 2 WHERE id = '{open}'", "{open} is an order that is not as its bet was"),
    ("{order} wallet = 'w' WHERE id = '{open}'", "{open} is an order that is not as its bet was"),
    ("{order} currency = 'EUR' WHERE id = '{open}'", "{open} is an order that is not as its bet was"),
    ("{order} external_id = 'x' WHERE id = '{open}'", "{open} is an order that is not as its bet was"),
    (
        "{order} player = (SELECT id FROM players WHERE player = 'bob') WHERE id = '{open}'",
        "{open} is an order that is not as its bet was",
    ),
    ("{order} placed_seq = 1 WHERE id = '{open}'", "{open} is an order that does not tell of journal row 9"),
    ("{order} placed_seq = 1 WHERE id = '{open}'", "6 orders are stored, and the journal accounts for 5"),
    ("{order} placed_seq = NULL WHERE id = '{won}'", "{won} is an order that does not tell of journal row"),
    ("{order} settled_seq = NULL WHERE id = '{won}'", "{won} is an order that does not tell of journal row"),
    ("{order} settled_seq = 99 WHERE id = '{open}'", "orders tell of 10 journal rows, and 9 are theirs"),
    ("{order} cancelled_seq = 99 WHERE id = '{open}'", "6 orders are stored, and the journal accounts for 5"),
    ("UPDATE journal SET by_key = TRUE WHERE seq = 9", "journal row 9 is not found where it should be"),
    ("UPDATE journal SET by_key = FALSE WHERE seq = 1", "journal row 1 is not found where it should be"),
    ("DELETE FROM orders WHERE id = '{lost}'", "{lost} is an order of journal row 12 and is missing"),
    (
        "UPDATE orders SET id = (SELECT id FROM players WHERE player = 'bob') WHERE id = '{lost}'",
        "{lost} is an order of journal row 12 and is missing",
    ),
];

const TRANSACTIONS: &[Case] = &[
    (
        "UPDATE transactions SET state = 'open', ended_by = NULL WHERE number = 3",
        "3 is a transaction open, not settled",
    ),
    ("UPDATE transactions SET state = 'voided' WHERE number = 3", "3 is a transaction voided, not settled"),
    ("UPDATE transactions SET state = 'open', ended_by = NULL WHERE number = 5", "5 is a transaction open, not voided"),
    (
        "UPDATE transactions SET state = 'open', ended_by = NULL WHERE number = 7",
        "7 is a transaction open, not rolled_back",
    ),
    (
        "UPDATE transactions SET state = 'done', ended_by = NULL WHERE number = 11",
        "11 is a transaction done, not payment_voided",
    ),
    ("UPDATE transactions SET ended_by = 6 WHERE number = 3", "3 is a transaction that was ended by none (settled)"),
    (
        "UPDATE transactions SET state = 'settled' WHERE number = 10",
        "10 is a transaction that was ended by none (settled)",
    ),
    (
        "UPDATE transactions SET state = 'open' WHERE state = 'tombstone'",
        "tombstone is a transaction that was undone and is not",
    ),
    ("DELETE FROM transactions WHERE state = 'tombstone'", "tombstone is a transaction that was undone and is not"),
    ("DELETE FROM transactions WHERE number = 10", "10 is a transaction that is missing (journal row 10)"),
    ("UPDATE transactions SET number = 99 WHERE number = 10", "10 is a transaction that is missing (journal row 10)"),
    ("UPDATE transactions SET moved_real = -31 WHERE number = 10", "10 is a transaction that is not as it was told"),
    ("UPDATE transactions SET moved_bonus = 7 WHERE number = 11", "11 is a transaction that is not as it was told"),
    ("UPDATE transactions SET moved_real = 1 WHERE number = 13", "13 is a transaction that is not as it was told"),
    ("UPDATE transactions SET external = 0 WHERE number = 10", "10 is a transaction that is not as it was told"),
    ("UPDATE transactions SET reference = 'x' WHERE number = 10", "10 is a transaction that is not as it was told"),
    ("UPDATE transactions SET round = NULL WHERE number = 10", "10 is a transaction that is not as it was told"),
    ("UPDATE transactions SET currency = 'EUR' WHERE number = 10", "10 is a transaction that is not as it was told"),
    ("UPDATE transactions SET source = 10 WHERE number = 6", "6 is a transaction that is not as it was told"),
    ("UPDATE transactions SET source = NULL WHERE number = 4", "3 is a transaction that was ended by none (settled)"),
    ("UPDATE voids SET kind = 8 WHERE source = 11", "11 is a void that is not as it was queued"),
    ("UPDATE voids SET queued_at = 8 WHERE source = 11", "11 is a void that is not as it was queued"),
    ("UPDATE voids SET state = 'pending' WHERE source = 11", "11 is a void that is not approved"),
    ("UPDATE voids SET state = 'pending' WHERE source = 10", "10 is a void that is not dismissed"),
    (
        "UPDATE voids SET state = 'approved' WHERE source = 5",
        "4 resolved voids are stored, and the journal accounts for 3",
    ),
    ("DELETE FROM voids WHERE source = 5", "5 is a void that is not as it was queued"),
];

const SALES: &[Case] = &[
    ("UPDATE players SET vip = 'gold'", "is a player who bought level silver and does not have it"),
    ("UPDATE players SET vip = NULL", "0 VIP levels are stored, and the journal accounts for 1"),
    ("UPDATE offers SET price = 29 WHERE offer = 'card'", "is an offer that is not as it was stocked"),
    ("UPDATE offers SET stock = 2 WHERE offer = 'card'", "is an offer with 2 in stock, and has 1 keys for sale"),
    ("DELETE FROM offers WHERE offer = 'game'", "1 offers are stored, and the journal accounts for 2"),
    ("UPDATE gift_keys SET sealed = 'x'", "is a gift-card key that is not as it was stocked"),
    (
        "UPDATE gift_keys SET offer = (SELECT id FROM offers WHERE offer = 'game')",
        "is a gift-card key that is not as it was stocked",
    ),
    ("UPDATE gift_keys SET seq = 99", "is a gift-card key that is not as it was stocked"),
    ("DELETE FROM gift_keys WHERE position = 1", "3 gift-card keys are stored, and the journal accounts for 4"),
    ("UPDATE gift_keys SET purchase = NULL WHERE position = 1", "19 is a purchase of another number of keys (2)"),
    ("UPDATE gift_keys SET purchase = 19", "19 is a purchase of another number of keys (2)"),
    ("UPDATE gift_keys SET purchase = 7 WHERE position = 4", "7 is no purchase, and sold keys (1)"),
    ("UPDATE purchases SET keys = 1", "19 is a purchase that is not as it was made"),
    ("UPDATE purchases SET paid = 59", "19 is a purchase that is not as it was made"),
    ("UPDATE purchases SET buyer = 'kiosk'", "19 is a purchase that is not as it was made"),
    ("DELETE FROM purchases", "0 purchases are stored, and the journal accounts for 1"),
];

/// The index of histories. A segment is named by its first number.
const HISTORIES: &[Case] = &[
    ("UPDATE history_position SET number = 11", "journal row 11 is not found by its player in the index of histories"),
    (
        "UPDATE history_position SET number = 11",
        "journal row 11 is not found by its correlation id in the index of histories",
    ),
    (
        "UPDATE history_position SET number = 9",
        "the index of histories finds journal row 10 by a player that is not its own",
    ),
    (
        "UPDATE history_position SET number = 9",
        "the index of histories finds journal row 10 by a correlation id that is not its own",
    ),
    ("UPDATE history_position SET number = 99", "the index of histories is said to be complete to 99, where no row is"),
    ("UPDATE history_position SET number = 0", "the index of histories is complete to 0, and has pages of 1"),
    ("UPDATE history_position SET number = 5", "the index of histories is complete to 5, and has pages of 6"),
    ("DELETE FROM history_position", "the index of histories does not tell how far it is complete"),
    ("DELETE FROM history_pages", "journal row 1 is not found by its player in the index of histories"),
    ("DELETE FROM history_pages WHERE first = 6", "journal row 6 is not found by its player"),
    ("DELETE FROM history_pages WHERE kind = 2 AND first = 1", "journal row 1 is not found by its correlation id"),
    ("UPDATE history_pages SET bucket = (bucket + 64) % 128", "journal row 1 is not found by its player"),
    (
        "UPDATE history_pages SET bucket = bucket + 64 WHERE kind = 1 AND first = 6",
        "history pages of 6 are stored, of which",
    ),
    (
        "INSERT INTO history_pages SELECT 3, bucket, first, entries FROM history_pages WHERE kind = 1",
        "history pages of 1 are stored",
    ),
    (
        "UPDATE history_pages SET bucket = 63 - bucket WHERE kind = 1 AND first = 6",
        "damaged row: history page of 6: has an entry of another page",
    ),
    ("UPDATE history_pages SET kind = kind + 2", "journal row 1 is not found by its player"),
    (
        "DELETE FROM history_pages WHERE kind = 2; UPDATE history_pages SET kind = 2",
        "the index of histories finds journal row 1 by a correlation id that is not its own",
    ),
    ("UPDATE history_pages SET first = 2 WHERE first = 1", "journal row 1 is not found by its player"),
    (
        "UPDATE history_pages SET first = 2 WHERE first = 1",
        "the index of histories finds journal row 2 by a player that is not its own",
    ),
    ("UPDATE history_pages SET first = 11 WHERE first = 6", "journal row 6 is not found by its player"),
    (
        "UPDATE history_pages SET entries = substr(entries, 2) WHERE first = 6",
        "damaged row: history page of 6: ends within an entry",
    ),
    (
        "UPDATE history_pages SET entries = substr(entries, 11) WHERE kind = 1 AND first = 1",
        "is not found by its player in the index of histories",
    ),
    ("DELETE FROM journal WHERE seq = 4", "the index of histories finds journal row 4 by a player that is not its own"),
];

#[test]
fn a_journal_that_was_changed_is_found_out() {
    check(STORY, JOURNAL);
}

#[test]
fn money_that_was_moved_by_hand_is_found_out() {
    check(STORY, MONEY);
}

#[test]
fn orders_that_were_changed_are_found_out() {
    check(STORY, ORDERS);
}

#[test]
fn an_index_of_histories_that_was_changed_is_found_out() {
    check(STORY, HISTORIES);
}

#[test]
fn transactions_that_were_changed_are_found_out() {
    check(PARTNERS, TRANSACTIONS);
}

#[test]
fn sales_that_were_changed_are_found_out() {
    check(PARTNERS, SALES);
}
