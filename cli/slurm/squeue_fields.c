/* squeue_fields.c - every field that squeue can show: letters of -o, names of -O
 *
 * What docket does not have (reservations, licenses, WCKeys, federations...) shows what Slurm
 * shows where nothing is set. */
#include "cli/slurm/squeue.h"

#include <stdio.h>
#include <string.h>

#define CELL(name)                                                                                 \
    static void name(const void *row, const struct slurm_field *field, struct dk_buf *out)
#define KEY(name) static int64_t name(const void *row, const struct slurm_field *field)
#define UNUSED_FIELD (void)field

bool squeue_reason_is_shown(const struct slurm_job *job)
{
    static const char *const states[] = { "PENDING", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE",
                                          "FAILED" };

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(slurm_job_text(job, JOB_state), states[i]) == 0)
            return true;
    return false;
}

CELL(cell_job_id)
{
    UNUSED_FIELD;
    slurm_add_job_id(out, row);
}

CELL(cell_step_id)
{
    UNUSED_FIELD;
    slurm_add_job_id(out, row);
    (void)dk_buf_add_text(out, ".batch");
}

CELL(cell_array_id)
{
    int64_t array = slurm_job_number(row, JOB_array_job);

    UNUSED_FIELD;
    slurm_add_number(out, array != 0 ? array : slurm_job_number(row, JOB_id));
}

CELL(cell_index)
{
    size_t start = out->size;

    slurm_add_index(out, row);
    if (out->size == start)
        (void)dk_buf_add_text(out, field->constant);
}

static int64_t elapsed(const struct slurm_job *job)
{
    return slurm_job_number(job, JOB_elapsed) / SLURM_SECOND_US;
}

CELL(cell_elapsed)
{
    UNUSED_FIELD;
    slurm_add_elapsed(out, elapsed(row));
}

KEY(key_elapsed)
{
    UNUSED_FIELD;
    return elapsed(row);
}

CELL(cell_limit)
{
    int64_t limit = slurm_job_number(row, JOB_limit);

    UNUSED_FIELD;
    if (limit == 0)
        (void)dk_buf_add_text(out, "UNLIMITED");
    else
        slurm_add_elapsed(out, limit / SLURM_SECOND_US);
}

KEY(key_left)
{
    int64_t limit = slurm_job_number(row, JOB_limit) / SLURM_SECOND_US, left;

    UNUSED_FIELD;
    if (limit == 0)
        return INT64_MAX;
    left = limit - elapsed(row);
    return left > 0 ? left : 0;
}

CELL(cell_left)
{
    int64_t left = key_left(row, field);

    if (left == INT64_MAX)
        (void)dk_buf_add_text(out, "UNLIMITED");
    else
        slurm_add_elapsed(out, left);
}

/* Of a waiting job: the start that the scheduler has planned, or before which it may not start. */
KEY(key_start)
{
    const struct slurm_job *job = row;
    int64_t time = slurm_job_number(job, JOB_start);

    UNUSED_FIELD;
    if (time != 0)
        return time;
    if (slurm_job_phase(job) != SLURM_WAITS)
        return slurm_job_number(job, JOB_end);
    time = slurm_job_number(job, JOB_planned);
    if (time == 0)
        time = slurm_job_number(job, JOB_begin);
    return time > job->now_us ? time : INT64_MAX;
}

KEY(key_end)
{
    const struct slurm_job *job = row;
    int64_t time = slurm_job_number(job, JOB_end);
    int64_t limit = slurm_job_number(job, JOB_limit);

    if (time != 0)
        return time;
    time = key_start(row, field);
    return time == INT64_MAX || limit == 0 ? INT64_MAX : time + limit;
}

static void add_time(const void *row, const struct slurm_field *field, int64_t time,
                     struct dk_buf *out)
{
    struct slurm_job *job = (struct slurm_job *)(uintptr_t)row;

    if (time == INT64_MAX || time == 0)
        (void)dk_buf_add_text(out, field->constant);
    else
        slurm_add_date(out, &job->dates, time);
}

CELL(cell_start)
{
    add_time(row, field, key_start(row, field), out);
}

CELL(cell_end)
{
    add_time(row, field, key_end(row, field), out);
}

