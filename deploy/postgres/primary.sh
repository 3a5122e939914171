#!/usr/bin/env bash
# Run once, when the primary's volume is created: a user for the standby, and no commit without it.
set -euo pipefail

psql --set=ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set=password="$REPLICATION_PASSWORD" <<'SQL'
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'password';
-- Written down, and heard when the server starts in earnest: by now there is no standby that a commit could wait for.
ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (standby)';
SQL
printf 'host replication replicator all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
