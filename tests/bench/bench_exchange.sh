#!/bin/bash
# bench_exchange.sh DOCKET [JOBS] - a large log signed, verified, exported and imported
#
# Prints elapsed time, CPU time, events/s (elapsed), MB/s of events as they are in the log, and the most memory.
# Everything is in the system's cache: what is measured is docket. TMPDIR says where (1 GB for 1,000,000 jobs).
set -eu
docket=$(realpath "$1")
jobs=${2:-1000000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$docket" generate --jobs "$jobs" --procs 1024 --load 90 --output t.swf
"$docket" replay t.swf --log file:log >/dev/null
"$docket" audit keygen key >/dev/null
events=$("$docket" log stat file:log --json | sed 's/.*"events": \([0-9]*\).*/\1/')

measure() { # NAME COMMAND...
    local name=$1 line
    shift
    line=$(command time -f '%e %U %S %M' "$@" 2>&1 >out | tail -n 1)
    awk -v name="$name" -v events="$events" -v bytes="$bytes" '{
        printf "%-28s %6.2f s, cpu %6.2f s, %9.0f events/s, %5.0f MB/s, %4.0f MiB\n",
            name, $1, $2 + $3, events / $1, bytes / $1 / 1e6, $4 / 1024 }' <<<"$line"
}

bytes=0
"$docket" log export file:log --output all.avro --codec null --json >about
bytes=$(sed 's/.*"bytes": \([0-9]*\),.*/\1/' about)
echo "$events events, $bytes bytes, $(sed 's/.*"batches": \([0-9]*\).*/\1/' about) batches"
measure 'checkpoint, whole log' "$docket" audit checkpoint file:log --key key --output ckpt
measure 'checkpoint, nothing new' "$docket" audit checkpoint file:log --key key --output ckpt
measure 'log verify' "$docket" log verify file:log
measure 'log verify --checkpoint' "$docket" log verify file:log --checkpoint ckpt --public-key key.pub
measure 'audit verify --checkpoint' "$docket" audit verify file:log --checkpoint ckpt --public-key key.pub
for codec in null deflate zstandard; do
    measure "export, $codec" "$docket" log export file:log --output $codec.avro --codec $codec
    echo "    $(awk -v size="$(stat -c %s $codec.avro)" -v events="$events" 'BEGIN { printf "%.1f", size / events }') bytes an event"
    measure "import, $codec" "$docket" log import $codec.avro --log file:to
    cmp <("$docket" log cat file:log) <("$docket" log cat file:to)
    rm -r to
done
