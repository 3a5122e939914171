#!/usr/bin/env bash
# Run once, on the first leader of a new cluster: Purser's user and database. The first argument says how to connect.
set -euo pipefail

# There is no standby yet that a commit could wait for.
export PGOPTIONS="-c synchronous_commit=local"
psql --set=ON_ERROR_STOP=1 --no-psqlrc --dbname "$1" --set=password="$PURSER_PASSWORD" <<'SQL'
CREATE ROLE purser LOGIN PASSWORD :'password';
CREATE DATABASE purser OWNER purser;
SQL
