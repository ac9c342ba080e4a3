#!/usr/bin/env bash
# Runs every fuzz target for $1 seconds each, from its seed corpus. One line a target; exit code 1 where one found a fault.
set -u
cd "$(dirname "$0")/.."
seconds=${1:-60}
make -s -j"$(nproc)" VARIANT=fuzz fuzzers || exit 3
failed=0
for target in $(make -s VARIANT=fuzz list-fuzzers); do
    name=$(basename "$target" _fuzz)
    work=build/fuzz/runs/$name
    mkdir -p "$work/corpus" "test/corpus/$name"
    dictionary=""
    [ -f "test/corpus/$name.dict" ] && dictionary="-dict=test/corpus/$name.dict"
    if "$target" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -print_final_stats=0 -artifact_prefix="$work/" $dictionary \
        "$work/corpus" "test/corpus/$name" >"$work/log" 2>&1; then
        echo "ok fuzz $name: $(grep -oE '^#[0-9]+' "$work/log" | tail -1 | tr -d '#') runs"
    else
        echo "FAILED fuzz $name: $(grep -m1 -E 'ERROR|SUMMARY' "$work/log")"
        tail -40 "$work/log"
        failed=1
    fi
done
exit $failed
