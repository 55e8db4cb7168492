#!/bin/bash
# client_test.sh DOCKET FAKE - client commands against the two sockets of a fake cluster: what they ask and send,
# what people see, and the exit status
set -u
docket=$1
work=$(mktemp -d)
mkdir "$work/run"
coproc fake { "$2" "$work"; }
fake_in=${fake[1]}
pid=$!
# The fake ends with its standard input.
trap 'eval "exec $fake_in>&-"; wait $pid 2>/dev/null; rm -rf "$work"' EXIT
read -r ready <&"${fake[0]}" && [ "$ready" = ready ] || { echo "FAIL the fake cluster does not start"; exit 1; }
export DOCKET_DIR=$work TZ=UTC
unset NO_COLOR
cd "$work" || exit 1
failed=0

complain() {
    echo "FAIL $1"
    sed 's/^/    /' out err | head -8
    failed=1
}
# check NAME STATUS PATTERN COMMAND...: exit status, and a fixed text in what it says
check() {
    local name=$1 status=$2 pattern=$3 got
    shift 3
    "$@" >out 2>err </dev/null
    got=$?
    if [ "$got" != "$status" ]; then complain "$name: exit status $got, not $status"
    elif ! cat out err | grep -qF -e "$pattern"; then complain "$name: does not say '$pattern' but"
    else echo "ok   $name"; fi
}
same() { # NAME EXPECTED FILE
    if [ "$2" = "$(cat "$3" 2>/dev/null)" ]; then echo "ok   $1"; else
        echo "FAIL $1: not what is expected but"
        sed 's/^/    /' "$3"
        failed=1
    fi
}
# asked NAME PATTERN: the last question; sent NAME LINES: all requests since the last call
asked() { tail -n 1 asked | grep -qF -e "$2" || { echo "FAIL $1: asks '$(tail -n 1 asked)'"; failed=1; }; }
sent() { same "$1" "$2" requests; : >requests; }
: >requests

# --- listings ---
cat >jobs.tsv <<'END'
id	array_job	array_task	array_spec	array_max	name	user	uid	partition	state	elapsed	limit	nodes	cores	node_list	reason	submit	start	exit_code	exit_signal	work_dir
17					hello	anna	1000	main	RUNNING	61000000	3600000000	2	8	n[1-2]	None	1795615331000000	1795615332000000			/scratch/anna
20	20		2-5,7	2	many	anna	1000	main	PENDING		86400000000	1	1		Resources	1795615331000000			
21	20	1			many	bob	1001	main	FAILED	5000000	86400000000	1	1	n3	NonZeroExitCode	1795615331000000	1795615332000000	0	9
END
check "queue" 0 "hello" "$docket" queue
same "a listing in a pipe is aligned, whole and without tabs" \
"         JOB  NAME   USER  PARTITION  STATE     ELAPSED       LIMIT  NODES  CORES  NODES (REASON)
          17  hello  anna  main       RUNNING  00:01:01    01:00:00      2      8  n[1-2]
20_[2-5,7%2]  many   anna  main       PENDING            1-00:00:00      1      1  (Resources)
        20_1  many   bob   main       FAILED   00:00:05  1-00:00:00      1      1  n3" out
