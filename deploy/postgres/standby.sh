#!/usr/bin/env bash
# A standby that the primary waits for with every commit. It begins with a copy of the primary.
set -euo pipefail

if ((EUID == 0)); then
    install -d -m 700 -o postgres -g postgres "$PGDATA"
    exec gosu postgres bash "${BASH_SOURCE[0]}"
fi

if [[ ! -s $PGDATA/PG_VERSION ]]; then
    printf 'copying the primary\n' >&2
    # Beside what will be: half a copy is never taken for a whole one, since what says that there is one comes last.
    find "$PGDATA" -mindepth 1 -delete
    pg_basebackup --dbname="host=postgres user=replicator password=$REPLICATION_PASSWORD application_name=standby" \
        --pgdata="$PGDATA/copy" --write-recovery-conf --wal-method=stream --checkpoint=fast
    find "$PGDATA/copy" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv {} "$PGDATA"/ \;
    mv "$PGDATA/copy/PG_VERSION" "$PGDATA"/
    rmdir "$PGDATA/copy"
fi

# Once it is promoted nobody stands behind it: it must not wait for itself.
exec postgres -c synchronous_standby_names=
