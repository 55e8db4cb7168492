/* squeue_json.c - a job as squeue --json of Slurm 22.05 writes it: the same keys in the same order
 *
 * Keys of what docket does not have hold what Slurm writes where nothing is set. */
#include "cli/slurm/squeue.h"

#include "base/json.h"

#include <string.h>

enum kind {
    CONSTANT, /* of the row, as it is */
    TEXT,
    NUMBER,  /* the constant where there is none */
    SECONDS, /* of a time or duration in microseconds */
    MINUTES, /* rounded up */
    FLAG,
    ARRAY_TEXT, /* 0-9%2 */
    TASK,       /* its index in an array */
    REASON,
    RESTARTS,
    EXIT_STATUS, /* as of wait(2) */
    FILE_ERR,
    START,
    TRES, /* asked for */
    TRES_HELD,
    GPUS,
    GROUP,
    RESOURCES
};

struct key {
    const char *name;
    enum kind kind;
    int column;
    const char *constant;
};

/* clang-format off */
static const struct key keys[] = {
    { "account", TEXT, JOB_account, "" },
    { "accrue_time", SECONDS, JOB_eligible, "0" },
    { "admin_comment", CONSTANT, 0, "\"\"" },
    { "array_job_id", NUMBER, JOB_array_job, "0" },
    { "array_task_id", TASK, JOB_array_task, "null" },
    { "array_max_tasks", NUMBER, JOB_array_max, "0" },
    { "array_task_string", ARRAY_TEXT, 0, "" },
    { "association_id", CONSTANT, 0, "0" },
    { "batch_features", CONSTANT, 0, "\"\"" },
    { "batch_flag", CONSTANT, 0, "true" },
    { "batch_host", TEXT, JOB_batch_host, "" },
    { "flags", CONSTANT, 0, "[]" },
    { "burst_buffer", CONSTANT, 0, "\"\"" },
    { "burst_buffer_state", CONSTANT, 0, "\"\"" },
    { "cluster", CONSTANT, 0, "\"docket\"" },
    { "cluster_features", CONSTANT, 0, "\"\"" },
    { "command", TEXT, JOB_command, "" },
    { "comment", TEXT, JOB_comment, "" },
    { "container", CONSTANT, 0, "\"\"" },
    { "contiguous", CONSTANT, 0, "false" },
    { "core_spec", CONSTANT, 0, "null" },
    { "thread_spec", CONSTANT, 0, "null" },
    { "cores_per_socket", CONSTANT, 0, "null" },
    { "billable_tres", NUMBER, JOB_cores, "null" },
    { "cpus_per_task", NUMBER, JOB_cores_per_task, "null" },
    { "cpu_frequency_minimum", CONSTANT, 0, "null" },
    { "cpu_frequency_maximum", CONSTANT, 0, "null" },
    { "cpu_frequency_governor", CONSTANT, 0, "null" },
    { "cpus_per_tres", CONSTANT, 0, "\"\"" },
    { "deadline", CONSTANT, 0, "0" },
    { "delay_boot", CONSTANT, 0, "0" },
    { "dependency", TEXT, JOB_dependency, "" },
    { "derived_exit_code", CONSTANT, 0, "0" },
    { "eligible_time", SECONDS, JOB_eligible, "0" },
    { "end_time", SECONDS, JOB_end, "0" },
    { "excluded_nodes", TEXT, JOB_nodes_excluded, "" },
    { "exit_code", EXIT_STATUS, 0, "0" },
    { "features", TEXT, JOB_constraint, "" },
    { "federation_origin", CONSTANT, 0, "\"\"" },
    { "federation_siblings_active", CONSTANT, 0, "\"\"" },
    { "federation_siblings_viable", CONSTANT, 0, "\"\"" },
    { "gres_detail", CONSTANT, 0, "[]" },
    { "group_id", NUMBER, JOB_gid, "0" },
    { "group_name", GROUP, 0, "" },
    { "job_id", NUMBER, JOB_id, "0" },
    { "job_resources", RESOURCES, 0, "" },
    { "job_state", TEXT, JOB_state, "" },
    { "last_sched_evaluation", CONSTANT, 0, "0" },
    { "licenses", CONSTANT, 0, "\"\"" },
    { "max_cpus", CONSTANT, 0, "0" },
    { "max_nodes", CONSTANT, 0, "0" },
    { "mcs_label", CONSTANT, 0, "\"\"" },
    { "memory_per_tres", CONSTANT, 0, "\"\"" },
    { "name", TEXT, JOB_name, "" },
    { "nodes", TEXT, JOB_node_list, "" },
    { "nice", NUMBER, JOB_nice, "null" },
    { "tasks_per_core", CONSTANT, 0, "null" },
    { "tasks_per_node", NUMBER, JOB_tasks_per_node, "0" },
    { "tasks_per_socket", CONSTANT, 0, "null" },
    { "tasks_per_board", CONSTANT, 0, "0" },
    { "cpus", NUMBER, JOB_cores, "null" },
    { "node_count", NUMBER, JOB_nodes, "0" },
    { "tasks", NUMBER, JOB_tasks, "null" },
    { "het_job_id", CONSTANT, 0, "0" },
    { "het_job_id_set", CONSTANT, 0, "\"\"" },
    { "het_job_offset", CONSTANT, 0, "0" },
    { "partition", TEXT, JOB_partition, "" },
    { "prefer", CONSTANT, 0, "\"\"" },
    { "memory_per_node", NUMBER, JOB_memory_per_node, "null" },
    { "memory_per_cpu", NUMBER, JOB_memory_per_core, "null" },
    { "minimum_cpus_per_node", NUMBER, JOB_cores_per_task, "1" },
    { "minimum_tmp_disk_per_node", CONSTANT, 0, "0" },
    { "preempt_time", CONSTANT, 0, "0" },
    { "pre_sus_time", CONSTANT, 0, "0" },
    { "priority", NUMBER, JOB_priority, "0" },
    { "profile", CONSTANT, 0, "null" },
    { "qos", CONSTANT, 0, "\"normal\"" },
    { "reboot", CONSTANT, 0, "false" },
    { "required_nodes", TEXT, JOB_nodes_wanted, "" },
    { "requeue", FLAG, JOB_requeue, "" },
    { "resize_time", CONSTANT, 0, "0" },
    { "restart_cnt", RESTARTS, 0, "0" },
    { "resv_name", CONSTANT, 0, "\"\"" },
    { "shared", CONSTANT, 0, "null" },
    { "show_flags", CONSTANT, 0, "[\"SHOW_ALL\", \"SHOW_DETAIL\", \"SHOW_LOCAL\"]" },
    { "sockets_per_board", CONSTANT, 0, "0" },
    { "sockets_per_node", CONSTANT, 0, "null" },
    { "start_time", START, 0, "0" },
    { "state_description", CONSTANT, 0, "\"\"" },
    { "state_reason", REASON, 0, "" },
    { "standard_error", FILE_ERR, JOB_std_err, "" },
    { "standard_input", TEXT, JOB_std_in, "/dev/null" },
    { "standard_output", TEXT, JOB_std_out, "" },
    { "submit_time", SECONDS, JOB_submit, "0" },
    { "suspend_time", CONSTANT, 0, "0" },
    { "system_comment", CONSTANT, 0, "\"\"" },
    { "time_limit", MINUTES, JOB_limit, "null" },
    { "time_minimum", CONSTANT, 0, "0" },
    { "threads_per_core", CONSTANT, 0, "null" },
    { "tres_bind", CONSTANT, 0, "\"\"" },
    { "tres_freq", CONSTANT, 0, "\"\"" },
    { "tres_per_job", CONSTANT, 0, "\"\"" },
    { "tres_per_node", GPUS, JOB_gpus_per_node, "" },
    { "tres_per_socket", CONSTANT, 0, "\"\"" },
    { "tres_per_task", GPUS, JOB_gpus_per_task, "" },
    { "tres_req_str", TRES, 0, "" },
    { "tres_alloc_str", TRES_HELD, 0, "" },
    { "user_id", NUMBER, JOB_uid, "0" },
    { "user_name", TEXT, JOB_user, "" },
    { "wckey", CONSTANT, 0, "\"\"" },
    { "current_working_directory", TEXT, JOB_work_dir, "" },
};
/* clang-format on */

