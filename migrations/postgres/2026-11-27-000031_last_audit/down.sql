DROP TABLE last_audit;
