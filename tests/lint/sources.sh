#!/bin/bash
# sources.sh - what a small test over the sources can say: no machine's paths, no overlong files,
# and every script parses
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0

complain() {
    echo "$1"
    failed=1
}

mapfile -t files < <(find core cli replay schemas tests projections nodes -type f \
    ! -path '*/__pycache__/*' ! -path '*/corpus/*' 2>/dev/null | sort)
mapfile -t c_files < <(printf '%s\n' "${files[@]}" | grep '\.[ch]$')

# Paths of somebody's machine. /tmp, /dev, /proc and the like exist everywhere.
if grep -nE '(^|[^A-Za-z0-9_.$}])/(home|root|work|Users|opt|mnt|srv)/' "${c_files[@]}" \
    $(printf '%s\n' "${files[@]}" | grep -E '\.(sh|py|txt|json|md|avsc)$|/(check|demo)$') |
    grep -vE '^tests/lint/sources.sh:|/home/ada/'; then # Ada is made up
    complain "a path of one machine stands in the sources"
fi
for file in "${c_files[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 1000 ] || complain "$file has $lines lines: which noun should leave?"
done
for file in "${files[@]}" .ci/run; do
    head -c 20 "$file" 2>/dev/null | head -n 1 | grep -qaE '^#!.*(bash|/sh)' || continue
    bash -n "$file" || complain "$file does not parse"
done
[ $failed = 0 ] && echo "${#files[@]} files are in order"
exit $failed
