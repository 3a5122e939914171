DROP INDEX approvals_waiting;
DROP INDEX voids_by_age;
DROP INDEX voids_waiting;
