DROP INDEX players_username;
DROP TABLE grant_tokens;
DROP TABLE grants;
