/* job_row.c - the columns of a job: each a name and how its cell is written (job_row.h) */
#include "projections/job_row.h"

#include "base/json.h"
#include "net/hostlist.h"
#include "projections/std_files.h"

#include <string.h>

#define HUNDRED_YEARS_US (INT64_C(36525) * 86400 * 1000000) /* a limit of so much is none */

struct column {
    const char *name;
    bool is_number;
    void (*write)(const struct dk_job_row *row, int64_t now, struct dk_buf *out);
};

const char *dk_row_state_word(enum dk_row_state state)
{
    static const char *const words[] = {
#define X(name, word, letters) word,
        DK_ROW_STATE_MAP(X)
#undef X
    };

    return state < DK_ROW_STATE_COUNT ? words[state] : "";
}

const char *dk_row_state_letters(enum dk_row_state state)
{
    static const char *const letters_of[] = {
#define X(name, word, letters) letters,
        DK_ROW_STATE_MAP(X)
#undef X
    };

    return state < DK_ROW_STATE_COUNT ? letters_of[state] : "";
}

/* --- pieces --- */

static void add_text(struct dk_buf *out, struct dk_text text)
{
    if (text.size > 0)
        (void)dk_buf_add(out, text.data, text.size);
}

static void add_time(struct dk_buf *out, int64_t time)
{
    if (time != 0)
        (void)dk_json_integer(out, time);
}

static void add_hex(struct dk_buf *out, struct dk_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";

    for (uint32_t i = 0; i < bytes.size; i++) {
        char pair[2] = { digits[bytes.data[i] >> 4], digits[bytes.data[i] & 15] };

        (void)dk_buf_add(out, pair, 2);
    }
}

/* 1-3,7,10-20:5 */
static void add_ranges(struct dk_buf *out, const struct dk_index_range *ranges, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct dk_index_range *range = &ranges[i];

        if (i > 0)
            (void)dk_buf_add_text(out, ",");
        (void)dk_json_integer(out, range->first);
        if (range->last < range->first + range->step)
            continue;
        (void)dk_buf_add_text(out, "-");
        (void)dk_json_integer(out, range->last);
        if (range->step > 1) {
            (void)dk_buf_add_text(out, ":");
            (void)dk_json_integer(out, range->step);
        }
    }
}

/* 0-3,8: cluster-wide numbers */
static void add_spans(struct dk_buf *out, const struct dk_span *spans, uint32_t count)
{
    int64_t next = 0;

    for (uint32_t i = 0; i < count; i++) {
        next += spans[i].gap;
        if (i > 0)
            (void)dk_buf_add_text(out, ",");
        (void)dk_json_integer(out, next);
        next += spans[i].count;
        if (spans[i].count > 1) {
            (void)dk_buf_add_text(out, "-");
            (void)dk_json_integer(out, next - 1);
        }
    }
}

static void add_names(struct dk_buf *out, const struct dk_text *names, uint32_t count)
{
    struct dk_hostlist list;

    if (count == 0)
        return;
    dk_hostlist_init(&list);
    for (uint32_t i = 0; i < count; i++)
        dk_hostlist_add(&list, names[i].data, names[i].size);
    dk_hostlist_compress(&list, out);
    dk_hostlist_release(&list);
}

/* 2(x3),1: equal neighbours are counted */
static void add_counts(struct dk_buf *out, const int32_t *counts, uint32_t count)
{
    for (uint32_t i = 0; i < count;) {
        uint32_t same = 1;

        while (i + same < count && counts[i + same] == counts[i])
            same++;
        if (i > 0)
            (void)dk_buf_add_text(out, ",");
        (void)dk_json_integer(out, counts[i]);
        if (same > 1) {
            (void)dk_buf_add_text(out, "(x");
            (void)dk_json_integer(out, same);
            (void)dk_buf_add_text(out, ")");
        }
        i += same;
    }
}

