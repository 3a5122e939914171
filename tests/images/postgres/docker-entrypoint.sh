#!/usr/bin/env bash
# Creates the cluster, its user and its database where there is none, then becomes the server.
# Hears the variables of the official image that Purser's files use, and those beside them.
set -euo pipefail

die() { printf 'entrypoint: %s\n' "$*" >&2; exit 1; }

# from_file NAME [DEFAULT]: the value of NAME, or what the file says that NAME_FILE names.
from_file() {
    local name="$1" file_name="$1_FILE"
    if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then die "both $name and $file_name are set"; fi
    local value="${!name:-${2:-}}"
    if [[ -n ${!file_name:-} ]]; then value="$(<"${!file_name}")"; fi
    export "$name=$value"
    unset "$file_name"
}

become_postgres() {
    install -d -m 700 "$PGDATA"
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres {} +
    exec gosu postgres "${BASH_SOURCE[0]}" "$@"
}

create_cluster() {
    local method="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
    if [[ -z $POSTGRES_PASSWORD && $method != trust ]]; then
        die "POSTGRES_PASSWORD is empty and POSTGRES_HOST_AUTH_METHOD is not trust"
    fi
    local arguments=()
    read -r -a arguments <<<"${POSTGRES_INITDB_ARGS:-}"
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${arguments[@]}"
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# A server on the socket alone, so that nobody takes the half-made one for the real one.
fill_cluster() {
    PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PASSWORD" pg_ctl --options="-c listen_addresses=''" --wait start
    local sql=(psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER")
    if [[ $POSTGRES_DB != postgres ]]; then
        printf 'create database :"name";\n' | "${sql[@]}" --dbname postgres --set name="$POSTGRES_DB"
    fi
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh) bash "$file" ;;
            *.sql) "${sql[@]}" --dbname "$POSTGRES_DB" --file "$file" ;;
        esac
    done
    pg_ctl --mode=fast --wait stop
}

if [[ ${1:-} == -* ]]; then set -- postgres "$@"; fi
if [[ ${1:-} != postgres ]]; then exec "$@"; fi
if ((EUID == 0)); then become_postgres "$@"; fi
from_file POSTGRES_PASSWORD
from_file POSTGRES_USER postgres
from_file POSTGRES_DB "$POSTGRES_USER"
if [[ ! -s $PGDATA/PG_VERSION ]]; then
    export PGPASSWORD="$POSTGRES_PASSWORD"
    create_cluster
    fill_cluster
    unset PGPASSWORD
fi
exec "$@"
