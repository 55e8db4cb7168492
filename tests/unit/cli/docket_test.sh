#!/bin/bash
# docket_test.sh DOCKET - what people type, what they see, and the exit status that scripts see
set -u
docket=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

# check NAME STATUS PATTERN COMMAND...: the exit status, and a pattern in what it says
check() {
    local name=$1 status=$2 pattern=$3 got
    shift 3
    "$@" >out 2>err
    got=$?
    if [ "$got" != "$status" ]; then
        echo "FAIL $name: exit status $got, not $status"
        sed 's/^/    /' err | head -5
        failed=1
    elif ! cat out err | grep -q -e "$pattern"; then
        echo "FAIL $name: does not say '$pattern' but"
        cat out err | sed 's/^/    /' | head -5
        failed=1
    else
        echo "ok   $name"
    fi
}

pipe() { bash -c 'set -o pipefail; "$@" | head -n 1' pipe "$@"; }

# usage
check "help lists the commands" 0 "audit verify" "$docket" help
check "no command is a usage error" 2 "commands:" "$docket"
check "a mistyped command is named with the one meant" 2 "did you mean 'replay'" "$docket" rpelay
check "a mistyped second word too" 2 "did you mean 'log cat'" "$docket" log cta x
check "a family lists its commands" 0 "docket log stat URI" "$docket" log --help
check "a mistyped option is named with the one meant" 2 "unknown option '--polcy'; did you mean '--policy'" \
    "$docket" replay x --polcy fcfs
check "a missing operand is named" 2 "TRACE is missing" "$docket" replay
check "version" 0 "decision logic 1" "$docket" version
for command in replay generate "log cat" "log stat" "log verify" "log export" "log import" "audit verify" \
    "audit checkpoint" "audit keygen" help version; do
    check "$command --help" 0 "usage: docket $command" "$docket" $command --help
done

# generate
check "generate" 0 "MaxProcs: 64" "$docket" generate --jobs 500 --procs 64 --seed 3 --load 90
mv out trace.swf
check "the same seed gives the same trace" 0 "MaxProcs" "$docket" generate --jobs 500 --procs 64 --seed 3 --load 90
cmp -s out trace.swf || { echo "FAIL the same seed gives the same trace"; failed=1; }
check "another seed another" 0 "MaxProcs" "$docket" generate --jobs 500 --procs 64 --seed 4 --load 90
cmp -s out trace.swf && { echo "FAIL another seed another"; failed=1; }
check "a full device is said" 4 "No space left" "$docket" generate --jobs 10 --output /dev/full
check "a full standard output too" 4 "standard output cannot be written" \
    bash -c '"$1" generate --jobs 20000 >/dev/full' x "$docket"
check "a reader that leaves is no error" 0 "Version" pipe "$docket" generate --jobs 50000

# replay
check "replay" 0 "jobs         500, left out: none" "$docket" replay trace.swf
check "replay --json" 0 '"jobs": 500' "$docket" replay trace.swf --json
check "replay - reads standard input" 0 "jobs         500" bash -c '"$1" replay - <trace.swf' x "$docket"
check "replay --compare" 0 "^sjf     none" "$docket" replay trace.swf --compare fcfs:easy,sjf:none,f1
check "replay --compare --json" 0 '^ *{"trace": "trace.swf", "policy": "sjf"' \
    "$docket" replay trace.swf --compare fcfs,sjf --json
check "replay --starts" 0 "" "$docket" replay trace.swf --starts starts.csv
[ "$(head -n 1 starts.csv)" = "job,start,end" ] && [ "$(wc -l <starts.csv)" = 501 ] ||
    { echo "FAIL replay --starts: header and a line for each job"; failed=1; }
