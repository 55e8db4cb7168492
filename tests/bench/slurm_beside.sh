# slurm_beside.sh - Debian's Slurm 22.05 on this machine, private and disposable, to measure beside docket
#
#   . slurm_beside.sh
#   slurm_start FOLDER NODES    0 when it answers; sets SLURM_CONF and PATH-less commands work (sbatch...)
#   slurm_stop                  ends all its processes
#
# munged, mariadbd, slurmdbd, slurmctld and NODES slurmd, all under FOLDER, as root, on free ports of the
# loopback. Tuned as Slurm's own high-throughput guide says: no mail, no power saving, short intervals,
# sched_min_interval small, batch_sched_delay 0. Needs the packages slurm-wlm, slurmdbd, munge, mariadb-server.

slurm_have() {
    local command

    [ "$(id -u)" = 0 ] || return 1
    for command in slurmctld slurmd slurmdbd munged mariadbd mariadb-install-db sbatch; do
        command -v $command >/dev/null || return 1
    done
}

slurm_port() { # a port of the loopback that nobody listens on
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

slurm_wait() { # SECONDS COMMAND...: until the command succeeds
    local tries=$(($1 * 10))
    shift
    while [ $tries -gt 0 ]; do
        "$@" >/dev/null 2>&1 && return 0
        tries=$((tries - 1))
        sleep 0.1
    done
    return 1
}

slurm_accounts() { # the database and the daemon that writes it
    local dir=$1

    mkdir -p "$dir/db"
    mariadb-install-db --no-defaults --datadir="$dir/db" --auth-root-authentication-method=normal \
        --user=root >"$dir/logs/db-install" 2>&1 || return 1
    mariadbd --no-defaults --user=root --datadir="$dir/db" --socket="$dir/db.sock" --skip-networking \
        --pid-file="$dir/db.pid" --innodb-buffer-pool-size=128M >"$dir/logs/db" 2>&1 &
    slurm_pids+=($!)
    slurm_wait 20 mariadb --no-defaults -u root -S "$dir/db.sock" -e 'select 1' || return 1
    mariadb --no-defaults -u root -S "$dir/db.sock" -e 'create database slurm_acct_db'
    cat >"$dir/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$dir/munge/sock
DbdHost=localhost
DbdPort=$slurm_dbd_port
SlurmUser=root
StorageType=accounting_storage/mysql
StorageUser=root
StorageHost=localhost
StorageLoc=slurm_acct_db
LogFile=$dir/logs/slurmdbd
PidFile=$dir/slurmdbd.pid
CONF
    chmod 600 "$dir/slurmdbd.conf"
    MYSQL_UNIX_PORT="$dir/db.sock" slurmdbd -D >"$dir/logs/slurmdbd.out" 2>&1 &
    slurm_pids+=($!)
}

slurm_start() {
    local dir=$1 nodes=$2 n munge=$1/munge

    mkdir -p "$dir"/{logs,state,spool,munge}
    chmod 700 "$munge"
    slurm_pids=()
    slurm_dbd_port=$(slurm_port)
    head -c 128 /dev/urandom >"$munge/key"
    chmod 400 "$munge/key"
    chmod 711 "$munge"
    munged -F --force --key-file="$munge/key" --socket="$munge/sock" --pid-file="$munge/pid" \
        --log-file="$munge/log" --seed-file="$munge/seed" >"$dir/logs/munged" 2>&1 &
    slurm_pids+=($!)
    export SLURM_CONF=$dir/slurm.conf
    {
        cat <<CONF
ClusterName=beside
SlurmctldHost=localhost
SlurmctldPort=$(slurm_port)
AuthType=auth/munge
AuthInfo=socket=$munge/sock
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/logs/slurmctld
SlurmdLogFile=$dir/logs/slurmd-%n
SlurmctldDebug=error
SlurmdDebug=error
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=10000,sched_interval=1,defer,max_rpc_cnt=150,bf_interval=30
MessageTimeout=60
MinJobAge=300
MaxJobCount=200000
MaxArraySize=20001
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=$slurm_dbd_port
AccountingStoragePass=$munge/sock
SlurmdParameters=config_overrides
CONF
        for n in $(seq 1 "$nodes"); do
            echo "NodeName=s$n NodeHostname=localhost Port=$(slurm_port) CPUs=2 RealMemory=1000"
        done
        echo "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP"
    } >"$dir/slurm.conf"
    slurm_accounts "$dir" || return 1
    slurm_wait 20 sacctmgr -n list cluster || return 1
    sacctmgr -i add cluster beside >/dev/null 2>&1
    slurm_controller_begin "$dir"
    for n in $(seq 1 "$nodes"); do
        slurmd -D -N "s$n" >"$dir/logs/slurmd-s$n.out" 2>&1 &
        slurm_pids+=($!)
    done
    slurm_wait 30 slurm_all_idle "$nodes"
}

slurm_controller_begin() { # starts it, again after a kill -9 too; its number is in $slurm_controller_pid
    slurmctld -D >"$1/logs/slurmctld.out" 2>&1 &
    slurm_controller_pid=$!
    slurm_pids+=($!)
}

slurm_all_idle() {
    [ "$(sinfo -h -t idle -o %D)" = "$1" ]
}

slurm_stop() {
    local pid

    for pid in "${slurm_pids[@]}"; do kill "$pid" 2>/dev/null; done
    sleep 1
    for pid in "${slurm_pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
    wait "${slurm_pids[@]}" 2>/dev/null
}