CELL(cell_reason)
{
    UNUSED_FIELD;
    (void)dk_buf_add_text(out, slurm_job_reason(row));
}

CELL(cell_reason_or_nodes)
{
    UNUSED_FIELD;
    if (!squeue_reason_is_shown(row)) {
        (void)dk_buf_add_text(out, slurm_job_text(row, JOB_node_list));
        return;
    }
    (void)dk_buf_add(out, "(", 1);
    (void)dk_buf_add_text(out, slurm_job_reason(row));
    (void)dk_buf_add(out, ")", 1);
}

CELL(cell_memory)
{
    int64_t memory = slurm_job_number(row, JOB_memory_per_node);

    UNUSED_FIELD;
    if (memory == 0)
        memory = slurm_job_number(row, JOB_memory_per_core);
    slurm_add_size(out, row, memory, 'M', false);
}

static int64_t cpus_least(const void *row)
{
    int64_t tasks =
        slurm_column_number(&((const struct slurm_job *)row)->view, JOB_tasks_per_node, 1);
    int64_t cores =
        slurm_column_number(&((const struct slurm_job *)row)->view, JOB_cores_per_task, 1);

    return (tasks > 0 ? tasks : 1) * (cores > 0 ? cores : 1);
}

/* What is left to wait for, item by item; nothing once all of it is there. */
CELL(cell_dependency)
{
    const char *at = slurm_job_text(row, JOB_dependency);
    const char *reason = slurm_job_text(row, JOB_reason);
    const char *mark =
        strcmp(reason, "DependencyNeverSatisfied") == 0 ? "(failed)" : "(unfulfilled)";

    if (*at == '\0' || strncmp(reason, "Dependency", 10) != 0) {
        (void)dk_buf_add_text(out, field->constant);
        return;
    }
    while (*at != '\0') {
        size_t size = strcspn(at, ",?");

        (void)dk_buf_add(out, at, size);
        (void)dk_buf_add_text(out, mark);
        at += size;
        if (*at != '\0')
            (void)dk_buf_add(out, at++, 1);
    }
}

CELL(cell_cpus_least)
{
    UNUSED_FIELD;
    slurm_add_number(out, cpus_least(row));
}

KEY(key_cpus_least)
{
    UNUSED_FIELD;
    return cpus_least(row);
}

CELL(cell_gpus)
{
    int64_t gpus = slurm_job_number(row, field->argument);

    if (gpus == 0) {
        (void)dk_buf_add_text(out, "N/A");
        return;
    }
    (void)dk_buf_add_text(out, "gres:gpu:");
    slurm_add_number(out, gpus);
}

/* GPUs asked for by the job in all, and not by its nodes or tasks. */
CELL(cell_gpus_in_all)
{
    if (slurm_job_number(row, JOB_gpus_per_node) != 0 ||
        slurm_job_number(row, JOB_gpus_per_task) != 0)
        (void)dk_buf_add_text(out, "N/A");
    else
        cell_gpus(row, field, out);
}

CELL(cell_tres)
{
    UNUSED_FIELD;
    slurm_add_tres(out, row, false, true);
}

CELL(cell_share)
{
    const char *text = slurm_job_text(row, JOB_exclusive);

    UNUSED_FIELD;
    (void)dk_buf_add_text(out, *text == '1' || *text == 't' ? "NO" : "OK");
}

CELL(cell_priority)
{
    char text[32];

    UNUSED_FIELD;
    (void)snprintf(text, sizeof(text), "%16.14f",
                   (double)slurm_job_number(row, JOB_priority) / 4294967295.0);
    (void)dk_buf_add_text(out, text);
}

CELL(cell_pending_time)
{
    const struct slurm_job *job = row;
    int64_t start = slurm_job_number(job, JOB_start);

    UNUSED_FIELD;
    if (start == 0)
        start = slurm_job_phase(job) == SLURM_WAITS ? job->now_us : slurm_job_number(job, JOB_end);
    slurm_add_number(out, (start - slurm_job_number(job, JOB_submit)) / SLURM_SECOND_US);
}