/* afterok:17,after:18+5 as sbatch takes it; ? between those of which one is enough */
static void add_dependencies(struct dk_buf *out, const struct dk_job_spec *spec)
{
    static const char *const words[] = { "after", "afterok", "afternotok", "afterany",
                                         "singleton" };

    for (uint32_t i = 0; i < spec->dependencies_count; i++) {
        const struct dk_dependency *dependency = &spec->dependencies[i];

        if (i > 0)
            (void)dk_buf_add_text(out, spec->dependency_any ? "?" : ",");
        (void)dk_buf_add_text(out, words[dependency->kind]);
        if (dependency->job == 0)
            continue;
        (void)dk_buf_add_text(out, ":");
        (void)dk_json_integer(out, dependency->job);
        if (dependency->delay_us > 0) {
            (void)dk_buf_add_text(out, "+");
            (void)dk_json_integer(out, dependency->delay_us / 60000000);
        }
    }
}

static bool has_started(const struct dk_job_row *row)
{
    return row->start != 0;
}

static bool has_ended(const struct dk_job_row *row)
{
    return row->state >= DK_ROW_COMPLETED;
}

/* --- columns --- */

#define WRITE(column)                                                                              \
    static void write_##column(const struct dk_job_row *row, int64_t now, struct dk_buf *out)
#define NUMBER(column, value)                                                                      \
    WRITE(column)                                                                                  \
    {                                                                                              \
        (void)now;                                                                                 \
        (void)dk_json_integer(out, value);                                                         \
    }
#define NUMBER_IF(column, condition, value)                                                        \
    WRITE(column)                                                                                  \
    {                                                                                              \
        (void)now;                                                                                 \
        if (condition)                                                                             \
            (void)dk_json_integer(out, value);                                                     \
    }
#define TEXT(column, value)                                                                        \
    WRITE(column)                                                                                  \
    {                                                                                              \
        (void)now;                                                                                 \
        add_text(out, value);                                                                      \
    }
#define TIME(column, value)                                                                        \
    WRITE(column)                                                                                  \
    {                                                                                              \
        (void)now;                                                                                 \
        add_time(out, value);                                                                      \
    }

NUMBER(id, row->id)
NUMBER_IF(array_job, row->array_job != 0, row->array_job)
NUMBER_IF(array_task, row->array_task >= 0, row->array_task)
NUMBER_IF(array_max, row->array_task<0 && row->spec->has_array && row->spec->array.running_max> 0,
          row->spec->array.running_max)
TEXT(name, row->step.size > 0 && row->step_name.size > 0 ? row->step_name : row->spec->name)
TEXT(user, row->user)
NUMBER(uid, row->uid)
TEXT(group, row->group)
NUMBER(gid, row->gid)
TEXT(account, row->spec->account)
TEXT(partition, row->partition)
TEXT(state, dk_text_of(dk_row_state_word(row->state)))
TEXT(state_short, dk_text_of(dk_row_state_letters(row->state)))
NUMBER_IF(priority, row->state == DK_ROW_PENDING && row->reason.size > 0, row->priority)
NUMBER(nice, row->spec->nice)
TIME(submit, row->submit)
TIME(eligible, row->eligible)
TIME(begin, row->spec->begin)
TIME(start, row->start)
TIME(end, row->end)
NUMBER_IF(limit, row->limit_us > 0 && row->limit_us < HUNDRED_YEARS_US, row->limit_us)
TIME(planned, row->planned)
TEXT(planned_nodes, row->planned_nodes)
NUMBER_IF(tasks, true,
          row->step.size > 0 && row->step_tasks > 0 ? row->step_tasks : row->spec->tasks)
