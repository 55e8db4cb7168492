#!/bin/bash
# light.sh DOCKET - the client starts in about a millisecond: it loads nothing but libc, or nothing at all
set -u
needed=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p') || exit 1
for library in $needed; do
    case $library in
    libc.so.*) ;;
    *)
        echo "docket loads $library: move what needs it into docket-replay or docket-config"
        exit 1
        ;;
    esac
done
echo "docket loads ${needed:-nothing}"
