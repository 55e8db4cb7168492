#!/bin/bash
# bench_kafka.sh - a cluster on one real broker on this machine: two controllers, a projector, four emulated nodes
#
#   tests/bench/bench_kafka.sh BUILD [MEASURE]...      BUILD: a release build, e.g. build/release
#   DOCKET_BENCH_SECONDS=10                            how long each rate is measured
#   DOCKET_BENCH_KILLS=10                              how often the leader is killed
#
# Broker, controllers and clients share this machine's processors. Each MEASURE is a function below, named measure_*;
# without names all of them run. One line each: measure, figures. Run it on an idle machine.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd) || exit 2
measures=${*:2}
bin=$build/bin
if [ -z "${DOCKET_KAFKA:-}" ]; then # once more, beside a broker that is ended with us
    exec python3 "$here/../e2e/kafka/broker.py" -- bash "${BASH_SOURCE[0]}" "$build" $measures
fi
seconds=${DOCKET_BENCH_SECONDS:-10}
kills=${DOCKET_BENCH_KILLS:-10}
work=$(mktemp -d)
log=kafka://$DOCKET_KAFKA/cluster # bench_kafka has topics of its own
declare -A pid
. "$here/measures.sh"
export PATH=$build/slurm:$bin:$PATH DOCKET_DIR=$work/one
unset "${!SLURM_@}" "${!SBATCH_@}"

cleanup() {
    [ ${#pid[@]} -gt 0 ] && kill -9 "${pid[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

status_of() { # CONTROLLER FIELD
    curl -s --max-time 1 --unix-socket "$work/$1/run/control.sock" http://docket/v1/status |
        python3 -c "import json, sys; print(json.load(sys.stdin)['$2'])"
}
is_role() { [ "$(status_of "$1" role)" = "$2" ]; }
leader() { if is_role one leading; then echo one; else echo two; fi; }
standby() { if is_role one leading; then echo two; else echo one; fi; }
controller() { # NAME: starts it
    mkdir -p "$work/$1"
    [ -e "$work/$1/docket.conf" ] || echo "log = $log" >"$work/$1/docket.conf"
    [ -e "$work/$1/cluster.key" ] || cp -p "$work/one/cluster.key" "$work/$1/"
    docketd controller --dir "$work/$1" 2>>"$work/$1.said" &
    pid[$1]=$!
}
start() {
    mkdir -p "$work/one"
    (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$work/one/cluster.key" && echo >>"$work/one/cluster.key")
    controller one
    wait_for 30 is_role one leading || { cat "$work/one.said"; exit 1; }
    controller two
    wait_for 30 is_role two standby || { cat "$work/two.said"; exit 1; }
    docketd projector --dir "$work/one" 2>>"$work/projector.said" &
    pid[projector]=$!
    for i in 1 2 3 4; do
        docketd node --dir "$work/one" --name "n$i" --topology 'Package:1 Core:2 PU:1' --memory 1024 2>>"$work/node.said" &
        pid[n$i]=$!
    done
    wait_for 30 sh -c "[ \$(sinfo -h -N -t idle | wc -l) = 4 ]" || { cat "$work"/*.said; exit 1; }
}
doors() { echo "$work/one/run/control.sock,$work/two/run/control.sock"; }
first_door() { echo "$work/$(leader)/run/control.sock"; }
forget() { scancel -u "$(id -un)" >/dev/null 2>&1; wait_for 120 sh -c '[ -z "$(squeue -h | head -n 1)" ]'; }

# How many requests shared a batch while COMMAND ran, and how long a batch took.
batches_of() { # NAME CLIENTS BENCH_SUBMIT'S OTHER WORDS...
    local who before_requests before_batches after_requests after_batches out

    who=$(leader)
    before_requests=$(status_of "$who" requests)
    before_batches=$(status_of "$who" batches)
    out=$(bench_submit "$work/$who/run/control.sock" "$2" "$seconds" "${@:3}")
    after_requests=$(status_of "$who" requests)
    after_batches=$(status_of "$who" batches)
    say "$1" "$out; $(python3 -c "
requests, batches = $after_requests - $before_requests, max(1, $after_batches - $before_batches)
print('%.1f requests a batch, %.2f ms a batch' % (requests / batches, 1000 * $seconds / batches))")"
    forget
}

# --- the measures ---

measure_broker() { say broker "$(bench_broker 1000)"; }
measure_log() { bench_kafka 100000; }
measure_one() { batches_of "1 client" 1; }
measure_many() {
    local clients
    for clients in 2 4 8 16 32 64 128; do
        batches_of "$clients clients" "$clients"
    done
}
measure_calls() { # several submissions a call
    batches_of "16 x 16 a call" 16 16
    batches_of "16 x 256 a call" 16 256
    batches_of "arrays of 1,000" 4 1 1000
}
measure_standby_door() { # through the one that does not lead
    say "by the standby" "$(bench_submit "$work/$(standby)/run/control.sock" 1 "$seconds")"
    forget
}
measure_start() { # idle
    first_lines 60
    forget
}
measure_lag() {
    local who i

    who=$(standby)
    bench_submit "$(first_door)" 16 "$seconds" >/dev/null &
    sleep 1
    for i in $(seq 40); do status_of "$who" lag_us; sleep 0.05; done | sort -n >"$work/lag"
    wait $!
    say lag "the standby under load, in ms: $(awk '{ v[NR] = $1 / 1000 } END { printf "p50 %.1f p95 %.1f most %.1f", v[int(NR / 2)], v[int(NR * 0.95)], v[NR] }' "$work/lag")"
    forget
}
measure_failover() { # kill -9 of the leader while 8 clients ask both doors
    local i old out

    for i in $(seq "$kills"); do
        wait_for 30 is_role "$(standby)" standby
        old=$(leader)
        bench_submit "$(doors)" 8 9 >"$work/failover.$i" &
        out=$!
        sleep 2
        kill -9 "${pid[$old]}"
        wait "${pid[$old]}" 2>/dev/null
        sleep 0.2
        wait "$out" || cat "$work/failover.$i"
        controller "$old"
        wait_for 30 is_role "$old" standby
    done
    say failover "$kills kills, longest time without an answer: $(sed 's/.*silence \([0-9]*\) ms.*/\1/' "$work"/failover.* | sort -n |
        awk '{ v[NR] = $1 } END { printf "least %d, median %d, most %d ms", v[1], v[int((NR + 1) / 2)], v[NR] }')"
    say failover "jobs acknowledged in all: $(awk '{ sum += $1 } END { print sum }' "$work"/failover.*), in the queue: $(squeue -h -r | wc -l)"
    forget
}

start
for each in ${measures:-broker log one start standby_door many calls lag failover}; do
    "measure_$each"
done
