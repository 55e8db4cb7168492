#!/bin/bash
# bench_living.sh - a living cluster of 16 emulated nodes on this machine; Debian's Slurm beside it where installed
#
#   tests/bench/bench_living.sh BUILD [MEASURE]...      BUILD: a release build, e.g. build/release
#   DOCKET_BENCH_SLURM=no                               leaves Slurm out
#   DOCKET_BENCH_SCALE=0.1                              a tenth of everything, to try the script
#
# Both systems are driven by the same commands (sbatch squeue scancel sacct): docket by its Slurm names. Each
# MEASURE is a function below, named measure_*; without names all of them run. One line each:
# system, measure, figures. Run it on an idle machine.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd) || exit 2
shift
. "$here/slurm_beside.sh"
. "$here/measures.sh"
scale=${DOCKET_BENCH_SCALE:-1}
nodes=16
work=$(mktemp -d)
spawn=$build/bin/bench_spawn
plain_path=$PATH
system=none

scaled() { python3 -c "print(max(1, int($1 * $scale)))"; }
say() { printf '%-7s %-22s %s\n' "$system" "$1" "$2"; }
now() { date +%s.%N; }
since() { python3 -c "import time; print('%.3f' % (time.time() - $1))"; }
rate() { python3 -c "print('%.0f' % ($1 / max($2, 1e-6)))"; }

cleanup() {
    [ "$system" = slurm ] && slurm_stop
    [ "$system" = docket ] && docket_stop
    rm -rf "$work"
}
trap cleanup EXIT

docket_start() {
    export DOCKET_DIR=$work/docket PATH=$build/slurm:$build/bin:$plain_path
    docketd up --dir "$DOCKET_DIR" --nodes $nodes --cores-per-node 2 --detach >"$work/docket.out" 2>&1 ||
        { cat "$work/docket.out"; return 1; }
    slurm_wait 30 slurm_all_idle $nodes
}
docket_stop() { docketd down --dir "$DOCKET_DIR" --jobs >/dev/null 2>&1; }
docket_pids() { pgrep -f "docketd[-a-z]* .*--dir $DOCKET_DIR" ; }

start() {
    system=$1
    if [ "$system" = slurm ]; then
        export PATH=$plain_path
        slurm_start "$work/slurm" $nodes
    else
        docket_start
    fi
}
stop() { "${system}_stop"; system=none; }

empty_queue() {
    scancel -u "$(id -un)" >/dev/null 2>&1
    slurm_wait 120 queue_is_empty
}
queue_is_empty() { [ -z "$(squeue -h | head -n 1)" ]; }
queue_length() { squeue -h -r -t PD,R,CG | wc -l; }

script() { # NAME LINE...: a batch script in $work
    printf '#!/bin/sh\n%s\n' "$2" >"$work/$1"
    echo "$work/$1"
}
fill() { # COUNT: pending jobs that cannot start
    local left=$1

    # By twenty processes: one after the other takes minutes with Slurm.
    seq 20 | xargs -P 20 -I{} "$spawn" $((left / 20)) sbatch -H -o /dev/null -J 'waits%d' "$wait_script" >/dev/null
}

# --- the measures ---

measure_floor() { # what nobody can beat: a process that makes 4 KiB durable
    head -c 1048576 /dev/zero >"$work/floor"
    sync "$work/floor"
    say floor "$("$spawn" "$(scaled 500)" dd if=/dev/zero of="$work/floor" bs=4k count=1 conv=notrunc,fdatasync status=none)"
    say "floor, no sync" "$("$spawn" "$(scaled 500)" dd if=/dev/zero of="$work/floor" bs=4k count=1 conv=notrunc status=none)"
}

measure_submit_one() {
    say submit_one "$("$spawn" "$(scaled 500)" sbatch -H -o /dev/null "$true_script")"
    empty_queue
}

measure_submit_many() {
    local count began seconds

    count=$(scaled 100)
    began=$(now)
    seq 16 | xargs -P 16 -I{} "$spawn" "$count" sbatch -H -o /dev/null "$true_script" >/dev/null
    seconds=$(since "$began")
    say submit_many "$((16 * count)) by 16 processes at a time: $(rate $((16 * count)) "$seconds")/s"
    empty_queue
}

measure_array() {
    say array_10000 "$("$spawn" "$(scaled 10)" sbatch -H -o /dev/null -a 0-9999 "$true_script")"
    empty_queue
}

measure_true() { # end to end, accounting on
    local count began seconds

    count=$(scaled 1000)
    [ "$system" = docket ] && count=$(scaled 5000)
    began=$(now)
    sbatch -o /dev/null -a "1-$count" "$true_script" >/dev/null
    slurm_wait 300 queue_is_empty
    seconds=$(since "$began")
    say true_jobs "$count in $seconds s: $(rate "$count" "$seconds")/s"
}

