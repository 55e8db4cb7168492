#!/bin/bash
# nofloat.sh BUILD - the pure code compiles where there are no floating point registers
#
# gcc refuses every float and double under -mgeneral-regs-only, also one that came by a constant or a cast.
set -u
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.." || exit 1
failed=0 count=0
events=$build/schemas
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() { # FILE OPTION...
    local file=$1
    shift
    count=$((count + 1))
    gcc -std=c17 -O1 -mgeneral-regs-only -D_POSIX_C_SOURCE=200809L -DXXH_VECTOR=0 -I. -Icore -I"$events" \
        "$@" -c "$file" -o "$work/object.o" 2>"$work/errors" && return
    echo "$file:"
    grep -m 3 -i error "$work/errors"
    failed=1
}

if [ "$(uname -m)" != x86_64 ] && [ "$(uname -m)" != aarch64 ]; then
    echo "skipped: -mgeneral-regs-only is not for $(uname -m)"
    exit 77
fi
for file in core/base/*.c core/event/*.c core/sched/*.c "$events"/event/*.c; do
    case $file in
    core/base/crc32c.c) check "$file" -msse4.2 ;; # its instructions work on general registers
    *) check "$file" ;;
    esac
done
# The word itself may not stand there either, outside of comments.
grep -nE '\b(float|double)\b' core/base/*.[ch] core/event/*.[ch] core/sched/*.[ch] |
    grep -vE '^[^:]*:[0-9]+: *(/?\*|//)|banned\.h|/\*.*\b(float|double)' && failed=1
[ $failed = 0 ] && echo "$count files compile without floating point"
exit $failed
