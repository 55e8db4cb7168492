#!/bin/bash
# layers.sh - every #include goes along an arrow, and heavy headers stay inside their adapter files
#
# `a: b c` reads "files of a may include headers of b and c" (and their own).
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0

declare -A may=(
    [core/base]=""
    [core/event]="base"
    [core/sched]="event base"
    [core/log]="base"
    [core/secret]="log base"
    [core/batch]="sched event log base"
    [core/net]="event base"
    [core/controller]="net secret batch sched event log base"
    [replay]="batch sched event log base"
    [projections]="controller net secret event log base"
    [nodes]="net event base"
    [cli]="controller projections nodes net secret replay batch sched event log base"
)
# Views never know the core; the answers about why are its own words.
declare -A also=(
    [projections/explain.c]="sched"
    [projections/explain_decision.c]="sched"
    [projections/explain_list.c]="sched"
    [projections/explain_parts.h]="sched"
    [projections/explain_forecast.c]="sched"
)
# A header of the outside world, and the only files that may include it.
declare -A only=(
    [zstd.h]="core/log/*.c core/batch/pack.c replay/input.c"
    [librdkafka/*]="core/log/kafka*" # their kafka.h included: it is of the adapter, and theirs alone
    [zlib.h]="core/batch/pack.c replay/input.c"
    [openssl/*]="core/base/sha256.c"
    [sodium.h]="core/secret/*.c"
    [xxhash.h]="core/sched/hash.*"
    [microhttpd.h]="core/net/http*" # http_loop.h is of http.c alone
    [jansson.h]="core/net/request_json.c cli/*.c"
    [rocksdb/*]="projections/store_rocksdb.c"
    [munge.h]="core/net/munge.c"
    [hwloc.h]="nodes/shape.c nodes/bind.c"
    [yaml.h]="cli/config_yaml.c"
    [math.h]="replay/*.c"
    [pthread.h]="core/log/*.c core/secret/*.c core/net/*.c core/controller/*.c projections/* nodes/*.c cli/*.c"
)
# In the pure folders nothing of the system but these.
pure='^(stdbool|stddef|stdint|string|stdarg|limits|xxhash|nmmintrin)\.h$'

complain() {
    echo "$1"
    failed=1
}

check_ours() { # FILE FOLDER HEADER
    local first=${3%%/*} own=${2##*/}

    [ "$first" = "$own" ] && return
    case " ${may[$2]} ${also[$1]:-} " in
    *" $first "*) ;;
    *) complain "$1: $2 must not know \"$3\" (may: ${may[$2]:-nothing})" ;;
    esac
}

check_system() { # FILE FOLDER HEADER
    local header pattern

    case $2 in
    core/base | core/event | core/sched)
        # heap.c and sha256.c are edges; check.c ends the process; err.c formats texts.
        case $1:$3 in
        core/base/heap.c:* | core/base/sha256.c:openssl/sha.h | core/base/check.c:stdlib.h | core/base/err.c:stdio.h) ;;
        *) [[ $3 =~ $pure ]] || complain "$1: a pure folder must not know <$3>" ;;
        esac
        ;;
    esac
    for header in "${!only[@]}"; do
        # shellcheck disable=SC2053
        [[ $3 == $header ]] || continue
        for pattern in ${only[$header]}; do
            # shellcheck disable=SC2053
            [[ $1 == $pattern ]] && continue 2
        done
        complain "$1: <$3> belongs into ${only[$header]}"
    done
}

set -f # the patterns above are not file names
for folder in "${!may[@]}"; do
    while IFS= read -r file; do
        while read -r _ header; do
            case $header in
            \"*) header=${header#\"} && check_ours "$file" "$folder" "${header%%\"*}" ;;
            \<*) header=${header#<} && check_system "$file" "$folder" "${header%%>*}" ;;
            esac
        done < <(grep -hE '^ *#include' "$file")
    done < <(find "$folder" -name '*.[ch]' | sort)
done
[ $failed = 0 ] && echo "every #include goes along an arrow"
exit $failed
