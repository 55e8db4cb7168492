#!/bin/bash
# names_test.sh DOCKET FAKE - sbatch, scancel and scontrol against the two sockets of a fake cluster: what they send
# and ask, what they print, and the exit status; host lists beside Debian's own scontrol where it is installed
set -u
work=$(mktemp -d)
mkdir "$work/run" "$work/names" "$work/here"
for name in sbatch scancel scontrol; do ln -s "$1" "$work/names/$name"; done
coproc fake { "$2" "$work"; }
fake_in=${fake[1]}
pid=$!
# The fake ends with its standard input.
trap 'eval "exec $fake_in>&-"; wait $pid 2>/dev/null; rm -rf "$work"' EXIT
read -r ready <&"${fake[0]}" && [ "$ready" = ready ] || { echo "FAIL the fake cluster does not start"; exit 1; }
debian=$(command -v scontrol)
export DOCKET_DIR=$work TZ=UTC PATH=$work/names:$PATH
unset "${!SLURM_@}" "${!SBATCH_@}" "${!SCANCEL_@}"
cd "$work/here" || exit 1
out=$work/out err=$work/err failed=0

complain() {
    echo "FAIL $1"
    sed 's/^/    /' "$out" "$err" | head -12
    failed=1
}
# check NAME STATUS OUT ERR COMMAND...: all that it says, and the exit status
check() {
    local name=$1 status=$2 wanted_out=$3 wanted_err=$4 got
    shift 4
    "$@" >"$out" 2>"$err" </dev/null
    got=$?
    if [ "$got" != "$status" ]; then complain "$name: exit status $got, not $status"
    elif [ "$(cat "$out")" != "$wanted_out" ]; then complain "$name: prints something else than '$wanted_out'"
    elif [ "$(cat "$err")" != "$wanted_err" ]; then complain "$name: complains else than '$wanted_err'"
    else echo "ok   $name"; fi
}
# sent NAME PATTERN...: the requests since the last call, by a pattern for each
sent() {
    local name=$1 line=0 pattern
    shift
    if [ "$(wc -l <"$work/requests")" != $# ]; then
        echo "FAIL $name: $(wc -l <"$work/requests") requests, not $#"; cat "$work/requests"; failed=1
    fi
    for pattern in "$@"; do
        line=$((line + 1))
        sed -n ${line}p "$work/requests" | grep -qE -e "$pattern" ||
            { echo "FAIL $name: $(sed -n ${line}p "$work/requests") is not '$pattern'"; failed=1; }
    done
    : >"$work/requests"
}
asked() { tail -n 1 "$work/asked" | grep -qF -e "$2" || { echo "FAIL $1: asks '$(tail -n 1 "$work/asked")'"; failed=1; }; }
: >"$work/requests"

# --- sbatch ---
printf '#!/bin/sh\n#SBATCH -J hello -t 10\ntrue\n' >job.sh
"$work/names/sbatch" job.sh a 'b c' >"$out" 2>"$err"
[ $? = 0 ] && [ ! -s "$err" ] && grep -qxE 'Submitted batch job [0-9]+' "$out" || complain "sbatch prints the number"
sent "a script with arguments" '"SubmitJob".*"name":"hello".*"limit_us":600000000.*"work_dir":"'"$work"'/here"'
sbatch --parsable --wrap true >"$out" 2>"$err"
grep -qxE '[0-9]+' "$out" || complain "--parsable prints the number alone"
sent "a wrapped command" '"SubmitJob".*"name":"wrap"'
check "--quiet prints nothing" 0 "" "" sbatch -Q job.sh
sent "a quiet one" '"SubmitJob"'
printf '#!/bin/sh\ntrue\n' | sbatch -n 2 >"$out" 2>"$err" || complain "a script comes by the standard input"
sent "a script from the standard input" '"name":"sbatch".*"tasks":2'
SBATCH_PARTITION=other sbatch -Q job.sh
sent "a variable" '"partition":"other"'
printf 'true\n' >no.sh
check "a script without #! is refused" 1 "" "sbatch: error: This does not look like a batch script.  The first
sbatch: error: line must start with #! followed by the path to an interpreter.
sbatch: error: For instance: #!/bin/sh" sbatch no.sh
check "a missing script is said" 1 "" "sbatch: error: Unable to open file missing.sh" sbatch missing.sh
check "a wrong option ends with Slurm's status" 255 "" "sbatch: unrecognized option '--frob'
Try \"sbatch --help\" for more information" sbatch --frob job.sh
check "a wrong time, too" 255 "" "sbatch: error: Invalid --time specification" sbatch -t soon job.sh
check "what docket has not is refused by name" 1 "" \
    "sbatch: error: --bb is not supported by docket: it has no burst buffers" sbatch --bb=x job.sh
DOCKET_DIR=/nonexistent sbatch job.sh >"$out" 2>"$err" && complain "no cluster is an error"
tail -n 1 "$err" | grep -qxF 'sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)' ||
    complain "no cluster is said as Slurm says it"
sent "nothing of all that is sent"

# --- scancel ---
check "several ids" 0 "" "" scancel 17 18_3 '19_[1-3,7]'
sent "several ids" '"CancelJob".*"job":17,"tasks":\[\]' '"job":18,"tasks":\[\{"first":3' '"job":19,"tasks":\[\{"first":1.*"first":7'
check "an unknown job is no matter" 0 "" "" scancel 999
check "but is said with -v" 0 "" "scancel: Terminating job 999
scancel: error: Kill job error on job id 999: Invalid job id specified" scancel -v 999
: >"$work/requests"
check "a signal goes to the steps" 0 "" "" scancel -s USR1 17
check "or to the script" 0 "" "" scancel -b --signal=SIGTERM 17
check "or to all" 0 "" "" scancel -f -s 12 17
check "KILL ends the job" 0 "" "" scancel -s KILL 17
sent "signals" '"SignalJob".*"signal":10,"target":"STEPS"' '"signal":15,"target":"BATCH"' '"signal":12,"target":"ALL"' '"CancelJob"'
check "a signal for nobody is an error" 1 "" \
    "scancel: error: Kill job error on job id 999: Invalid job id specified" scancel -s USR1 999
: >"$work/requests"
check "no number" 1 "" "scancel: error: Invalid job id foo" scancel foo
check "nothing named" 1 "" "scancel: error: No job identification provided" scancel
check "no such user" 1 "" "scancel: error: Invalid user name: no-such-user" scancel -u no-such-user
check "no such state" 1 "" "Invalid job state specified: FOO
Valid job states are PENDING, RUNNING, and SUSPENDED" scancel -t FOO
sent "nothing of all that is sent"
cat >"$work/jobs.tsv" <<'END'
id	array_job	array_task	array_spec	name	partition
17				hello	main
20	20		2-5,7	many	main
24	20	1		many	main
END
check "filters choose jobs" 0 "" "" scancel -u 1000 -p main -t PD,R
asked "filters choose jobs" 'state=PD,R partition=main user=1000'
sent "filters choose jobs" '"job":17,"tasks":\[\]' '"job":20,"tasks":\[\{"first":2,"last":5' '"job":24,"tasks":\[\]'
check "filters and a number: both" 1 "" \
    "scancel: error: Kill job error on job id 18: Invalid job id specified" scancel -p main 17 18
sent "filters and a number" '"job":17'
echo y | scancel -i 17 >"$out" 2>"$err" && grep -qF 'Cancel job_id=17 name=hello partition=main [y/n]? ' "$out" ||
    complain "-i asks first"
sent "-i and yes" '"job":17'
echo n | scancel -i 17 >"$out" 2>"$err"
sent "-i and no"

# --- scontrol ---
check "hold" 0 "" "" scontrol hold 17
check "hold by name" 0 "" "" scontrol hold name=hello
sent "holds" '"HoldJob".*"job":17' '"job":17' '"job":20' '"job":24'
check "hold of an unknown job" 1 "" "Invalid job id specified for job 999
slurm_suspend error: Invalid job id specified" scontrol hold 999
check "release" 0 "" "" scontrol release 17,18
check "requeue" 0 "" "" scontrol requeue 17
check "requeuehold" 0 "" "" scontrol requeuehold 17
: >"$work/requests"
check "update" 0 "" "" scontrol update JobId=17 TimeLimit=90 Partition=long Nice=5 MinMemoryNode=2G Comment="two words"
sent "update" '"UpdateJob".*"job":17.*"partition":"long".*"memory_mib_per_node":2048.*"limit_us":5400000000.*"nice":5.*"comment":"two words"'
check "update without equals" 0 "" "" scontrol update job 17 timelimit=1
check "Priority=0 holds" 0 "" "" scontrol update JobId=17 Priority=0
sent "update and hold" '"limit_us":60000000' '"HoldJob"'
check "what cannot be updated" 1 "" "Update of this parameter is not supported: Foo=5
Request aborted" scontrol update JobId=17 Foo=5
check "a wrong time limit" 1 "" "scontrol: error: Invalid TimeLimit value" scontrol update JobId=17 TimeLimit=foo
check "nothing to update" 1 "" "No changes specified" scontrol update JobId=17
check "drain" 0 "" "" scontrol update NodeName='n[1-2]' State=drain Reason="loud fan"
sent "drain" '"SetNodeCondition".*"node":"n1","condition":"DRAINED","reason":"loud fan"' '"node":"n2"'
check "drain needs a reason" 1 "" \
    "You must specify a reason when DOWNING or DRAINING a node. Request denied" scontrol update NodeName=n1 State=DOWN
check "resume" 0 "" "" scontrol update nodename=n1 state=resume
sent "resume" '"condition":"UP"'
check "what docket has not" 1 "" \
    "scontrol: error: suspend is not supported by docket: 'scontrol requeue' frees a job's nodes, 'hold' keeps it waiting" \
    scontrol suspend 17
check "an unknown keyword" 1 "" "invalid keyword: foo" scontrol foo
check "too few words" 1 "" "too few arguments for keyword:hold" scontrol hold
check "no reservations" 0 "No reservations in the system" "" scontrol show res
cat >"$work/jobs.tsv" <<'END'
id	array_job	array_task	array_spec	array_max	name	user	uid	group	gid	account	partition	state	reason	priority	nice	submit	eligible	begin	start	end	limit	nodes	cores	tasks	cores_per_task	tasks_per_node	memory_per_node	memory_per_core	gpus	gpus_per_node	exclusive	requeue	constraint	dependency	nodes_wanted	nodes_excluded	node_list	batch_host	cores_per_node	exit_code	exit_signal	attempt	comment	work_dir	command	std_in	std_out	std_err	submit_host	elapsed
17					hello	anna	1000	staff	50	phys	main	RUNNING	None	7	0	1795615331000000	1795615331000000		1795615332000000	1795618932000000	3600000000	2	8	2	4	1	2048		2	1	0	1	fast		n1		n[1-2]	n1	4(x2)	0	0	2	a b	/w	/w/job.sh x	/dev/null	/w/o.17	/w/o.17	login	61000000
END
check "show job" 0 "JobId=17 JobName=hello
   UserId=anna(1000) GroupId=staff(50) MCS_label=N/A
   Priority=7 Nice=0 Account=phys QOS=normal
   JobState=RUNNING Reason=None Dependency=(null)
   Requeue=1 Restarts=1 BatchFlag=1 Reboot=0 ExitCode=0:0
   RunTime=00:01:01 TimeLimit=01:00:00 TimeMin=N/A
   SubmitTime=2026-11-25T14:02:11 EligibleTime=2026-11-25T14:02:11
   AccrueTime=2026-11-25T14:02:11
   StartTime=2026-11-25T14:02:12 EndTime=2026-11-25T15:02:12 Deadline=N/A
   SuspendTime=None SecsPreSuspend=0 LastSchedEval=2026-11-25T14:02:12 Scheduler=Main
   Partition=main AllocNode:Sid=login:0
   ReqNodeList=n1 ExcNodeList=(null)
   NodeList=n[1-2]
   BatchHost=n1
   NumNodes=2 NumCPUs=8 NumTasks=2 CPUs/Task=4 ReqB:S:C:T=0:0:*:*
   TRES=cpu=8,mem=4G,node=2,billing=8,gres/gpu=2
   Socks/Node=* NtasksPerN:B:S:C=1:0:*:* CoreSpec=*
   MinCPUsNode=4 MinMemoryNode=2G MinTmpDiskNode=0
   Features=fast DelayBoot=00:00:00
   OverSubscribe=OK Contiguous=0 Licenses=(null) Network=(null)
   Command=/w/job.sh x
   WorkDir=/w
   Comment=a b 
   StdErr=/w/o.17
   StdIn=/dev/null
   StdOut=/w/o.17
   Power=
   TresPerNode=gres:gpu:1
   " "" scontrol show job 17
[ "$(scontrol -o show jobid -dd 17 | wc -l)" = 1 ] || complain "-o prints one line"
: >"$work/jobs.tsv"
echo id >"$work/jobs.tsv"
check "an unknown job" 1 "" "slurm_load_jobs error: Invalid job id specified" scontrol show job 999
check "no number" 1 "" "scontrol_print_job error: Invalid job id specified" scontrol show job foo
check "no jobs" 0 "No jobs in the system" "" scontrol show jobs
sent "nothing of all that is sent"

# --- host lists ---
check "hostnames" 0 "n1
n2
n3
n07
m4" "" scontrol show hostnames 'n[1-3,07],m4'
SLURM_JOB_NODELIST='a[1-2]' check "hostnames of the job" 0 "a1
a2" "" scontrol show hostname
DOCKET_DIR=/nonexistent check "without a cluster" 0 "n[1-2]" "" scontrol show hostlist n1,n2
check "no list" 1 "" "scontrol: error: Invalid hostlist: '[' without ']' in 'n[1'" scontrol show hostnames 'n[1'
if [ -n "$debian" ] && [ "$(basename "$(readlink -f "$debian")")" != docket ]; then
    printf 'ClusterName=x\nSlurmctldHost=localhost\nNodeName=localhost\nPartitionName=p Nodes=ALL\n' >"$work/slurm.conf"
    for list in 'n[1-3,07],m4' 'r[1-2]n[1-2]' 'n[08-11]' 'n[1-2],,m' a1,a2,b3,b4,a3 'n[9-12]' n9,n10,n011,n12,n13 '[1-3]'; do
        for what in hostnames hostlist hostlistsorted; do
            theirs=$(SLURM_CONF=$work/slurm.conf "$debian" show $what "$list" 2>&1)
            check "$what of $list is Slurm's" 0 "$theirs" "" scontrol show $what "$list"
        done
    done
else
    echo "skip host lists beside Debian's scontrol: it is not installed"
fi

exit $failed
