#!/bin/bash
# docs.sh DOCKET - what the README says of commands and exit statuses is what docket prints
#
# Help is printed from the tables that parse, so help is right by construction; this holds the README to it:
# every `docket COMMAND` that a README shows exists, with each --option shown, and the exit statuses agree.
set -u
docket=$1
cd "$(dirname "$0")/../.." || exit 1
failed=0

complain() {
    echo "$1"
    failed=1
}

help=$("$docket" help)
commands=$(sed -n '/^commands:/,/^exit status:/p' <<<"$help" | sed -nE 's/^  ([a-z]+( [a-z]+)?) .*/\1/p')
[ -n "$commands" ] || complain "docket help prints no commands"
pages=(README.md cli/README.md replay/README.md tests/README.md)

while IFS= read -r command; do
    # shellcheck disable=SC2086
    "$docket" $command --help >/dev/null || complain "docket $command has no help"
done <<<"$commands"

for page in "${pages[@]}"; do
    [ -e "$page" ] || continue
    while read -r line; do
        words=$(grep -oE 'docket [a-z]+( [a-z]+)?' <<<"$line" | head -n 1 | cut -d' ' -f2-)
        first=${words%% *}
        case $first in help | version) continue ;; esac
        command=$(grep -xE "$first|$words" <<<"$commands" | head -n 1)
        if [ -z "$command" ]; then
            complain "$page shows 'docket $words', which docket does not know"
            continue
        fi
        # shellcheck disable=SC2086
        options=$("$docket" $command --help)
        for option in $(grep -oE -- ' --[a-z-]+' <<<"$line"); do
            grep -qE -- "(^| )$option( |\$)" <<<"$options" ||
                complain "$page shows 'docket $command $option', which it does not have"
        done
    done < <(grep -hoE '(^|[`$ /])docket [a-z]+[^`|;]*' "$page" | grep -E '^.?docket (replay|generate|log|audit) ?[^`]*' |
        grep -vE '^.?docket (log|audit) *$')
done

statuses=$(sed -n '/^exit status:/,/^$/p' <<<"$help" | grep -oE '^ +[0-9]+' | tr -d ' ' | sort -n | tr '\n' ' ')
if [ -e README.md ] && grep -qi 'exit status' README.md; then
    for status in $statuses; do
        grep -qE "(^|[^0-9])$status([^0-9]|\$)" README.md || complain "README.md does not mention exit status $status"
    done
fi
[ $failed = 0 ] && echo "documents show what docket has: $(wc -l <<<"$commands") commands, exit statuses $statuses"
exit $failed
