#!/bin/bash
# docs_test.sh DOCKET - help, manual pages and completion say the same, because one table makes them
set -u
docket=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain() {
    echo "FAIL $1"
    failed=1
}

"$docket" man --output "$work" || complain "man --output fails"
"$docket" completion bash >"$work/bash" || complain "completion bash fails"
"$docket" completion zsh >"$work/zsh" || complain "completion zsh fails"
bash -n "$work/bash" || complain "bash does not read its completion"
if command -v zsh >/dev/null; then
    zsh -n "$work/zsh" || complain "zsh does not read its completion"
fi

commands=$("$docket" help | sed -n '/^commands:/,/^exit status:/p' | sed -nE 's/^  ([a-z]+( [a-z]+)?) .*/\1/p')
[ "$(wc -l <<<"$commands")" -gt 25 ] || complain "help lists too few commands"
while IFS= read -r command; do
    page=$work/docket-${command// /-}.1
    # shellcheck disable=SC2086
    help=$("$docket" $command --help | sed '/^Refused:/,$d') # sbatch's options that docket has not
    grep -qi "^usage: docket $command" <<<"$help" || complain "$command --help has no usage"
    [ -s "$page" ] || complain "$command has no manual page"
    grep -q "^.B docket $command\$" "$page" || complain "$page is not of $command"
    grep -qF "'$command')" "$work/bash" || complain "bash does not complete $command"
    grep -qE "^    '$command'('.*)?\)" "$work/zsh" || complain "zsh does not complete $command"
    for option in $(sed -nE 's/^ +(-[a-zA-Z], )?(--[a-z-]+).*/\2/p' <<<"$help"); do
        grep -qF -- ".B ${option//-/\\-}" "$page" || complain "$command $option is not in its manual page"
        sed -n "/^    '$command') words=/p" "$work/bash" | grep -qF -- "$option " ||
            complain "bash does not complete $command $option"
        sed -nE "/^    '$command'('.*)?\)/,/;;/p" "$work/zsh" | grep -qE -- "'$option(=|\[)" ||
            complain "zsh does not complete $command $option"
    done
    for option in $(sed -nE 's/^\.B (\\-\\-[a-z\\-]+).*/\1/p' "$page"); do
        grep -qE -- "^ +(-[a-zA-Z], )?${option//\\/}([ =]|\[|\$)" <<<"$help" || complain "$page has $option, which $command has not"
    done
    grep -q "^.B $command\$" "$work/docket.1" || complain "docket.1 does not list $command"
done <<<"$commands"
if command -v groff >/dev/null; then
    warnings=$(groff -man -ww -z -Tutf8 "$work"/*.1 2>&1)
    [ -z "$warnings" ] || complain "groff: $warnings"
fi

# What bash offers, asked as bash asks.
complete_words() {
    # shellcheck disable=SC2016
    bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _docket; echo "${COMPREPLY[*]}"' x "$work/bash" "$@"
}
[ "$(complete_words docket can)" = cancel ] || complain "bash: docket can<Tab> is '$(complete_words docket can)'"
case " $(complete_words docket log '') " in *" follow "*) ;; *) complain "bash: docket log <Tab> has no follow" ;; esac
[ "$(complete_words docket queue --color al)" = always ] || complain "bash: queue --color al<Tab>"
case " $(complete_words docket log cat --sk) " in *" --skip-gaps "*) ;; *) complain "bash: docket log cat --sk<Tab>" ;; esac
# And zsh, with its own functions replaced by ones that say what they were given.
if command -v zsh >/dev/null; then
    offered=$(zsh -fc '_describe() { print -l ${(P)@[-1]} }; _arguments() { print -l -- "$@" }
        words=(docket "" ""); CURRENT=2; . "$1"; words=(docket log ""); CURRENT=3; _docket
        words=(docket config apply ""); CURRENT=4; _docket; words=(docket queue ""); CURRENT=3; _docket' x "$work/zsh" 2>&1)
    for word in cancel:Ask 'log:' follow:Print '--dry-run\[' '--state='; do
        grep -q -- "^$word" <<<"$offered" || complain "zsh does not offer $word"
    done
fi
[ $failed = 0 ] && echo "$(wc -l <<<"$commands") commands: help, manual pages and completion agree"
exit $failed
