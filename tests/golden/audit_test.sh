#!/bin/bash
# audit_test.sh DOCKET AUDIT_LOG - what replays decide stands before an auditor that shares no code with the core
#
# A generated workload always; the real traces where they are (DOCKET_TRACES, or ../shared/traces).
set -u
docket=$1 audit=$2
traces=${DOCKET_TRACES:-$(dirname "$0")/../../../shared/traces}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 count=0

# The auditor keeps small books: few nodes of many cores. Where cores lie does not change a start.
check() { # TRACE NODES CORES POLICY BACKFILL [WATCH]
    local trace=$1 machine=(--nodes "$2" --cores-per-node "$3")
    shift 2
    rm -rf "$work/log"
    "$docket" replay "$trace" "${machine[@]}" --policy "$2" --backfill "$3" --log "file:$work/log" >"$work/out" ||
        { cat "$work/out"; failed=1; }
    # shellcheck disable=SC2086
    if ! "$audit" "file:$work/log" ${4:+$2 $3} >"$work/out"; then
        echo "$(basename "$trace") $2:$3: $(cat "$work/out")"
        failed=1
    fi
    count=$((count + 1))
}

"$docket" generate --jobs 3000 --procs 128 --seed 11 --load 95 --output "$work/trace.swf" || exit 1
machines=("$work/trace.swf 8 16" "$traces/lublin_256.swf.gz 4 64" "$traces/KTH-SP2-1996-2.1-cln.swf.gz 10 10")
for machine in "${machines[@]}"; do
    read -r trace nodes cores <<<"$machine"
    [ -e "$trace" ] || { echo "no $trace: left out"; continue; }
    for policy in fcfs sjf; do
        check "$trace" "$nodes" "$cores" $policy none watch
        check "$trace" "$nodes" "$cores" $policy easy watch
    done
    check "$trace" "$nodes" "$cores" wfp3 easy
    check "$trace" "$nodes" "$cores" f1 easy
    check "$trace" "$nodes" "$cores" fcfs conservative
    check "$trace" "$nodes" "$cores" fcfs conservative-keep
done
# The large ones: all rules but the order of the queue, which the auditor finds out by going through it.
machines=("$traces/HPC2N-2002-2.1-cln.swf.gz 10 24" "$traces/CEA-Curie-2011-2.1-cln.swf.gz 54 1728")
for machine in "${machines[@]}"; do
    read -r trace nodes cores <<<"$machine"
    [ -e "$trace" ] || { echo "no $trace: left out"; continue; }
    check "$trace" "$nodes" "$cores" fcfs easy
    check "$trace" "$nodes" "$cores" f1 easy
done
[ $failed = 0 ] && echo "$count replays: nothing to object to"
exit $failed
