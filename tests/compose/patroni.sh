# What `scripts/compose --patroni` does to the nodes of deploy/compose.patroni.yml; read by it, with its `compose`, `within`,
# `sound`, `purser` and `$project`.
# shellcheck shell=bash disable=SC2154,SC2317,SC2034

readonly SERVERS="postgres postgres2 postgres3"
readonly STORES="etcd etcd2 etcd3"
readonly BROKERS="rabbitmq rabbitmq2 rabbitmq3"
readonly PURSERS="purser purser2"

# In minor units, for each of the provider's players.
readonly DEPOSIT=100000000
readonly BETS_A_SECOND=15

# How long what is lost stays away where nothing is waited for, and how long an event may be without an answer afterwards.
readonly AWAY_S=30
readonly STALE_MS=15000

now_ms() { date +%s%3N; }
container() { printf '%s-%s-1' "$project" "$1"; }
in_container() { docker exec "$(container "$1")" "${@:2}"; }
address() { docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$(container "$1")"; }
others() { tr ' ' '\n' <<<"$1" | grep -vxF "$2"; }

# --- a provider from outside -----------------------------------------------------------------

steady="$directory/steady"

provider_begins() {
    local player url=amqp://purser:purser@ urls=() node
    docker build --quiet --tag "$project:steady" "$clone/tests/compose"
    mkdir -m 777 "$steady"
    for player in anna bert carl dora emma fred; do
        purser player add --party demo --player "$player" --currency EUR
        purser deposit --party demo --player "$player" --currency EUR --amount "$((DEPOSIT / 100)).00" --key "first-$player"
        printf '%s %s\n' "$player" "$(purser token --party demo --player "$player" --ttl 24h)" >>"$steady/tokens"
    done
    # None of the first two, which the Pursers are on.
    for node in rabbitmq3 rabbitmq2 rabbitmq; do urls+=("$url$node:5672/%2f"); done
    docker run --detach --label "$project" --name "$project-provider" --network "${project}_default" --volume "$steady:/steady" \
        "$project:steady" python3 /provider.py --directory /steady --tokens /steady/tokens --deposit "$DEPOSIT" \
        --rate "$BETS_A_SECOND" --nodes "${urls[@]}"
    within 60 test -s "$steady/replies"
    within 60 is_whole
}

provider_ends() {
    touch "$steady/stop"
    local status
    status="$(docker wait "$project-provider")"
    docker logs "$project-provider"
    docker logs "$project-provider" 2>/dev/null | grep -v WRONG >"$directory/note"
    sound
    [[ $status == 0 ]]
}

# The longest time from one answer to the next between two moments, and the longest wait for one that came in between.
silence() {
    awk -v from="$1" -v to="$2" '
        BEGIN { last = from }
        $1 >= from && $1 <= to { gap = $1 - last > gap ? $1 - last : gap; last = $1; slowest = $2 > slowest ? $2 : slowest }
        END { gap = to - last > gap ? to - last : gap
              printf "nothing answered for %.1f s, slowest answer %.1f s\n", gap / 1000, slowest / 1000 }' "$steady/replies"
}

nothing_waits() {
    local count oldest
    [[ $(docker inspect --format '{{.State.Running}}' "$project-provider") == true ]] || return
    read -r count oldest <"$steady/state"
    ((oldest < STALE_MS))
}

# fault WHAT: under the provider's load. Over once all nodes are well and all is answered; nothing may be wrong then.
fault() {
    local from
    from="$(now_ms)"
    "$@"
    within 240 is_whole
    # Something is answered, and nothing is left of what was sent meanwhile.
    within 300 nothing_waits
    silence "$from" "$(now_ms)" | tee "$directory/note"
    if [[ -s $steady/wrong ]]; then cat "$steady/wrong" && return 1; fi
    audited
}

# Where the machine leaves a cluster no time, its leader steps down again: such an audit is made again, one that finds something not.
audited() {
    local told
    for _ in 1 2 3 4 5; do
        if told="$(purser audit 2>&1)"; then return; fi
        printf '%s\n' "$told"
        [[ $told == *"the database is away"* ]] || return 1
        within 240 is_whole
    done
    return 1
}

# --- who is what -----------------------------------------------------------------------------

# Patroni's own word, asked at one node.
has_role() { in_container "$1" curl --fail --silent --max-time 2 --output /dev/null "http://127.0.0.1:8008/$2"; }
server_that_is() {
    local server
    for server in $SERVERS; do
        if has_role "$server" "$1"; then printf '%s\n' "$server" && return; fi
    done
    return 1
}
leader() { server_that_is leader; }
other_leads() {
    local now
    now="$(leader_beside "$1")" && printf 'now %s leads\n' "$now"
}
leader_beside() {
    local server
    for server in $(others "$SERVERS" "$1"); do
        if has_role "$server" leader; then printf '%s\n' "$server" && return; fi
    done
    return 1
}

servers_are_whole() {
    local members
    members="$(in_container postgres curl --fail --silent --max-time 2 http://127.0.0.1:8008/cluster)"
    [[ $(tr '}' '\n' <<<"$members" | grep -oE '"role": *"[a-z_]+", *"state": *"[a-z]+"' | tr -d ' ' | sort | tr '\n' ' ') == \
        '"role":"leader","state":"running" "role":"quorum_standby","state":"streaming" "role":"quorum_standby","state":"streaming" ' ]]
}

brokers_are_whole() {
    local broker
    for broker in $BROKERS; do
        [[ $(in_container "$broker" rabbitmqctl --silent eval 'length(rabbit_nodes:list_running()).') == 3 ]] || return 1
    done
}

serves() { in_container "$1" curl --fail --silent --max-time 3 --output /dev/null http://127.0.0.1:8080/readyz; }
serves_not() { ! serves "$1"; }

is_whole() { serves purser && serves purser2 && servers_are_whole && brokers_are_whole; }

# The node that a Purser is connected to: whose address is the other end of a socket.
broker_of() {
    local broker hex sockets
    sockets="$(in_container "$1" cat /proc/net/tcp)"
    for broker in $BROKERS; do
        # Bytes of an address are the other way round there.
        hex="$(address "$broker" | awk -F. '{ printf "%02X%02X%02X%02X:1628 01", $4, $3, $2, $1 }')"
        if grep -qF "$hex" <<<"$sockets"; then printf '%s\n' "$broker" && return; fi
    done
    return 1
}
is_on_another() {
    local now
    now="$(broker_of "$1")" && [[ $now != "$2" ]] && printf '%s is on %s now\n' "$1" "$now"
}

# --- cutting ---------------------------------------------------------------------------------

# In silence, as a switch does it that has failed: nobody is refused, nothing comes.
filter() {
    docker run --rm --label "$project" --network "container:$(container "$1")" --cap-drop ALL --cap-add NET_ADMIN \
        --cap-add NET_RAW "$project:steady" sh -c "$2"
}
cut_off() { filter "$1" 'iptables -A INPUT -i eth0 -j DROP && iptables -A OUTPUT -o eth0 -j DROP'; }
cut_from() {
    local node rules=true
    for node in "${@:2}"; do rules+=" && iptables -A INPUT -s $(address "$node") -j DROP && iptables -A OUTPUT -d $(address "$node") -j DROP"; done
    filter "$1" "$rules"
}
healed() { filter "$1" 'iptables -F INPUT && iptables -F OUTPUT'; }

# --- what happens to them --------------------------------------------------------------------

# By the engine's own `kill`, which it does not make good by itself.
lost() { docker kill --signal KILL "$(container "$1")"; }
back() { docker start "$(container "$1")"; }

leader_lost() {
    local was
    was="$(leader)"
    lost "$was"
    within 120 other_leads "$was"
    back "$was"
}

postmaster_killed() {
    in_container "$(leader)" bash -c 'kill -KILL "$(head -n 1 /var/lib/postgresql/data/pgdata/postmaster.pid)"'
    sleep 5
}

switched_over() {
    local was to
    was="$(leader)"
    to="$(server_that_is quorum)"
    in_container "$was" patronictl switchover purser --leader "$was" --candidate "$to" --force
    within 60 has_role "$to" leader
}

standby_frozen() {
    local standby
    standby="$(server_that_is quorum)"
    docker pause "$(container "$standby")"
    sleep "$AWAY_S"
    docker unpause "$(container "$standby")"
}

standby_cut() { cut_for "$AWAY_S" "$(server_that_is quorum)"; }
cut_for() {
    cut_off "$2"
    sleep "$1"
    healed "$2"
}

sql() { in_container "$1" psql --no-psqlrc --tuples-only --no-align --dbname purser --command "$2"; }
does_not_lead() { ! has_role "$1" leader; }

# A leader that nobody hears: it must say yes to nothing, and step down by itself.
leader_cut() {
    local was table
    was="$(leader)"
    table="minority_$(now_ms)"
    cut_off "$was"
    if timeout 15 docker exec "$(container "$was")" psql --no-psqlrc --dbname purser --command "CREATE TABLE $table ()"; then
        printf 'the leader that was cut off has acknowledged a commit\n'
        return 1
    fi
    within 60 other_leads "$was"
    within 60 does_not_lead "$was"
    healed "$was"
    within 240 is_whole
    local server
    for server in $SERVERS; do [[ $(sql "$server" "SELECT to_regclass('$table') IS NULL") == t ]] || return; done
}

purser_cut_from_database() {
    # shellcheck disable=SC2086  # the nodes are words
    cut_from purser $SERVERS
    within 60 serves_not purser
    sleep "$AWAY_S"
    serves_not purser
    serves purser2
    healed purser
    within 60 serves purser
}

# What it had taken goes to the other, who is not cut off.
purser_cut_and_stopped() {
    # shellcheck disable=SC2086  # the nodes are words
    cut_from purser $SERVERS
    within 60 serves_not purser
    docker stop --time 30 "$(container purser)"
    within 30 nothing_waits
    back purser
}

purser_cut_from_broker() {
    local was
    was="$(broker_of purser)"
    cut_from purser "$was"
    within 90 is_on_another purser "$was"
    healed purser
}

# Long enough for the others to give it up (net_ticktime is 20 s), and for itself to pause.
broker_cut() { cut_for 60 "$(broker_of purser)"; }
broker_lost() {
    local was
    was="$(broker_of purser)"
    lost "$was"
    sleep "$AWAY_S"
    back "$was"
}

purser_lost() {
    lost purser
    sleep 10
    back purser
}

store_lost() {
    lost etcd2
    sleep "$AWAY_S"
    back etcd2
}

# Patroni's leader steps down where it cannot write down that it leads.
stores_lost() {
    lost etcd2
    lost etcd3
    sleep "$AWAY_S"
    back etcd2
    back etcd3
}

standbys_lost() {
    local first second
    read -r first second <<<"$(others "$SERVERS" "$(leader)" | tr '\n' ' ')"
    lost "$first"
    lost "$second"
    within 60 serves_not purser
    within 60 serves_not purser2
    # It must not be told yes. Done it is, once there is a standby; so it is for none of the provider's players.
    if timeout 20 docker exec "$(container purser)" purser deposit --party demo --player alice --currency EUR --amount 1.00 --key none; then
        printf 'a deposit was acknowledged that no standby has\n'
        return 1
    fi
    back "$first"
    within 120 serves purser
    back "$second"
}

# --- upgrades, each kind one by one ----------------------------------------------------------

# Stopped in order, and a new container in its place with the same volume.
replaced() { compose up --detach --no-deps --force-recreate --wait --wait-timeout 180 "$1"; }
replaced_and_whole() {
    replaced "$1"
    within 240 is_whole
}

brokers_replaced() {
    local broker
    for broker in $BROKERS; do replaced_and_whole "$broker"; done
}

# The leader last, once it leads no more.
servers_replaced() {
    local was server
    was="$(leader)"
    for server in $(others "$SERVERS" "$was"); do replaced_and_whole "$server"; done
    switched_over
    within 240 is_whole
    replaced "$was"
}

stores_replaced() {
    local store
    for store in $STORES; do replaced_and_whole "$store"; done
}

pursers_replaced() {
    local one
    for one in $PURSERS; do
        docker stop --time 30 "$(container "$one")"
        [[ $(docker inspect --format '{{.State.ExitCode}}' "$(container "$one")") == 0 ]]
        replaced "$one"
    done
}

# --- all of it -------------------------------------------------------------------------------

readonly FAULTS="
leader_lost               the leader is lost, another leads, and it comes back
postmaster_killed         the leader's server process is killed
switched_over             a switchover
standby_frozen            a standby is frozen
standby_cut               a standby is cut off
leader_cut                the leader is cut off: it acknowledges nothing, and steps down
purser_cut_from_database  a Purser is cut off from the database
purser_cut_and_stopped    a Purser that is cut off from the database is stopped: the other answers what it had taken
purser_cut_from_broker    a Purser is cut off from its broker node
broker_cut                a broker node is cut off, a Purser's own
broker_lost               a broker node is lost, a Purser's own
purser_lost               a Purser is lost
store_lost                an etcd node is lost
stores_lost               two etcd nodes are lost: nobody leads
standbys_lost             no standby is left: nothing is acknowledged, nobody is ready"

readonly UPGRADES="
brokers_replaced          every broker node is replaced, one by one
servers_replaced          every server is replaced, the leader last, after a switchover
stores_replaced           every etcd node is replaced, one by one
pursers_replaced          each Purser is stopped in order and replaced"

# A line of one of the lists: what is done, then what is printed.
happens() {
    local what text
    read -r what text <<<"$1"
    step "$text" fault "$what"
}

each_in_turn() {
    local lines line
    mapfile -t lines <<<"$FAULTS$UPGRADES"
    for line in "${lines[@]}"; do
        if [[ -n $line ]]; then happens "$line"; fi
    done
}

# at_random MINUTES SEED
at_random() {
    local deadline=$((SECONDS + $1 * 60)) lines
    # Without the empty line that it begins with.
    mapfile -t lines <<<"${FAULTS:1}"
    RANDOM=$2
    while ((SECONDS < deadline)); do happens "${lines[RANDOM % ${#lines[@]}]}"; done
}

with_patroni() {
    step "the servers, the brokers and the Pursers are well, and a provider plays" provider_begins
    if [[ -n $minutes ]]; then at_random "$minutes" "$seed"; else each_in_turn; fi
    step "all is answered, alike, and the balances are what the answers say" provider_ends
}
