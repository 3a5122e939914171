DROP INDEX transactions_by_reference;
DROP TABLE trail_heads;
DROP TABLE trail;
DROP FUNCTION trail_is_append_only;
