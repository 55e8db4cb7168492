#!/bin/bash
# bench_replay.sh DOCKET [ROUNDS] - jobs a second that replays of the real traces reach: lowest, median, highest
#
# Reading the trace is not in the figures. Rounds go through all rows in turn, so that a slow spell of the
# machine hits all alike. Traces: DOCKET_TRACES, or ../shared/traces.
set -u
docket=$1 rounds=${2:-11}
traces=${DOCKET_TRACES:-$(dirname "$0")/../../../shared/traces}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rows=(
    "KTH-SP2-1996-2.1-cln fcfs easy"
    "HPC2N-2002-2.1-cln fcfs easy"
    "CEA-Curie-2011-2.1-cln fcfs easy"
    "KTH-SP2-1996-2.1-cln fcfs easy log"
    "HPC2N-2002-2.1-cln fcfs easy log"
    "CEA-Curie-2011-2.1-cln fcfs easy log"
)
slow=("CEA-Curie-2011-2.1-cln fcfs conservative" "CEA-Curie-2011-2.1-cln fcfs conservative-keep")

once() { # TRACE POLICY BACKFILL [log]
    local log=()
    rm -rf "$work/log"
    [ "${4:-}" = log ] && log=(--log "file:$work/log")
    "$docket" replay "$traces/$1.swf.gz" --policy "$2" --backfill "$3" "${log[@]}" --json |
        grep -o '"jobs_per_second": [0-9]*' | tr -dc '0-9\n' >>"$work/$1.$2.$3.${4:-}"
}

for ((round = 0; round < rounds; round++)); do
    for row in "${rows[@]}"; do
        # shellcheck disable=SC2086
        once $row
    done
done
for row in "${slow[@]}"; do
    for round in 1 2 3; do
        # shellcheck disable=SC2086
        once $row
    done
done
for row in "${rows[@]}" "${slow[@]}"; do
    read -r trace policy backfill log <<<"$row"
    sort -n "$work/$trace.$policy.$backfill.$log" | awk -v row="$row" '
        { v[NR] = $1 } END { printf "%-48s %9d %9d %9d jobs/s\n", row, v[1], v[int((NR + 1) / 2)], v[NR] }'
done