check "queue filters" 0 "hello" "$docket" queue 17 20 --user anna --state PENDING --at-seq 42
asked "queue filters" "/v1/jobs id=17,20 user=anna state=PENDING at_seq=42 fields="
check "queue --at" 0 "hello" "$docket" queue --at 2026-11-25T14:02:11
asked "queue --at" "at=1795615331000000"
check "--at and --at-seq are one too many" 2 "give one" "$docket" queue --at now --at-seq 3
check "a bad time is said" 2 "'noon' is not a time; right would be 2026-11-25T14:02" "$docket" queue --at noon
check "--fields" 0 "START" "$docket" queue --fields job,start,exit --color always
head -n 1 out | cut -c1-20 >first
same "colours only where asked for" "$(printf '         \033[1mJOB\033[0m')" first
check "--no-header" 0 "2026-11-25T14:02:12" "$docket" queue --no-header --fields job,start
[ "$(wc -l <out)" = 3 ] || complain "--no-header: three lines"
head -n 1 jobs.tsv >x && mv x jobs.tsv.empty && mv jobs.tsv jobs.tsv.full && cp jobs.tsv.empty jobs.tsv
check "nothing is said on the standard error" 0 "no such jobs in the queue" "$docket" queue
[ -s out ] && complain "nothing: the standard output is empty"
cp jobs.tsv.full jobs.tsv
echo '{"seq":1000,"rows":[]}' >jobs.json
check "--json is the answer as it is" 0 '{"seq":1000,"rows":[]}' "$docket" queue --json
check "what the server refuses is said" 3 "nothing is known of '/v1/nodes'" "$docket" nodes
cat >nodes.tsv <<'END'
name	state	cores	cores_used	memory	memory_used	gpus	gpus_used	jobs	partitions	reason	reason_user	reason_time
n1	IDLE	4	0	8192	0	0	0	0	main			
n2	DRAINED	4	1	8192	512	0	0	1	main	fan	root	1795615331000000
END
check "nodes" 0 "fan (root 2026-11-25T14:02:11)" "$docket" nodes n1,n2
asked "nodes" "/v1/nodes node=n1,n2"
grep -qF "1/4  512M/8G" out || complain "nodes: what is used of what there is"

# --- jobs ---
check "cancel" 0 "3 jobs cancelled" "$docket" cancel 17 18_3 '19_[1-4,7]'
sent "cancel sends one request a job" \
'{"type":"CancelJob","key":"","time":0,"actor":null,"job":17,"tasks":[]}
{"type":"CancelJob","key":"","time":0,"actor":null,"job":18,"tasks":[{"first":3,"last":3,"step":1}]}
{"type":"CancelJob","key":"","time":0,"actor":null,"job":19,"tasks":[{"first":1,"last":4,"step":1},{"first":7,"last":7,"step":1}]}'
check "a range of jobs" 0 "3 jobs held" "$docket" hold 20-22
check "a refusal has its job and the exit status 1" 1 "docket cancel: job 901: there is no job 901" "$docket" cancel 17 901
grep -qF "1 job cancelled" out || complain "the others are cancelled"
: >requests
check "by filter, only what matches" 0 "2 jobs cancelled" "$docket" cancel --user anna --state PENDING
asked "by filter" "/v1/jobs user=anna state=PENDING"
sent "of an array its waiting rest" \
'{"type":"CancelJob","key":"","time":0,"actor":null,"job":17,"tasks":[]}
{"type":"CancelJob","key":"","time":0,"actor":null,"job":20,"tasks":[{"first":2,"last":5,"step":1},{"first":7,"last":7,"step":1}]}'
check "without id and filter" 2 "which jobs?" "$docket" cancel
check "what is no job" 2 "'x' is not a job; right would be 17, 17_3" "$docket" cancel x
check "requeue --hold" 0 "1 job requeued" "$docket" requeue --hold 17
sent "requeue --hold" '{"type":"RequeueJob","key":"","time":0,"actor":null,"job":17,"hold":true}'
check "cancel --json" 1 '"subject":"job 901","result":"rejected","seq":' "$docket" cancel --json 901
check "update" 0 "1 job changed" "$docket" update 17 --time 90 --memory-per-node 4G --nice -5
grep -qF '"memory_mib_per_node":4096' requests && grep -qF '"limit_us":5400000000' requests &&
    grep -qF '"nice":-5' requests && grep -qF '"name":null' requests || complain "update sends $(cat requests)"
