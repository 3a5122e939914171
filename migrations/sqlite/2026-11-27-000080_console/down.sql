DROP TABLE letter_plans;
DROP TABLE console_sessions;
