DROP TABLE carried;
DROP TABLE checkpoints;
ALTER TABLE writers DROP COLUMN pruned_head;
ALTER TABLE writers DROP COLUMN pruned_seq;