NUMBER(cores_per_task, row->spec->cpus_per_task)
NUMBER_IF(tasks_per_node, row->spec->tasks_per_node > 0, row->spec->tasks_per_node)
NUMBER_IF(memory_per_node, row->spec->memory_mib_per_node > 0, row->spec->memory_mib_per_node)
NUMBER_IF(memory_per_core, row->spec->memory_mib_per_cpu > 0, row->spec->memory_mib_per_cpu)
NUMBER(cores, row->cores)
NUMBER(gpus, row->gpus)
NUMBER_IF(gpus_per_node, row->spec->gpus_per_node > 0, row->spec->gpus_per_node)
NUMBER_IF(gpus_per_task, row->spec->gpus_per_task > 0, row->spec->gpus_per_task)
NUMBER(exclusive, row->spec->exclusive ? 1 : 0)
NUMBER(requeue, row->spec->requeue ? 1 : 0)
TEXT(constraint, row->spec->constraint)
TEXT(node_list, row->node_list)
TEXT(batch_host, row->batch_host)
NUMBER_IF(exit_code, has_ended(row), row->exit_code)
NUMBER_IF(exit_signal, has_ended(row), row->exit_signal)
NUMBER(attempt, row->attempt)
TEXT(why, row->why)
TEXT(comment, row->spec->comment)
TEXT(work_dir, row->spec->work_dir)
NUMBER_IF(ended_by, row->ended_by >= 0, row->ended_by)
NUMBER_IF(user_us, row->has_usage, row->usage.user_us)
NUMBER_IF(system_us, row->has_usage, row->usage.system_us)
NUMBER_IF(rss_max_kib, row->has_usage, row->usage.rss_max_kib)
NUMBER_IF(read_bytes, row->has_usage, row->usage.read_bytes)
NUMBER_IF(written_bytes, row->has_usage, row->usage.written_bytes)
TEXT(step, row->step)

WRITE(array_spec)
{
    (void)now;
    add_ranges(out, row->array_ranges, row->array_ranges_count);
}

/* What people see as the reason: of a waiting job why it waits, of an ended one what went wrong. */
WRITE(reason)
{
    (void)now;
    if (row->state == DK_ROW_PENDING && row->reason.size == 0)
        (void)dk_buf_add_text(out, row->held_by_admin  ? "JobHeldAdmin"
                                   : row->held_by_user ? "JobHeldUser"
                                                       : "None");
    else if (row->state == DK_ROW_FAILED)
        (void)dk_buf_add_text(out, "NonZeroExitCode");
    else if (row->state == DK_ROW_TIMEOUT)
        (void)dk_buf_add_text(out, "TimeLimit");
    else if (row->state == DK_ROW_OUT_OF_MEMORY)
        (void)dk_buf_add_text(out, "OutOfMemory");
    else if (row->state == DK_ROW_NODE_FAIL)
        (void)dk_buf_add_text(out, "NodeDown");
    else if (row->state == DK_ROW_BOOT_FAIL)
        (void)dk_buf_add_text(out, "JobLaunchFailure");
    else
        add_text(out, row->reason.size > 0 ? row->reason : dk_text_of("None"));
}

WRITE(nodes)
{
    int64_t wanted = row->spec->nodes;

    (void)now;
    if (row->node_count == 0 && wanted == 0) /* as many as the tasks need: at least one */
        wanted =
            row->spec->tasks_per_node > 0
                ? (row->spec->tasks + row->spec->tasks_per_node - 1) / row->spec->tasks_per_node
                : 1;
    (void)dk_json_integer(out, row->node_count > 0 ? row->node_count : wanted);
}

WRITE(dependency)
{
    (void)now;
    add_dependencies(out, row->spec);
}

WRITE(nodes_wanted)
{
    (void)now;
    add_names(out, row->spec->nodes_wanted, row->spec->nodes_wanted_count);
}

WRITE(nodes_excluded)
{
    (void)now;
    add_names(out, row->spec->nodes_excluded, row->spec->nodes_excluded_count);
}

WRITE(core_list)
{
    (void)now;
    add_spans(out, row->core_spans, row->core_spans_count);
}

WRITE(gpu_list)
{
    (void)now;
    add_spans(out, row->gpu_spans, row->gpu_spans_count);
}