CELL(cell_restarts)
{
    int64_t attempt = slurm_job_number(row, JOB_attempt);

    UNUSED_FIELD;
    slurm_add_number(out,
                     slurm_job_phase(row) == SLURM_WAITS || attempt == 0 ? attempt : attempt - 1);
}

CELL(cell_exit_code)
{
    int64_t code = slurm_job_number(row, JOB_exit_code);

    UNUSED_FIELD;
    slurm_add_number(out, code != 0 ? code : slurm_job_number(row, JOB_exit_signal));
}

/* Without -e it goes where the output goes. */
CELL(cell_std_err)
{
    const char *text = slurm_job_text(row, JOB_std_err);

    UNUSED_FIELD;
    (void)dk_buf_add_text(out, *text != '\0' ? text : slurm_job_text(row, JOB_std_out));
}

#define B(name) JOB_BIT(name)
#define ID_COLUMNS (B(id) | B(array_job) | B(array_task) | B(array_spec) | B(array_max))
#define START_COLUMNS (B(start) | B(planned) | B(begin) | B(state) | B(end))
#define TRES_COLUMNS (B(cores) | B(gpus) | B(nodes) | B(memory_per_node) | B(memory_per_core))

/* A column as it is, ordered as a text or as a number, or not at all. */
#define TEXT(letter, name, heading, column, empty)                                                 \
    {                                                                                              \
        name, heading, slurm_cell_text, slurm_key_column, slurm_key_column_text, B(column), empty, \
            JOB_##column, letter, 0                                                                \
    }
#define NUMBER(letter, name, heading, column, empty)                                               \
    {                                                                                              \
        name, heading, slurm_cell_text, slurm_key_number, NULL, B(column), empty, JOB_##column,    \
            letter, 0                                                                              \
    }
#define DATE(letter, name, heading, column, empty)                                                 \
    {                                                                                              \
        name, heading, slurm_cell_date, slurm_key_number, NULL, B(column), empty, JOB_##column,    \
            letter, 0                                                                              \
    }
#define ALWAYS(letter, name, heading, text)                                                        \
    {                                                                                              \
        name, heading, slurm_cell_constant, NULL, NULL, 0, text, 0, letter, 0                      \
    }
#define OWN(letter, name, heading, cell, key, columns, empty, flags)                               \
    {                                                                                              \
        name, heading, cell, key, NULL, columns, empty, 0, letter, flags                           \
    }