measure_fork() { # what bounds it: the job alone, one after the other, by as many as there are cores
    local count began seconds

    count=$(scaled 2000)
    began=$(now)
    seq 2 | xargs -P 2 -I{} "$spawn" "$count" "$true_script" >/dev/null
    seconds=$(since "$began")
    say fork_exec "$((2 * count)) bare runs of the same script, two at a time: $(rate $((2 * count)) "$seconds")/s"
}

measure_latency() { # idle
    rm -f "$work"/first.*
    first_lines "$(scaled 60)"
    slurm_wait 20 queue_is_empty
}

measure_listing() {
    local depth done=0

    for depth in $(scaled 10000) $(scaled 50000); do
        [ "$system" = slurm ] && [ "$depth" -gt 20000 ] && continue # filling takes Slurm minutes
        fill $((depth - done))
        done=$depth
        say "squeue, $depth" "$("$spawn" 20 squeue)"
        say "squeue -j, $depth" "$("$spawn" 50 squeue -j "$(squeue -h -o %i | tail -n 1)")"
        say "memory, $depth" "$(memory)"
    done
    say "scancel of $done" "$("$spawn" 1 scancel -u "$(id -un)")"
    slurm_wait 120 queue_is_empty
}

memory() { # PSS of the control plane, KiB
    local pid

    for pid in $("${system}_pids"); do
        awk -v name="$(cat "/proc/$pid/comm")" '/^Pss:/ { print name, $2 }' "/proc/$pid/smaps_rollup"
    done 2>/dev/null | awk '{ sum[$1] += $2; all += $2 } END {
        for (n in sum) printf "%s %.1f MiB, ", n, sum[n] / 1024; printf "together %.1f MiB", all / 1024 }'
}
slurm_pids() { printf '%s\n' "${slurm_pids[@]}"; }

measure_idle() {
    local before after pid

    sleep 2
    say "memory, idle" "$(memory)"
    ticks() { for pid in $("${system}_pids"); do cut -d' ' -f14,15 "/proc/$pid/stat" 2>/dev/null; done | tr ' ' '\n' | paste -sd+ | bc; }
    before=$(ticks)
    sleep 20
    after=$(ticks)
    say "cpu, idle" "$((after - before)) ticks of 10 ms in 20 s, by all its processes"
}

measure_kill() { # kill -9 of the controller under submissions: what was acknowledged and is gone?
    local pid acknowledged there

    : >"$work/acknowledged"
    (for i in $(seq "$(scaled 3000)"); do
        sbatch --parsable -H -o /dev/null "$true_script" 2>/dev/null >>"$work/acknowledged"
    done) &
    sleep 3
    kill -9 "$("${system}_controller")"
    began=$(now)
    if [ "$system" = slurm ]; then slurm_controller_begin "$work/slurm"; fi
    slurm_wait 60 squeue -h -j 1 || slurm_wait 60 sinfo -h
    say "serving again" "$(since "$began") s after kill -9"
    wait $!
    squeue -h -r -o %A | sort -n >"$work/there"
    acknowledged=$(wc -l <"$work/acknowledged")
    there=$(sort -n "$work/acknowledged" | uniq | comm -12 - <(sort -n "$work/there") 2>/dev/null | wc -l)
    say "kill -9" "$acknowledged acknowledged, $there of them there, $(sort "$work/acknowledged" | uniq -d | wc -l) ids given out twice"
    empty_queue
}
slurm_controller() { echo "$slurm_controller_pid"; }
docket_controller() { pgrep -f "docketd controller .*--dir $DOCKET_DIR"; }

# 50 clients in a tight loop. They take processor time of their own, from jobs too: so first 50 that start the same
# program and ask nothing, then 50 that ask. What asking costs is the difference.
crowd_of() { # COMMAND...
    local pids=() i

    for i in $(seq 50); do
        while :; do "$@" >/dev/null 2>&1; done &
        pids+=($!)
    done
    sleep 1
    measure_latency
    kill "${pids[@]}" 2>/dev/null
    wait "${pids[@]}" 2>/dev/null
}
measure_crowd() {
    say crowd "the next line is with 50 clients that start squeue and ask nothing:"
    crowd_of squeue --version
    say crowd "the next line is with 50 clients that ask squeue in a loop:"
    crowd_of squeue
}

all='floor submit_one submit_many array latency true fork listing idle kill crowd'
measures=${*:-$all}
true_script=$(script true.sh true)
chmod +x "$true_script"
wait_script=$(script wait.sh 'sleep 1000')
systems=docket
[ "${DOCKET_BENCH_SLURM:-yes}" = yes ] && slurm_have && systems='docket slurm'
for each in $systems; do
    start "$each" || { echo "$each does not start"; continue; }
    for measure in $measures; do
        "measure_$measure"
    done
    stop
done
