#!/bin/bash
# mutate.sh SCRIPT SOURCE TARGET - the source as the sed script changes it; a script that changes nothing is an error
set -eu
mkdir -p "$(dirname "$3")"
sed -f "$1" "$2" >"$3"
if cmp -s "$2" "$3"; then
    rm "$3"
    echo "$1 changes nothing of $2: the line it is for has changed" >&2
    exit 1
fi