const struct slurm_field squeue_job_fields[] = {
    TEXT('a', "account", "ACCOUNT", account, "(null)"),
    NUMBER('A', "jobid", "JOBID", id, NULL),
    { "tres-per-node", "TRES_PER_NODE", cell_gpus, slurm_key_number, NULL, B(gpus_per_node), NULL,
      JOB_gpus_per_node, 'b', 0 },
    TEXT('B', "batchhost", "EXEC_HOST", batch_host, "n/a"),
    OWN('c', "mincpus", "MIN_CPUS", cell_cpus_least, key_cpus_least,
        B(tasks_per_node) | B(cores_per_task), NULL, 0),
    NUMBER('C', "numcpus", "CPUS", cores, "1"),
    ALWAYS('d', "mintmpdisk", "MIN_TMP_DISK", "0"),
    NUMBER('D', "numnodes", "NODES", nodes, "1"),
    OWN('e', "endtime", "END_TIME", cell_end, key_end, START_COLUMNS | B(limit), "NONE", 0),
    { "dependency", "DEPENDENCY", cell_dependency, slurm_key_column, slurm_key_column_text,
      B(dependency) | B(reason), "(null)", JOB_dependency, 'E', 0 },
    TEXT('f', "feature", "FEATURES", constraint, "(null)"),
    { "arrayjobid", "ARRAY_JOB_ID", cell_array_id, NULL, NULL, B(array_job) | B(id), NULL, 0, 'F',
      0 },
    { "groupname", "GROUP", slurm_cell_group, slurm_key_column, slurm_key_column_text,
      B(group) | B(gid), NULL, JOB_group, 'g', 0 },
    NUMBER('G', "groupid", "GROUP", gid, NULL),
    OWN('h', "oversubscribe", "OVER_SUBSCRIBE", cell_share, NULL, B(exclusive), NULL, 0),
    ALWAYS('H', "sockets", "SOCKETS_PER_NODE", "*"),
    OWN('i', "jobarrayid", "JOBID", cell_job_id, slurm_key_job, ID_COLUMNS, NULL, 0),
    ALWAYS('I', "cores", "CORES_PER_SOCKET", "*"),
    TEXT('j', "name", "NAME", name, ""),
    ALWAYS('J', "threads", "THREADS_PER_CORE", "*"),
    TEXT('k', "comment", "COMMENT", comment, "(null)"),
    OWN('K', "arraytaskid", "ARRAY_TASK_ID", cell_index, NULL, ID_COLUMNS, "N/A", 0),
    { "timelimit", "TIME_LIMIT", cell_limit, slurm_key_number, NULL, B(limit), NULL, JOB_limit, 'l',
      SLURM_KEEP_CELL },
    OWN('L', "timeleft", "TIME_LEFT", cell_left, key_left, B(limit) | B(elapsed), NULL,
        SLURM_KEEP_CELL),
    { "minmemory", "MIN_MEMORY", cell_memory, slurm_key_number, NULL,
      B(memory_per_node) | B(memory_per_core), NULL, JOB_memory_per_node, 'm', 0 },
    OWN('M', "timeused", "TIME", cell_elapsed, key_elapsed, B(elapsed), NULL, SLURM_KEEP_CELL),
    TEXT('n', "reqnodes", "REQ_NODES", nodes_wanted, ""),
    { "nodelist", "NODELIST", slurm_cell_text, slurm_key_column, slurm_key_column_text,
      B(node_list), "", JOB_node_list, 'N', SLURM_KEEP_CELL | SLURM_KEEP_HEADING },
    TEXT('o', "command", "COMMAND", command, "(null)"),
    ALWAYS('O', "contiguous", "CONTIGUOUS", "0"),
    { "priority", "PRIORITY", cell_priority, slurm_key_number_or_zero, NULL, B(priority), NULL,
      JOB_priority, 'p', 0 },
    TEXT('P', "partition", "PARTITION", partition, ""),
    ALWAYS('q', "qos", "QOS", "normal"),
    { "prioritylong", "PRIORITY", slurm_cell_text, slurm_key_number_or_zero, NULL, B(priority), "0",
      JOB_priority, 'Q', 0 },
    OWN('r', "reason", "REASON", cell_reason, NULL, B(reason) | B(state), NULL, 0),
    OWN('R', "reasonlist", "NODELIST(REASON)", cell_reason_or_nodes, NULL,
        B(reason) | B(state) | B(node_list), NULL, SLURM_KEEP_CELL | SLURM_KEEP_HEADING),
    ALWAYS('s', "selectjobinfo", "", ""),
    OWN('S', "starttime", "START_TIME", cell_start, key_start, START_COLUMNS, "N/A", 0),
    TEXT('t', "statecompact", "ST", state_short, ""),
    { "state", "STATE", slurm_cell_text, slurm_key_column, NULL, B(state) | B(state_short), "",
      JOB_state, 'T', 0 },
    TEXT('u', "username", "USER", user, ""),
    NUMBER('U', "userid", "UID", uid, "0"),
    ALWAYS('v', "reservation", "RESERVATION", "(null)"),
    DATE('V', "submittime", "SUBMIT_TIME", submit, "N/A"),
    ALWAYS('w', "wckey", "WCKEY", "(null)"),
    ALWAYS('W', "licenses", "LICENSES", "(null)"),
    TEXT('x', "excnodes", "EXC_NODES", nodes_excluded, ""),
    ALWAYS('X', "corespec", "CORE_SPEC", "N/A"),
    NUMBER('y', "nice", "NICE", nice, "0"),
    { "schednodes", "SCHEDNODES", slurm_cell_text, NULL, NULL, JOB_BIT(planned_nodes), "(null)",
      JOB_planned_nodes, 'Y', SLURM_KEEP_CELL | SLURM_KEEP_HEADING },
    ALWAYS('z', "sct", "S:C:T", "*:*:*"),
    TEXT('Z', "workdir", "WORK_DIR", work_dir, "(null)"),
    /* Those that have a name alone. */
    DATE(0, "accruetime", "ACCRUE_TIME", eligible, "N/A"),
    ALWAYS(0, "admin_comment", "ADMIN_COMMENT", "(null)"),
    TEXT(0, "allocnodes", "ALLOC_NODES", submit_host, "(null)"),
    ALWAYS(0, "allocsid", "ALLOC_SID", "0"),
    ALWAYS(0, "associd", "ASSOC_ID", "0"),
    ALWAYS(0, "batchflag", "BATCH_FLAG", "1"),
    ALWAYS(0, "boardspernode", "BOARDS_PER_NODE", "0"),
    ALWAYS(0, "burstbuffer", "BURST_BUFFER", "(null)"),
    ALWAYS(0, "burstbufferstate", "BURST_BUFFER_STATE", "(null)"),
    ALWAYS(0, "cluster", "CLUSTER", "docket"),
    ALWAYS(0, "clusterfeature", "CLUSTER_FEATURES", "(null)"),
    ALWAYS(0, "container", "CONTAINER", "(null)"),
    NUMBER(0, "cpus-per-task", "CPUS_PER_TASK", cores_per_task, "1"),
    ALWAYS(0, "cpus-per-tres", "CPUS_PER_TRES", "N/A"),
    ALWAYS(0, "deadline", "DEADLINE", "N/A"),
    ALWAYS(0, "delayboot", "DELAY_BOOT", "0:00"),
    ALWAYS(0, "derivedec", "DERIVED_EC", "0"),
    DATE(0, "eligibletime", "ELIGIBLE_TIME", eligible, "N/A"),
    OWN(0, "exit_code", "EXIT_CODE", cell_exit_code, NULL, B(exit_code) | B(exit_signal), NULL, 0),
    ALWAYS(0, "hetjobid", "HET_JOB_ID", "N/A"),
    ALWAYS(0, "hetjobidset", "HET_JOB_ID_SET", "N/A"),
    ALWAYS(0, "hetjoboffset", "HET_JOB_OFFSET", "N/A"),
    ALWAYS(0, "lastschedeval", "LAST_SCHED_EVAL", "N/A"),
    NUMBER(0, "maxcpus", "MAX_CPUS", cores, "0"),
    NUMBER(0, "maxnodes", "MAX_NODES", nodes, "0"),
    ALWAYS(0, "mcslabel", "MCSLABEL", "(null)"),
    ALWAYS(0, "mem-per-tres", "MEM_PER_TRES", "N/A"),
    ALWAYS(0, "mintime", "TIME_MIN", "0:00"),
    ALWAYS(0, "network", "NETWORK", "(null)"),
    ALWAYS(0, "ntperboard", "NTASKS_PER_BOARD", "0"),
    ALWAYS(0, "ntpercore", "NTASKS_PER_CORE", "N/A"),
    NUMBER(0, "ntpernode", "NTASKS_PER_NODE", tasks_per_node, "0"),
    ALWAYS(0, "ntpersocket", "NTASKS_PER_SOCKET", "N/A"),
    NUMBER(0, "numtasks", "TASKS", tasks, "1"),
    ALWAYS(0, "origin", "ORIGIN", "NA"),
    ALWAYS(0, "originraw", "ORIGIN_RAW", "NA"),
    OWN(0, "pendingtime", "PENDING_TIME", cell_pending_time, NULL,
        B(start) | B(end) | B(submit) | B(state), NULL, 0),
    ALWAYS(0, "preempttime", "PREEMPT_TIME", "N/A"),
    ALWAYS(0, "prefer", "PREFER", "(null)"),
    ALWAYS(0, "profile", "PROFILE", "NotSet"),
    ALWAYS(0, "reboot", "REBOOT", "0"),
    ALWAYS(0, "reqswitch", "REQ_SWITCH", "0"),
    { "requeue", "REQUEUE", slurm_cell_flag, NULL, NULL, B(requeue), NULL, JOB_requeue, 0, 0 },
    ALWAYS(0, "resizetime", "RESIZE_TIME", "N/A"),
    OWN(0, "restartcnt", "RESTART_COUNT", cell_restarts, NULL, B(attempt) | B(state), NULL, 0),
    ALWAYS(0, "siblingsactive", "ACTIVE_SIBLINGS", "NA"),
    ALWAYS(0, "siblingsactiveraw", "ACTIVE_SIBLINGS_RAW", "NA"),
    ALWAYS(0, "siblingsviable", "VIABLE_SIBLINGS", "NA"),
    ALWAYS(0, "siblingsviableraw", "VIALBLE_SIBLINGS_RAW", "NA"), /* Slurm's own spelling */
    ALWAYS(0, "sperboard", "SOCKETS_PER_BOARD", "0"),
    OWN(0, "stderr", "STDERR", cell_std_err, NULL, B(std_err) | B(std_out), NULL, 0),
    TEXT(0, "stdin", "STDIN", std_in, "/dev/null"),
    TEXT(0, "stdout", "STDOUT", std_out, ""),
    ALWAYS(0, "system_comment", "SYSTEM_COMMENT", "(null)"),
    OWN(0, "tres-alloc", "TRES_ALLOC", cell_tres, NULL, TRES_COLUMNS, NULL, 0),
    ALWAYS(0, "tres-bind", "TRES_BIND", "N/A"),
    ALWAYS(0, "tres-freq", "TRES_FREQ", "N/A"),
    { "tres-per-job", "TRES_PER_JOB", cell_gpus_in_all, NULL, NULL,
      B(gpus) | B(gpus_per_node) | B(gpus_per_task), NULL, JOB_gpus, 0, 0 },
    ALWAYS(0, "tres-per-socket", "TRES_PER_SOCKET", "N/A"),
    { "tres-per-task", "TRES_PER_TASK", cell_gpus, NULL, NULL, B(gpus_per_task), NULL,
      JOB_gpus_per_task, 0, 0 },
    ALWAYS(0, "wait4switch", "WAIT4SWITCH", "0"),
};
const size_t squeue_job_field_count = sizeof(squeue_job_fields) / sizeof(squeue_job_fields[0]);

