#!/bin/bash
# compare_test.sh DOCKET - replays side by side in threads find what each finds alone
set -u
docket=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

"$docket" generate --jobs 1500 --procs 128 --seed 7 --load 95 --output "$work/trace.swf" || exit 1
list=fcfs:none,fcfs:easy,fcfs:conservative,sjf:easy,wfp3:easy,f1:easy
"$docket" replay "$work/trace.swf" --compare $list --jobs-parallel 4 --json >"$work/together" || exit 1
grep -o '"sha256": *"[0-9a-f]*"' "$work/together" | sort >"$work/together.sums"
for pair in ${list//,/ }; do
    "$docket" replay "$work/trace.swf" --policy "${pair%:*}" --backfill "${pair#*:}" --json ||
        failed=1
done | grep -o '"sha256": *"[0-9a-f]*"' | sort >"$work/alone.sums"
[ "$(wc -l <"$work/alone.sums")" = 6 ] || { echo "not every replay says its sha256"; failed=1; }
diff "$work/alone.sums" "$work/together.sums" || { echo "together they differ from alone"; failed=1; }
[ $failed = 0 ] && echo "six replays in threads find what each finds alone"
exit $failed
