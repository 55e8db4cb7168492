#!/bin/bash
# pure.sh BUILD - what the pure libraries call: dk_*, a few mem* and str*, and nothing else
#
# No malloc, time, rand, open, getenv or qsort can hide in them. Not for builds with sanitizers, which call
# their own runtime.
set -u
build=$1
failed=0
# The compiler's own arithmetic for 128 bits, and what position-independent code needs.
runtime='__(div|mod|udiv|umod|udivmod|mul|ashl|ashr|lshr|popcount|clz|ctz)[a-z]*[dt]i[0-9]|_GLOBAL_OFFSET_TABLE_'
base="dk_.*|mem(cpy|move|set|cmp|chr)|bcmp|str(len|cmp|ncmp|chr)|$runtime"

# object file: what it alone may call besides
declare -A besides=(
    [err.c.o]='v?snprintf'      # texts of failures; nothing is decided by them
    [crc32c.c.o]='__cpu_(model|indicator_init|features2)' # which of two ways to the same number is faster
    [check.c.o]='abort'         # a broken invariant ends the process
)

for library in core/base/libdk_base.a schemas/libdk_event.a core/sched/libdk_sched.a; do
    if [ ! -e "$build/$library" ]; then
        echo "$build/$library is not there"
        failed=1
        continue
    fi
    while read -r object symbol; do
        echo "$library: $object calls $symbol"
        failed=1
    done < <(nm -A -u "$build/$library" | awk '{ n = split($1, part, ":"); print part[n-1], $NF }' |
        while read -r object symbol; do
            allowed="^($base|${besides[$object]:-dk_})\$"
            [[ $symbol =~ $allowed ]] || echo "$object $symbol"
        done)
done
[ $failed = 0 ] && echo "the pure libraries call nothing of the outside"
exit $failed
