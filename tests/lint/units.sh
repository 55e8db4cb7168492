#!/bin/bash
# units.sh - the systemd units are accepted by systemd, and run only commands that there are
#
#   units.sh DOCKETD
set -u
docketd=$1
cd "$(dirname "$0")/../../cli/systemd" || exit 1
failed=0
for unit in *.service; do
    command=$(sed -n 's,^ExecStart=/usr/bin/docketd \([a-z]*\) .*,\1,p' "$unit")
    if ! "$docketd" help | grep -q "^  $command "; then
        echo "$unit runs 'docketd $command', which is not a command"
        failed=1
    fi
done
if command -v systemd-analyze >/dev/null; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    for unit in *.service; do
        sed "s,/usr/bin/docketd,$docketd," "$unit" >"$work/${unit/@/@n1}"
    done
    # It looks for the units of the whole system too, which need not be here; ours are named.
    found=$(systemd-analyze verify --man=no "$work"/*.service 2>&1 | grep -E 'docket' |
        grep -vE 'docket-[a-z]*\.service (not found|is missing)|Failed to (load|find)')
    if [ -n "$found" ]; then
        echo "$found"
        failed=1
    fi
fi
[ $failed = 0 ] && echo "the units are fine"
exit $failed