check "starts that cannot be written are said" 4 "No space left" "$docket" replay trace.swf --starts /dev/full
check "a comparison takes no --log" 2 "compare runs several" "$docket" replay trace.swf --compare fcfs --log file:x
check "half a machine is refused" 2 "go together" "$docket" replay trace.swf --nodes 4
check "two machines are refused" 2 "says the same" "$docket" replay trace.swf --nodes 4 --cores-per-node 4 --procs 3
check "jobs larger than the machine are left out" 0 "too_large" "$docket" replay trace.swf --procs 16
echo "1 2 3 x 5" >bad.swf
check "a malformed line is named" 3 "trace 'bad.swf' line 1: field 4 'x' is not a number" "$docket" replay bad.swf
gzip -c trace.swf | head -c 2000 >cut.swf.gz
check "a truncated gzip is said" 3 "cut short" "$docket" replay cut.swf.gz
check "a missing trace is said" 3 "No such file" "$docket" replay no.swf
check "a trace without a size names the option" 3 "--procs" bash -c 'echo "1 2 3 4 5" | "$1" replay -' x "$docket"

# logs
check "replay --log" 0 "jobs         500" "$docket" replay trace.swf --log "file:$work/log"
check "a log is not written over" 3 "not empty" "$docket" replay trace.swf --log "file:$work/log"
check "log stat" 0 "^JobPlaced *500" "$docket" log stat "file:$work/log"
check "log stat --json" 0 '"JobSubmitted": 500' "$docket" log stat "file:$work/log" --json
check "log cat" 0 "JobSubmitted" "$docket" log cat "file:$work/log"
check "log cat --type" 0 "JobEnded" "$docket" log cat "file:$work/log" --type JobEnded
[ "$(wc -l <out)" = 500 ] || { echo "FAIL log cat --type: 500 lines"; failed=1; }
check "log cat --from --to" 0 '"seq": \?3' "$docket" log cat "file:$work/log" --from 3 --to 4
[ "$(wc -l <out)" = 2 ] || { echo "FAIL log cat --from --to: 2 lines"; failed=1; }
check "an unknown type is named with the one meant" 2 "did you mean 'JobPlaced'" \
    "$docket" log cat "file:$work/log" --type JobPlace
check "log cat into a reader that leaves" 0 "" pipe "$docket" log cat "file:$work/log"
check "log verify" 0 "good" "$docket" log verify "file:$work/log"
check "audit verify" 0 "decided again and the same" "$docket" audit verify "file:$work/log"
check "audit verify --json" 0 '"ok": true' "$docket" audit verify "file:$work/log" --json
check "a log that is not there is said" 3 "no" "$docket" audit verify "file:$work/nothing"
# exports: the whole story is tests/e2e/exchange_test.py
check "log export" 0 "bytes an event" "$docket" log export "file:$work/log" --output log.avro
check "log export needs --output" 2 "output is required" "$docket" log export "file:$work/log"
check "log export of nothing" 3 "no" "$docket" log export "file:$work/nothing" --output no.avro
check "log import" 0 "as it was exported" "$docket" log import log.avro --log "file:$work/imported"
cmp -s <("$docket" log cat "file:$work/log") <("$docket" log cat "file:$work/imported") ||
    { echo "FAIL an imported log has the same events"; failed=1; }
check "a log in memory is not imported into" 2 "would end with" "$docket" log import log.avro --log memory:x
check "an export is replayed as its log is" 0 "jobs *500" "$docket" replay log.avro
check "a piece is not" 0 "seq 30 to" "$docket" log export "file:$work/log" --output piece.avro --from 30
check "and says so" 3 "all of it is needed" "$docket" replay piece.avro
check "verify wants a key for a checkpoint" 2 "needs --public-key" "$docket" audit verify "file:$work/log" --checkpoint x

for segment in log/*.seg; do
    printf '\377' | dd of="$segment" bs=1 seek=20000 conv=notrunc status=none
done
check "a flipped byte is found by log verify" 5 "seq" "$docket" log verify "file:$work/log"
check "and by audit verify" 5 "seq" "$docket" audit verify "file:$work/log"

exit $failed