#define B(name) JOB_BIT(name)
const uint64_t squeue_json_columns =
    B(account) | B(eligible) | B(array_job) | B(array_task) | B(array_spec) | B(array_max) |
    B(batch_host) | B(command) | B(comment) | B(cores) | B(cores_per_task) | B(dependency) |
    B(end) | B(nodes_excluded) | B(exit_code) | B(exit_signal) | B(constraint) | B(gid) | B(group) |
    B(id) | B(state) | B(name) | B(node_list) | B(nice) | B(tasks_per_node) | B(nodes) | B(tasks) |
    B(partition) | B(memory_per_node) | B(memory_per_core) | B(priority) | B(nodes_wanted) |
    B(requeue) | B(attempt) | B(start) | B(planned) | B(reason) | B(std_err) | B(std_in) |
    B(std_out) | B(submit) | B(limit) | B(gpus) | B(gpus_per_node) | B(gpus_per_task) | B(uid) |
    B(user) | B(work_dir) | B(cores_per_node);

static void add_text(struct dk_buf *out, const char *text)
{
    (void)dk_json_text(out, dk_text_of(text));
}

/* A text that is built behind `out` and then written as JSON in its place. */
static void quote_since(struct dk_buf *out, size_t start)
{
    struct dk_buf plain;

    dk_buf_init(&plain, &dk_heap, 1 << 20);
    (void)dk_buf_add(&plain, out->data + start, out->size - start);
    out->size = start;
    (void)dk_json_text(out, (struct dk_text){ (const char *)plain.data, (uint32_t)plain.size });
    dk_buf_release(&plain);
}

