#!/bin/bash
# repeats.sh DOCKET_SIM [OTHER] - the same seeds end in the same digests, in whatever order and beside whatever else
# they run; with OTHER, the simulator of another build, in that one too
set -u
seeds=1-60
once=$("$1" --seeds $seeds --jobs 1 --digest | grep digest)
again=$("${2:-$1}" --seeds $seeds --jobs 3 --digest | grep digest | sort -t ' ' -k 2n)
once=$(sort -t ' ' -k 2n <<<"$once")
if [ "$once" != "$again" ] || [ -z "$once" ]; then
    diff <(echo "$once") <(echo "$again") | head -20
    echo "the same seeds are not the same worlds"
    exit 1
fi
echo "$(wc -l <<<"$once") worlds are the same twice"