WRITE(cores_per_node)
{
    (void)now;
    add_counts(out, row->node_cores, row->node_count);
}

WRITE(hold)
{
    (void)now;
    if (row->held_by_user || row->held_by_admin)
        (void)dk_buf_add_text(out, row->held_by_admin ? "admin" : "user");
}

WRITE(command)
{
    (void)now;
    if (row->spec->has_launch)
        add_text(out, row->spec->launch.command);
}

WRITE(std_in)
{
    (void)now;
    dk_std_file_add(out, row, DK_STD_IN);
}

WRITE(std_out)
{
    (void)now;
    dk_std_file_add(out, row, DK_STD_OUT);
}

WRITE(std_err)
{
    (void)now;
    dk_std_file_add(out, row, DK_STD_ERR);
}

WRITE(submit_host)
{
    (void)now;
    add_text(out, row->spec->has_launch && row->spec->launch.submit_host.size > 0
                      ? row->spec->launch.submit_host
                      : row->host);
}

WRITE(key)
{
    (void)now;
    add_hex(out, row->key);
}

WRITE(script)
{
    (void)now;
    add_hex(out, row->spec->script);
}

/* Clocks are set, and a node may report any time: no time between two is negative or wraps. */
WRITE(elapsed)
{
    int64_t until = has_ended(row) ? row->end : now, elapsed = 0;

    if (has_started(row) && until > row->start &&
        __builtin_sub_overflow(until, row->start, &elapsed))
        elapsed = INT64_MAX;
    (void)dk_json_integer(out, elapsed);
}

static const struct column columns[] = {
#define N(name)                                                                                    \
    {                                                                                              \
#name, true, write_##name                                                                  \
    }
#define T(name)                                                                                    \
    {                                                                                              \
#name, false, write_##name                                                                 \
    }
    N(id),
    N(array_job),
    N(array_task),
    T(array_spec),
    N(array_max),
    T(name),
    T(user),
    N(uid),
    T(group),
    N(gid),
    T(account),
    T(partition),
    T(state),
    T(state_short),
    T(reason),
    N(priority),
    N(nice),
    N(submit),
    N(eligible),
    N(begin),
    N(start),
    N(end),
    N(limit),
    N(planned),
    T(planned_nodes),
    N(nodes),
    N(cores),
    N(tasks),
    N(cores_per_task),
    N(tasks_per_node),
    N(memory_per_node),
    N(memory_per_core),
    N(gpus),
    N(gpus_per_node),
    N(gpus_per_task),
    N(exclusive),
    N(requeue),
    T(constraint),
    T(dependency),
    T(nodes_wanted),
    T(nodes_excluded),
    T(node_list),
    T(batch_host),
    T(core_list),
    T(gpu_list),
    T(cores_per_node),
    N(exit_code),
    N(exit_signal),
    N(attempt),
    T(hold),
    T(why),
    T(comment),
    T(work_dir),
    T(command),
    T(std_in),
    T(std_out),
    T(std_err),
    T(submit_host),
    N(ended_by),
    T(key),
    T(script),
    N(user_us),
    N(system_us),
    N(rss_max_kib),
    N(read_bytes),
    N(written_bytes),
    T(step),
    N(elapsed),
#undef N
#undef T
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

int dk_job_column_find(const char *name, size_t size)
{
    for (int i = 0; i < COLUMNS; i++) {
        if (strncmp(columns[i].name, name, size) == 0 && columns[i].name[size] == '\0')
            return i;
    }
    return DK_JOB_COLUMN_NONE;
}

const char *dk_job_column_name(int column)
{
    return column >= 0 && column < COLUMNS ? columns[column].name : NULL;
}

bool dk_job_column_is_number(int column)
{
    return columns[column].is_number;
}

void dk_job_row_cell(const struct dk_job_row *row, int column, int64_t now, struct dk_buf *out)
{
    columns[column].write(row, now, out);
}