static void add_number(struct dk_buf *out, const struct key *key, int64_t number)
{
    if (number == 0)
        (void)dk_buf_add_text(out, key->constant);
    else
        slurm_add_number(out, number);
}

static void add_resources(struct dk_buf *out, const struct slurm_job *job)
{
    (void)dk_buf_add_text(out, "{\"nodes\": ");
    add_text(out, slurm_job_text(job, JOB_node_list));
    (void)dk_buf_add_text(out, ", \"allocated_cores\": ");
    slurm_add_number(out, slurm_job_number(job, JOB_cores));
    (void)dk_buf_add_text(out, ", \"allocated_hosts\": ");
    slurm_add_number(out, slurm_job_number(job, JOB_nodes));
    (void)dk_buf_add_text(out, ", \"allocated_nodes\": []}");
}

/* What several columns say together. */
static void add_derived(struct dk_buf *out, const struct slurm_job *job, const struct key *key)
{
    int64_t number = slurm_job_number(job, JOB_attempt);
    bool is_waiting = slurm_job_phase(job) == SLURM_WAITS;
    size_t start = out->size;

    switch ((int)key->kind) {
    case RESTARTS:
        slurm_add_number(out, number > 0 && !is_waiting ? number - 1 : number);
        return;
    case EXIT_STATUS:
        slurm_add_number(out, slurm_job_number(job, JOB_exit_code) * 256 +
                                  slurm_job_number(job, JOB_exit_signal));
        return;
    case START:
        number = slurm_job_number(job, is_waiting ? JOB_planned : JOB_start);
        slurm_add_number(out, number / SLURM_SECOND_US);
        return;
    case RESOURCES:
        add_resources(out, job);
        return;
    case REASON:
        (void)dk_buf_add_text(out, slurm_job_reason(job));
        break;
    case ARRAY_TEXT:
        if (*slurm_job_text(job, JOB_array_spec) != '\0')
            slurm_add_index(out, job);
        break;
    case TRES:
        slurm_add_tres(out, job, false, true);
        break;
    case TRES_HELD:
        if (*slurm_job_text(job, JOB_node_list) != '\0')
            slurm_add_tres(out, job, false, true);
        break;
    default: /* GROUP */
        slurm_cell_group(job, NULL, out);
        break;
    }
    quote_since(out, start);
}

static void add_value(struct dk_buf *out, const struct slurm_job *job, const struct key *key)
{
    const char *text = slurm_job_text(job, key->column);
    int64_t number = slurm_job_number(job, key->column);
    size_t start = out->size;

    switch ((int)key->kind) {
    case CONSTANT:
        (void)dk_buf_add_text(out, key->constant);
        break;
    case TEXT:
        add_text(out, *text == '\0' ? key->constant : text);
        break;
    case NUMBER:
        (void)dk_buf_add_text(out, *text == '\0' || *text == '0' ? key->constant : text);
        break;
    case SECONDS:
        add_number(out, key, number / SLURM_SECOND_US);
        break;
    case MINUTES:
        add_number(out, key, (number + 60 * SLURM_SECOND_US - 1) / (60 * SLURM_SECOND_US));
        break;
    case FLAG:
        (void)dk_buf_add_text(out, *text == '1' || *text == 't' ? "true" : "false");
        break;
    case TASK:
        (void)dk_buf_add_text(out, *text == '\0' || *text == '-' ? "null" : text);
        break;
    case FILE_ERR:
        add_text(out, *text != '\0' ? text : slurm_job_text(job, JOB_std_out));
        break;
    case GPUS:
        if (number != 0) {
            (void)dk_buf_add_text(out, "gres:gpu:");
            slurm_add_number(out, number);
        }
        quote_since(out, start);
        break;
    default:
        add_derived(out, job, key);
        break;
    }
}

void squeue_json_job(struct dk_buf *out, const struct slurm_job *job)
{
    bool has_nodes = *slurm_job_text(job, JOB_node_list) != '\0';
    const char *divider = "    {";

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i].kind == RESOURCES && !has_nodes)
            continue; /* the key is there only for jobs that hold nodes */
        (void)dk_buf_add_text(out, divider);
        divider = ",";
        (void)dk_buf_add_text(out, "\n      ");
        add_text(out, keys[i].name);
        (void)dk_buf_add(out, ": ", 2);
        add_value(out, job, &keys[i]);
    }
    (void)dk_buf_add_text(out, "\n    }");
}
