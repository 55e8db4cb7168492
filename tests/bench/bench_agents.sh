#!/bin/bash
# bench_agents.sh - thousands of agents, each a real process that proves itself by MUNGE over TCP, on this machine
#
#   tests/bench/bench_agents.sh BUILD [AGENTS]      BUILD: a release build, e.g. build/release; 2,000 agents
#
# One controller on the file log, one projector, one munged, and agents that share a folder with nothing but
# docket.conf. They share this machine's processors, agents included, so the figures are of all of it. About 3 MiB
# an agent. One line each: measure, figures. Run it on an idle machine, as root.
set -uo pipefail
build=$(cd "$1" && pwd) || exit 2
agents=${2:-2000}
work=$(mktemp -d)
chmod 755 "$work"
export PATH=$build/slurm:$build/bin:$PATH DOCKET_DIR=$work/one
unset "${!SLURM_@}" "${!SBATCH_@}"
declare -A pid
. "$(dirname "${BASH_SOURCE[0]}")/measures.sh"

cleanup() {
    pkill -9 -f "docketd.* --dir $work/" 2>/dev/null
    [ ${#pid[@]} -gt 0 ] && kill -9 "${pid[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

free_port() { python3 -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"; }
idle() { [ "$(sinfo -h -N -t idle | wc -l)" = "$agents" ]; }
queue_is_empty() { [ -z "$(squeue -h | head -n 1)" ]; }
since() { python3 -c "print('%.2f' % ($(date +%s.%N) - $1))"; }
cpu_ms() { # PID...: of all their threads, so far
    local each
    for each in "$@"; do cat "/proc/$each"/task/*/schedstat; done 2>/dev/null | awk '{ ns += $1 } END { printf "%d", ns / 1e6 }'
}
agent_pids() { pgrep -f "docketd-node --dir $work/agents" ; }

munged_start() {
    mkdir -m 755 "$work/munge"
    (umask 077 && head -c 128 /dev/urandom >"$work/munge/key")
    munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge/socket" --pid-file="$work/munge/pid" \
        --log-file="$work/munge/log" --seed-file="$work/munge/seed" 2>/dev/null &
    pid[munged]=$!
    wait_for 10 munge -n -S "$work/munge/socket"
}
start() {
    local control query

    control=$(free_port) query=$(free_port)
    mkdir -p "$work/one" "$work/agents"
    printf 'munge_socket = %s\nlisten = 127.0.0.1:%s\nlisten_query = 127.0.0.1:%s\n' "$work/munge/socket" "$control" "$query" \
        >"$work/one/docket.conf"
    printf 'munge_socket = %s\ncontrollers = 127.0.0.1:%s\nprojectors = 127.0.0.1:%s\n' "$work/munge/socket" "$control" \
        "$query" >"$work/agents/docket.conf"
    docketd controller --dir "$work/one" 2>>"$work/controller.said" &
    pid[controller]=$!
    projector
    wait_for 20 squeue || { cat "$work"/*.said; exit 1; }
}
projector() {
    docketd projector --dir "$work/one" 2>>"$work/projector.said" &
    pid[projector]=$!
}

# --- the measures ---

measure_register() {
    local began i

    began=$(date +%s.%N)
    for i in $(seq "$agents"); do
        docketd node --dir "$work/agents" --name "n$i" --topology 'Package:1 Core:2 PU:1' --memory 1024 --isolation none \
            2>>"$work/node.said" &
    done
    wait_for 300 idle || { sinfo -N; tail -n 5 "$work"/*.said; exit 1; }
    disown -a
    say register "$agents agents started, registered and idle after $(since "$began") s"
}
measure_rest() { # what it costs that nothing happens
    local before after all

    before="$(cpu_ms "${pid[controller]}") $(cpu_ms "${pid[projector]}") $(cpu_ms "${pid[munged]}") $(cpu_ms $(agent_pids))"
    sleep 30
    after="$(cpu_ms "${pid[controller]}") $(cpu_ms "${pid[projector]}") $(cpu_ms "${pid[munged]}") $(cpu_ms $(agent_pids))"
    all=$(python3 -c "
before, after = [[int(n) for n in text.split()] for text in ('$before', '$after')]
print(', '.join('%s %d' % pair for pair in zip(('controller', 'projector', 'munged', 'agents'), [b - a for a, b in zip(before, after)])))")
    say rest "CPU in 30 s, ms: $all; PSS of the controller $(pss controller), of the projector $(pss projector) MiB"
}
end() { # NAME: kill -9
    kill -9 "${pid[$1]}"
    while kill -0 "${pid[$1]}" 2>/dev/null; do sleep 0.001; done # not our job any more: it is disowned
}
pss() { awk '/^Pss:/ { print int($2 / 1024) }' "/proc/${pid[$1]}/smaps_rollup"; }
measure_start() { first_lines 60; }
measure_everywhere() { # a task on every node at once
    local began

    began=$(date +%s.%N)
    sbatch -o /dev/null --array "1-$agents" --exclusive --wrap true >/dev/null
    wait_for 300 queue_is_empty
    say everywhere "$agents exclusive jobs, one a node: all over after $(since "$began") s"
}
measure_questions() {
    say questions "squeue $("$build/bin/bench_spawn" 200 squeue); sinfo $("$build/bin/bench_spawn" 200 sinfo)"
}
measure_projector() { # dies while all agents hang at it
    local began

    end projector
    began=$(date +%s.%N)
    projector
    wait_for 60 squeue
    say projector "killed: answers again after $(since "$began") s"
    sbatch -o /dev/null --array "1-$agents" --exclusive --wrap true >/dev/null
    wait_for 300 queue_is_empty
    say projector "and has brought a job to each of $agents nodes after $(since "$began") s"
}
measure_controller() {
    local began

    end controller
    began=$(date +%s.%N)
    docketd controller --dir "$work/one" 2>>"$work/controller.said" &
    pid[controller]=$!
    wait_for 60 sbatch -H -o /dev/null --wrap true
    say controller "killed: admits again after $(since "$began") s"
    sleep 15
    say controller "15 s later $(sinfo -h -N -t idle | wc -l) nodes are idle, $(sinfo -h -N -t down | wc -l) down"
}

munged_start && start && measure_register || exit 1
for each in rest questions start everywhere projector controller; do
    "measure_$each"
done
