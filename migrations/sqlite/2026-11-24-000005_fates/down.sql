UPDATE transactions SET state = SUBSTR(state, 9) WHERE state IN ('payment_voided', 'payment_rolled_back');
ALTER TABLE voids DROP COLUMN attempt;
