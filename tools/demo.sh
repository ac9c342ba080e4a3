#!/usr/bin/env bash
# The demonstration of `./dev run`: starts Tocsin on loopback, then plays a small service under attack through its front door.
# Ends cleanly on Ctrl-C, or on SIGTERM to this script alone.
set -u
cd "$(dirname "$0")/.."
data=${TOCSIN_DATA:-build/demo-data}
listen=${TOCSIN_LISTEN:-127.0.0.1:9797}
url=http://$listen

server=""
stop() {
    trap '' INT TERM
    [ -n "$server" ] && kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null
    exit "${1:-0}"
}
trap 'stop 0' INT TERM

build/tocsin run --data "$data" --listen "$listen" &
server=$!
for _ in $(seq 100); do
    curl -fs "$url/-/ready" >/dev/null 2>&1 && break
    kill -0 "$server" 2>/dev/null || { wait "$server"; exit 3; }
    sleep 0.1
done

cat <<END

  Tocsin is running.
    page     $url/
    alerts   build/tocsin alerts list
    send     curl -H 'Content-Type: application/json' $url/v1/events -d '{"event_type":"login_failed","source.ip":"203.0.113.50","user.name":"you"}'
             (six of these within five minutes are a brute force)

  A small service under attack is being played now; its alerts appear here and on the page. Ctrl-C stops everything.

END

# One JSON event: type, address, user.
event() { printf '{"@timestamp":"%s","service.name":"shop","event_type":"%s","source.ip":"%s","user.name":"%s"}\n' "$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)" "$1" "$2" "$3"; }

post() { curl -s -o /dev/null -H 'Content-Type: application/x-ndjson' --data-binary @- "$url/v1/events"; }

users=(alice bob carol dave erin frank grace heidi ivan judy mallory niaj)
n=0
while kill -0 "$server" 2>/dev/null; do
    n=$((n + 1))
    {
        for i in 1 2 3; do event login_success "192.0.2.$((RANDOM % 200 + 1))" "${users[RANDOM % 12]}"; done
        [ $((n % 5)) = 0 ] && event login_failed "192.0.2.$((RANDOM % 200 + 1))" "${users[RANDOM % 12]}"
        # from the third second on, one address tries passwords
        if [ $((n % 60)) -ge 3 ] && [ $((n % 60)) -le 14 ]; then event login_failed 203.0.113.66 admin; fi
        # then accounts lock, one after another
        if [ $((n % 60)) -ge 8 ] && [ $((n % 60)) -le 19 ]; then event account_locked 203.0.113.66 "${users[n % 12]}"; fi
        [ $((n % 60)) = 22 ] && event lockout_attempt_while_locked 203.0.113.66 alice
        :
    } | post
    # a sleep that a signal can end at once
    sleep 1 &
    wait $!
done
wait "$server"