/* A running job has one step, its script, on its first node. */
const struct slurm_field squeue_step_fields[] = {
    ALWAYS('A', "numtasks", "TASKS", "1"),
    OWN('i', "stepid", "STEPID", cell_step_id, slurm_key_job, ID_COLUMNS, NULL, 0),
    ALWAYS('j', "stepname", "NAME", "batch"),
    ALWAYS('l', "timelimit", "TIME_LIMIT", "UNLIMITED"),
    OWN('M', "timeused", "TIME", cell_elapsed, key_elapsed, B(elapsed), NULL, SLURM_KEEP_CELL),
    { "nodes", "NODELIST", slurm_cell_text, slurm_key_column, slurm_key_column_text, B(batch_host),
      "", JOB_batch_host, 'N', SLURM_KEEP_CELL | SLURM_KEEP_HEADING },
    TEXT('P', "partition", "PARTITION", partition, ""),
    DATE('S', "starttime", "START_TIME", start, "N/A"),
    TEXT('u', "username", "USER", user, ""),
    NUMBER('U', "userid", "UID", uid, "0"),
    { "arrayjobid", "ARRAY_JOB_ID", cell_array_id, NULL, NULL, B(array_job) | B(id), NULL, 0, 0,
      0 },
    OWN(0, "arraytaskid", "ARRAY_TASK_ID", cell_index, NULL, ID_COLUMNS, "N/A", 0),
    NUMBER(0, "jobid", "JOBID", id, NULL),
    OWN(0, "jobarrayid", "JOBID", cell_job_id, NULL, ID_COLUMNS, NULL, 0),
    ALWAYS(0, "cluster", "CLUSTER", "docket"),
    ALWAYS(0, "container", "CONTAINER", "(null)"),
    ALWAYS(0, "cpufreq", "CPU_FREQ", "N/A"),
    ALWAYS(0, "name", "NAME", "batch"),
    ALWAYS(0, "network", "NETWORK", "(null)"),
    ALWAYS(0, "numcpus", "CPUS", "1"),
    ALWAYS(0, "resvport", "RESV_PORTS", "(null)"),
    TEXT(0, "stepstate", "STATE", state, ""),
};
const size_t squeue_step_field_count = sizeof(squeue_step_fields) / sizeof(squeue_step_fields[0]);
