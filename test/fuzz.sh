#!/usr/bin/env bash
# Runs every fuzz target for $1 seconds each, from its seed corpus, one for each processor at a time. One line a target; exit code 1
# where one found a fault.
set -u
cd "$(dirname "$0")/.."
export SECONDS_EACH=${1:-60}
make -s -j"$(nproc)" VARIANT=fuzz fuzzers || exit 3

fuzz() {
    name=$(basename "$1" _fuzz)
    work=build/fuzz/runs/$name
    mkdir -p "$work/corpus" "test/corpus/$name"
    dictionary=""
    [ -f "test/corpus/$name.dict" ] && dictionary="-dict=test/corpus/$name.dict"
    if "$1" -max_total_time="$SECONDS_EACH" -rss_limit_mb=4096 -timeout=20 -print_final_stats=0 -artifact_prefix="$work/" $dictionary \
        "$work/corpus" "test/corpus/$name" >"$work/log" 2>&1; then
        echo "ok fuzz $name: $(grep -oE '^#[0-9]+' "$work/log" | tail -1 | tr -d '#') runs"
    else
        printf '%s\n' "FAILED fuzz $name: $(grep -m1 -E 'ERROR|SUMMARY' "$work/log")
$(tail -40 "$work/log")"
        return 1
    fi
}
export -f fuzz
make -s VARIANT=fuzz list-fuzzers | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}' || exit 1