check "update without a change" 2 "nothing to change" "$docket" update 17
check "a bad size names its option" 2 "--memory-per-node: 'lots' is not a size" "$docket" update 17 --memory-per-node lots
: >requests
check "drain" 0 "2 nodes drained" "$docket" drain 'n[1-2]' --reason fan
sent "drain" '{"type":"SetNodeCondition","key":"","time":0,"actor":null,"node":"n1","condition":"DRAINED","reason":"fan"}
{"type":"SetNodeCondition","key":"","time":0,"actor":null,"node":"n2","condition":"DRAINED","reason":"fan"}'
check "drain without a reason" 2 "--reason is required" "$docket" drain n1
check "resume" 0 "1 node resumed" "$docket" resume n1
: >requests
cp jobs.tsv history.tsv
check "job" 0 "waits for        Resources" "$docket" job 20
check "a line of job has its own value" 0 "folder           /scratch/anna" "$docket" job 17
check "acct" 0 "signal 9" "$docket" acct --since 2026-11-25 --user anna
asked "acct" "/v1/history user=anna since=1795564800000000"

# --- configuration ---
echo '{"seq":1000,"rows":[{"seq":3,"what":"ConfigurationApplied"},{"seq":7,"what":"PartitionConfigured"}]}' >config-history.json
cat >config.json <<'END'
{"seq":1000,"config":{"cluster":"docket","partitions":[{"name":"main","nodes":[],"all_nodes":true,"is_default":true,"state":"UP","limit_us_max":0}],
"policy":{"policy":"FCFS","backfill":"EASY","enforce_limits":true,"beat_timeout_us":5000000,"age_us_max":604800000000,"weight_age":1000,
"weight_size":1000,"weight_partition":1000,"origin":5},"kill_wait_us":30000000,"ended_visible_us":300000000,"beat_us":1000000}}
END
check "config show" 0 "  default: true" "$docket" config show
cp out show.yaml
check "what is shown can be applied, and changes nothing" 0 "nothing to change" "$docket" config apply show.yaml
[ -s requests ] && complain "nothing is sent"
sed 's/limit_max: none/limit_max: 12h/' show.yaml >new.yaml
check "config apply --dry-run" 0 "~ partitions.main.limit_max: none -> 12:00:00" "$docket" config apply --dry-run new.yaml
[ -s requests ] && complain "a dry run sends nothing"
check "config apply" 0 "applied, seq" "$docket" config apply --note why new.yaml
grep -qF '"note":"why","replaces":3}' requests && grep -qF '"limit_us_max":43200000000' requests &&
    grep -qF '"origin":5' requests || complain "config apply sends $(cat requests)"
sed -i 's/limit_max/limit_mx/' new.yaml
check "a mistake has its line" 3 "new.yaml:7: unknown key 'limit_mx'; did you mean 'limit_max'?" "$docket" config apply new.yaml

# --- events: the fake gives the same ones again and again, so each reader leaves early ---
echo '{"seq":1000}' >status.json
cat >events.json <<'END'
{"type":"JobSubmitted","seq":1001,"time":1795615331000000,"epoch":1,"cause":0,"actor":null,"job":17,"spec":{"name":"hello","tasks":1}}
{"type":"JobEnded","seq":1002,"time":1795615332000000,"epoch":1,"cause":0,"actor":null,"job":17,"state":"FAILED","exit_code":3,"signal":0,"why":""}
END
first() { # COUNT COMMAND...
    local count=$1
    shift
    timeout 20 "$@" | head -n "$count"
}
check "watch in a pipe is a line for each change" 0 "hello" first 2 "$docket" watch
same "a line of watch" "2026-11-25T14:02:11 1001 JobSubmitted job=17 name=hello
2026-11-25T14:02:12 1002 JobEnded job=17 state=FAILED exit_code=3" out
check "log follow" 0 '"seq":1002' first 2 "$docket" log follow --type JobEnded --job 17
asked "log follow" "type=JobEnded job=17"
check "log follow --after" 0 '"seq":1001' first 1 "$docket" log follow --after 5
grep -qF "/v1/events after=5 wait_ms=" asked || complain "log follow --after asks for what comes then"
check "log tail" 0 '"seq":1002' "$docket" log tail --count 3
[ "$(wc -l <out)" = 2 ] || complain "log tail: two lines"

# --- others ---
echo '{"a":{"b":1},"c":[2,"x"]}' >stats.json
check "stats" 0 "a.b " "$docket" stats
check "no cluster is said with what would be right" 3 "start one by 'docketd up --dir DIR'" "$docket" queue --dir "$work/nowhere"
exit $failed
