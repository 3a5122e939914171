-- A void that was dismissed can be asked for again.
ALTER TABLE voids ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;

-- What was no stake and was taken back says so: a payment of nothing looked like a stake of nothing.
UPDATE transactions SET state = 'payment_' || state WHERE state IN ('voided', 'rolled_back') AND NOT EXISTS
    (SELECT 1 FROM journal WHERE journal.key = transactions.key AND journal.command LIKE '%"change":{"stake":%');

-- A stake that was paid for is settled, by the first of its payments.
UPDATE transactions SET state = 'settled', ended_by = paid.number
FROM (SELECT source, MIN(number) AS number FROM transactions WHERE state IN ('done', 'payment_voided') GROUP BY source) AS paid
WHERE transactions.state = 'open' AND paid.source = transactions.number;
