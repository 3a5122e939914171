#!/usr/bin/env bash
# The broker itself hears RABBITMQ_DEFAULT_USER, RABBITMQ_DEFAULT_PASS and RABBITMQ_DEFAULT_VHOST.
set -euo pipefail
if [[ ${1:-} == rabbitmq* && $EUID == 0 ]]; then
    # What asks the broker something runs as root, with the broker's own cookie.
    if [[ $1 == rabbitmq-server ]]; then
        find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq {} +
    fi
    exec gosu rabbitmq "${BASH_SOURCE[0]}" "$@"
fi
exec "$@"
