#!/bin/bash
# format.sh - clang-format leaves every C file as it is
set -u
cd "$(dirname "$0")/../.." || exit 1
if ! command -v clang-format >/dev/null; then
    echo "skipped: clang-format is not installed"
    exit 77
fi
mapfile -t files < <(find core cli replay schemas tests projections nodes -name '*.[ch]' 2>/dev/null | sort)
mapfile -t wrong < <(clang-format --dry-run -Werror "${files[@]}" 2>&1 |
    sed -nE 's/^([^ :]+):[0-9]+:[0-9]+: error: .*/\1/p' | sort -u)
if [ ${#wrong[@]} -gt 0 ]; then
    echo "clang-format -i ${wrong[*]}"
    exit 1
fi
echo "clang-format leaves ${#files[@]} files as they are"
