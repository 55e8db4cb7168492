/* sacct_fields.c - every field of sacct -e of Slurm 22.05, and Planned, StdOut of later ones
 *
 * What docket does not measure or have (virtual memory, pages, energy, associations) is empty, or
 * what Slurm shows where nothing is set. */
#include "cli/slurm/sacct.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CELL(name)                                                                                 \
    static void name(const void *row, const struct slurm_field *field, struct dk_buf *out)

static bool is_pending(const void *row)
{
    return slurm_job_phase(row) == SLURM_WAITS;
}

/* --- times --- */

int64_t sacct_start(const struct sacct_row *row)
{
    int64_t start = slurm_job_number(&row->job, JOB_start);

    if (start == 0 && slurm_job_phase(&row->job) == SLURM_ENDED)
        start = slurm_job_number(&row->job, JOB_end); /* cancelled while it waited */
    if (!row->sacct->is_truncated)
        return start;
    if (start == 0)
        return row->sacct->until;
    return start < row->sacct->since ? row->sacct->since : start;
}

int64_t sacct_end(const struct sacct_row *row)
{
    int64_t end =
        slurm_job_phase(&row->job) == SLURM_ENDED ? slurm_job_number(&row->job, JOB_end) : 0;

    if (row->sacct->is_truncated && (end == 0 || end > row->sacct->until))
        return row->sacct->until;
    return end;
}

int64_t sacct_elapsed_s(const struct sacct_row *row)
{
    if (row->sacct->is_truncated)
        return (sacct_end(row) - sacct_start(row)) / SLURM_SECOND_US;
    return slurm_job_number(&row->job, JOB_elapsed) / SLURM_SECOND_US;
}

static void add_time(const void *row, int64_t time, struct dk_buf *out)
{
    struct slurm_job *job = (struct slurm_job *)(uintptr_t)row;

    if (time == 0)
        (void)dk_buf_add_text(out, "Unknown");
    else
        slurm_add_date(out, &job->dates, time);
}

CELL(cell_start)
{
    (void)field;
    add_time(row, sacct_start(row), out);
}

CELL(cell_end)
{
    (void)field;
    add_time(row, sacct_end(row), out);
}

CELL(cell_submit)
{
    (void)field;
    add_time(row, slurm_job_number(row, sacct_is_step(row) ? JOB_start : JOB_submit), out);
}

CELL(cell_eligible)
{
    (void)field;
    add_time(row, slurm_job_number(row, sacct_is_step(row) ? JOB_start : JOB_eligible), out);
}

CELL(cell_elapsed)
{
    (void)field;
    slurm_add_clock(out, sacct_elapsed_s(row));
}

CELL(cell_elapsed_raw)
{
    (void)field;
    slurm_add_number(out, sacct_elapsed_s(row));
}

CELL(cell_core_time)
{
    int64_t seconds = sacct_elapsed_s(row) * slurm_job_number(row, JOB_cores);

    if (field->argument != 0)
        slurm_add_number(out, seconds);
    else
        slurm_add_clock(out, seconds);
}

/* How long it waited, from when it might have started; 1: times cores, 2: as a number. */
CELL(cell_waited)
{
    const struct sacct_row *of = row;
    int64_t from = slurm_job_number(row, JOB_eligible), to = slurm_job_number(row, JOB_start);
    int64_t seconds = 0;

    if (to == 0)
        to = is_pending(row) ? of->job.now_us : slurm_job_number(row, JOB_end);
    if (from != 0 && to > from)
        seconds = (to - from) / SLURM_SECOND_US;
    if (field->argument > 0)
        seconds *= slurm_job_number(row, JOB_cores);
    if (field->argument > 1)
        slurm_add_number(out, seconds);
    else
        slurm_add_clock(out, seconds);
}

CELL(cell_limit)
{
    int64_t limit = slurm_job_number(row, JOB_limit);

    if (limit == 0)
        (void)dk_buf_add_text(out, "UNLIMITED");
    else if (field->argument != 0)
        slurm_add_number(out, (limit + 60 * SLURM_SECOND_US - 1) / (60 * SLURM_SECOND_US));
    else
        slurm_add_clock(out, limit / SLURM_SECOND_US);
}

/* --- what it is --- */

CELL(cell_job_id)
{
    (void)field;
    slurm_add_job_id(out, row);
    if (sacct_is_step(row)) {
        (void)dk_buf_add(out, ".", 1);
        (void)dk_buf_add_text(out, slurm_job_text(row, JOB_step));
    }
}

CELL(cell_job_id_raw)
{
    (void)field;
    (void)dk_buf_add_text(out, slurm_job_text(row, JOB_id));
    if (sacct_is_step(row)) {
        (void)dk_buf_add(out, ".", 1);
        (void)dk_buf_add_text(out, slurm_job_text(row, JOB_step));
    }
}

CELL(cell_state)
{
    const char *by = slurm_job_text(row, JOB_ended_by);

    (void)field;
    (void)dk_buf_add_text(out, slurm_job_text(row, JOB_state));
    if (*by != '\0' && !sacct_is_step(row) &&
        strcmp(slurm_job_text(row, JOB_state), "CANCELLED") == 0) {
        (void)dk_buf_add_text(out, " by ");
        (void)dk_buf_add_text(out, by);
    }
}

CELL(cell_exit)
{
    (void)field;
    slurm_add_number(out, slurm_job_number(row, JOB_exit_code));
    (void)dk_buf_add(out, ":", 1);
    slurm_add_number(out, slurm_job_number(row, JOB_exit_signal));
}

CELL(cell_reason)
{
    const char *reason = slurm_job_text(row, JOB_reason);

    (void)field;
    (void)dk_buf_add_text(out, *reason == '\0' ? "None" : reason);
}

CELL(cell_nodes)
{
    const char *nodes = slurm_job_text(row, JOB_node_list);

    (void)field;
    (void)dk_buf_add_text(out, *nodes == '\0' ? "None assigned" : nodes);
}

CELL(cell_nodes_held)
{
    const char *nodes = slurm_job_text(row, JOB_node_list);

    (void)field;
    (void)dk_buf_add_text(out, *nodes == '\0' ? "0" : slurm_job_text(row, JOB_nodes));
}

CELL(cell_tres)
{
    bool is_held = *slurm_job_text(row, JOB_node_list) != '\0';

    if (sacct_is_step(row)) {
        (void)dk_buf_add_text(out, "cpu=");
        (void)dk_buf_add_text(out, slurm_job_text(row, JOB_cores));
        (void)dk_buf_add_text(out, ",mem=0,node=");
        (void)dk_buf_add_text(out, slurm_job_text(row, JOB_nodes));
    } else if (field->argument == 0 || is_held) {
        slurm_add_tres(out, row, true, true);
    }
}

CELL(cell_memory)
{
    (void)field;
    slurm_add_size(out, row, slurm_job_memory(row), 'M', true);
}

CELL(cell_cluster)
{
    (void)field;
    (void)dk_buf_add_text(out, ((const struct sacct_row *)row)->sacct->cluster);
}

/* --- what it used --- */

static bool has_usage(const void *row)
{
    return *slurm_job_text(row, JOB_user_us) != '\0';
}

CELL(cell_cpu)
{
    int64_t us = 0;

    if (field->argument != JOB_system_us)
        us += slurm_job_number(row, JOB_user_us);
    if (field->argument != JOB_user_us)
        us += slurm_job_number(row, JOB_system_us);
    slurm_add_cpu_time(out, us);
}

/* Of a task, of which a step has one or more: Slurm shows whole seconds here. */
CELL(cell_task_cpu)
{
    int64_t tasks = slurm_column_number(&((const struct slurm_job *)row)->view, JOB_tasks, 1);
    int64_t us = slurm_job_number(row, JOB_user_us) + slurm_job_number(row, JOB_system_us);

    (void)field;
    if (has_usage(row))
        slurm_add_clock(out, us / SLURM_SECOND_US / (tasks > 0 ? tasks : 1));
}

CELL(cell_rss)
{
    (void)field;
    if (has_usage(row))
        slurm_add_size(out, row, slurm_job_number(row, JOB_rss_max_kib) * 1024, 'B', true);
}

/* Bytes read or written, in MiB unless --units says otherwise. */
CELL(cell_disk)
{
    struct slurm_job *job = (struct slurm_job *)(uintptr_t)row;
    char unit = job->unit;

    if (!has_usage(row))
        return;
    if (unit == 0)
        job->unit = 'M';
    slurm_add_size(out, row, slurm_job_number(row, field->argument), 'B', false);
    job->unit = unit;
}

/* The node and the task of a maximum: the agents report a step's whole usage from its first. */
CELL(cell_usage_node)
{
    (void)field;
    if (has_usage(row))
        (void)dk_buf_add_text(out, slurm_job_text(row, JOB_batch_host));
}

CELL(cell_usage_task)
{
    (void)field;
    if (has_usage(row))
        (void)dk_buf_add(out, "0", 1);
}

CELL(cell_usage_in)
{
    (void)field;
    if (!has_usage(row))
        return;
    (void)dk_buf_add_text(out, "cpu=");
    cell_task_cpu(row, field, out);
    (void)dk_buf_add_text(out, ",fs/disk=");
    slurm_add_number(out, slurm_job_number(row, JOB_read_bytes));
    (void)dk_buf_add_text(out, ",mem=");
    slurm_add_number(out, slurm_job_number(row, JOB_rss_max_kib));
    (void)dk_buf_add(out, "K", 1);
}

CELL(cell_usage_out)
{
    (void)field;
    if (!has_usage(row))
        return;
    (void)dk_buf_add_text(out, "fs/disk=");
    slurm_add_number(out, slurm_job_number(row, JOB_written_bytes));
}

#define B(name) JOB_BIT(name)
#define ID_COLUMNS (B(id) | B(array_job) | B(array_task) | B(array_spec) | B(array_max) | B(step))
#define TIME_COLUMNS (B(start) | B(end) | B(elapsed) | B(state))
#define TRES_COLUMNS                                                                               \
    (B(cores) | B(gpus) | B(nodes) | B(memory_per_node) | B(memory_per_core) | B(node_list) |      \
     B(step))
#define USAGE_COLUMNS                                                                              \
    (B(user_us) | B(system_us) | B(rss_max_kib) | B(read_bytes) | B(written_bytes) |               \
     B(batch_host) | B(tasks))

#define OWN(width, name, whom, cell, columns, argument)                                            \
    {                                                                                              \
        { name, name, cell, NULL, NULL, columns, NULL, argument, 0, whom }, width                  \
    }
#define TEXT(width, name, whom, column, empty)                                                     \
    {                                                                                              \
        { name, name, slurm_cell_text, NULL, NULL, B(column), empty, JOB_##column, 0, whom },      \
            width                                                                                  \
    }
#define ALWAYS(width, name, whom, text)                                                            \
    {                                                                                              \
        { name, name, slurm_cell_constant, NULL, NULL, 0, text, 0, 0, whom }, width                \
    }
#define BOTH (SACCT_JOB | SACCT_STEP)
#define JOB SACCT_JOB
#define STEP SACCT_STEP

const struct sacct_field sacct_fields[] = {
    TEXT(10, "Account", BOTH, account, ""),
    ALWAYS(15, "AdminComment", BOTH, ""),
    TEXT(10, "AllocCPUS", BOTH, cores, "0"),
    OWN(10, "AllocNodes", BOTH, cell_nodes_held, B(nodes) | B(node_list), 0),
    OWN(10, "AllocTRES", BOTH, cell_tres, TRES_COLUMNS, 1),
    ALWAYS(7, "AssocID", BOTH, "0"),
    OWN(10, "AveCPU", STEP, cell_task_cpu, USAGE_COLUMNS, 0),
    ALWAYS(10, "AveCPUFreq", STEP, "0"),
    OWN(14, "AveDiskRead", STEP, cell_disk, USAGE_COLUMNS, JOB_read_bytes),
    OWN(14, "AveDiskWrite", STEP, cell_disk, USAGE_COLUMNS, JOB_written_bytes),
    ALWAYS(10, "AvePages", BOTH, ""),
    OWN(10, "AveRSS", STEP, cell_rss, USAGE_COLUMNS, 0),
    ALWAYS(10, "AveVMSize", BOTH, ""),
    ALWAYS(16, "BlockID", BOTH, ""),
    OWN(10, "Cluster", BOTH, cell_cluster, 0, 0),
    TEXT(14, "Comment", JOB, comment, ""),
    TEXT(19, "Constraints", JOB, constraint, ""),
    ALWAYS(14, "ConsumedEnergy", BOTH, "0"),
    ALWAYS(17, "ConsumedEnergyRaw", BOTH, "0"),
    ALWAYS(19, "Container", BOTH, ""),
    OWN(10, "CPUTime", BOTH, cell_core_time, TIME_COLUMNS | B(cores), 0),
    OWN(10, "CPUTimeRAW", BOTH, cell_core_time, TIME_COLUMNS | B(cores), 1),
    TEXT(-10, "DBIndex", BOTH, id, ""),
    ALWAYS(15, "DerivedExitCode", JOB, "0:0"),
    OWN(10, "Elapsed", BOTH, cell_elapsed, TIME_COLUMNS, 0),
    OWN(10, "ElapsedRaw", BOTH, cell_elapsed_raw, TIME_COLUMNS, 0),
    OWN(19, "Eligible", BOTH, cell_eligible, B(eligible) | B(start) | B(step), 0),
    OWN(19, "End", BOTH, cell_end, TIME_COLUMNS, 0),
    OWN(8, "ExitCode", BOTH, cell_exit, B(exit_code) | B(exit_signal), 0),
    ALWAYS(19, "Flags", BOTH, ""),
    TEXT(6, "GID", JOB, gid, ""),
    OWN(9, "Group", JOB, slurm_cell_group, B(group) | B(gid), 0),
    OWN(-12, "JobID", BOTH, cell_job_id, ID_COLUMNS, 0),
    OWN(-12, "JobIDRaw", BOTH, cell_job_id_raw, B(id) | B(step), 0),
    TEXT(10, "JobName", BOTH, name, ""),
    ALWAYS(9, "Layout", STEP, "Unknown"),
    OWN(12, "MaxDiskRead", STEP, cell_disk, USAGE_COLUMNS, JOB_read_bytes),
    OWN(15, "MaxDiskReadNode", STEP, cell_usage_node, USAGE_COLUMNS, 0),
    OWN(15, "MaxDiskReadTask", STEP, cell_usage_task, USAGE_COLUMNS, 0),
    OWN(12, "MaxDiskWrite", STEP, cell_disk, USAGE_COLUMNS, JOB_written_bytes),
    OWN(16, "MaxDiskWriteNode", STEP, cell_usage_node, USAGE_COLUMNS, 0),
    OWN(16, "MaxDiskWriteTask", STEP, cell_usage_task, USAGE_COLUMNS, 0),
    ALWAYS(8, "MaxPages", BOTH, ""),
    ALWAYS(12, "MaxPagesNode", BOTH, ""),
    ALWAYS(14, "MaxPagesTask", BOTH, ""),
    OWN(10, "MaxRSS", STEP, cell_rss, USAGE_COLUMNS, 0),
    OWN(10, "MaxRSSNode", STEP, cell_usage_node, USAGE_COLUMNS, 0),
    OWN(10, "MaxRSSTask", STEP, cell_usage_task, USAGE_COLUMNS, 0),
    ALWAYS(10, "MaxVMSize", BOTH, ""),
    ALWAYS(14, "MaxVMSizeNode", BOTH, ""),
    ALWAYS(14, "MaxVMSizeTask", BOTH, ""),
    ALWAYS(12, "McsLabel", BOTH, ""),
    OWN(10, "MinCPU", STEP, cell_task_cpu, USAGE_COLUMNS, 0),
    OWN(10, "MinCPUNode", STEP, cell_usage_node, USAGE_COLUMNS, 0),
    OWN(10, "MinCPUTask", STEP, cell_usage_task, USAGE_COLUMNS, 0),
    TEXT(10, "NCPUS", BOTH, cores, "0"),
    TEXT(8, "NNodes", BOTH, nodes, "0"),
    OWN(15, "NodeList", BOTH, cell_nodes, B(node_list), 0),
    TEXT(8, "NTasks", STEP, tasks, "1"),
    TEXT(10, "Partition", JOB, partition, ""),
    TEXT(10, "Priority", JOB, priority, "0"),
    ALWAYS(10, "QOS", JOB, "normal"),
    ALWAYS(6, "QOSRAW", JOB, "1"),
    OWN(22, "Reason", JOB, cell_reason, B(reason), 0),
    ALWAYS(10, "ReqCPUFreq", BOTH, "Unknown"),
    ALWAYS(13, "ReqCPUFreqGov", BOTH, "Unknown"),
    ALWAYS(13, "ReqCPUFreqMax", BOTH, "Unknown"),
    ALWAYS(13, "ReqCPUFreqMin", BOTH, "Unknown"),
    TEXT(8, "ReqCPUS", BOTH, cores, "0"),
    OWN(10, "ReqMem", JOB, cell_memory, TRES_COLUMNS, 0),
    TEXT(8, "ReqNodes", BOTH, nodes, "0"),
    OWN(10, "ReqTRES", JOB, cell_tres, TRES_COLUMNS, 0),
    ALWAYS(20, "Reservation", BOTH, ""),
    ALWAYS(8, "ReservationId", BOTH, ""),
    OWN(10, "Reserved", JOB, cell_waited, TIME_COLUMNS | B(eligible), 0),
    OWN(10, "ResvCPU", JOB, cell_waited, TIME_COLUMNS | B(eligible) | B(cores), 1),
    OWN(10, "ResvCPURAW", JOB, cell_waited, TIME_COLUMNS | B(eligible) | B(cores), 2),
    OWN(19, "Start", BOTH, cell_start, TIME_COLUMNS, 0),
    OWN(10, "State", BOTH, cell_state, B(state) | B(ended_by) | B(step), 0),
    OWN(19, "Submit", BOTH, cell_submit, B(submit) | B(start) | B(step), 0),
    ALWAYS(20, "SubmitLine", BOTH, ""),
    ALWAYS(10, "Suspended", BOTH, "00:00:00"),
    ALWAYS(15, "SystemComment", BOTH, ""),
    OWN(10, "SystemCPU", BOTH, cell_cpu, USAGE_COLUMNS, JOB_system_us),
    OWN(10, "Timelimit", JOB, cell_limit, B(limit), 0),
    OWN(10, "TimelimitRaw", JOB, cell_limit, B(limit), 1),
    OWN(10, "TotalCPU", BOTH, cell_cpu, USAGE_COLUMNS, 0),
    OWN(14, "TRESUsageInAve", STEP, cell_usage_in, USAGE_COLUMNS, 0),
    OWN(14, "TRESUsageInMax", STEP, cell_usage_in, USAGE_COLUMNS, 0),
    ALWAYS(18, "TRESUsageInMaxNode", BOTH, ""),
    ALWAYS(18, "TRESUsageInMaxTask", BOTH, ""),
    OWN(14, "TRESUsageInMin", STEP, cell_usage_in, USAGE_COLUMNS, 0),
    ALWAYS(18, "TRESUsageInMinNode", BOTH, ""),
    ALWAYS(18, "TRESUsageInMinTask", BOTH, ""),
    OWN(14, "TRESUsageInTot", STEP, cell_usage_in, USAGE_COLUMNS, 0),
    OWN(15, "TRESUsageOutAve", STEP, cell_usage_out, USAGE_COLUMNS, 0),
    OWN(15, "TRESUsageOutMax", STEP, cell_usage_out, USAGE_COLUMNS, 0),
    ALWAYS(19, "TRESUsageOutMaxNode", BOTH, ""),
    ALWAYS(19, "TRESUsageOutMaxTask", BOTH, ""),
    OWN(15, "TRESUsageOutMin", STEP, cell_usage_out, USAGE_COLUMNS, 0),
    ALWAYS(19, "TRESUsageOutMinNode", BOTH, ""),
    ALWAYS(19, "TRESUsageOutMinTask", BOTH, ""),
    OWN(15, "TRESUsageOutTot", STEP, cell_usage_out, USAGE_COLUMNS, 0),
    TEXT(6, "UID", JOB, uid, ""),
    TEXT(9, "User", JOB, user, ""),
    OWN(10, "UserCPU", BOTH, cell_cpu, USAGE_COLUMNS, JOB_user_us),
    ALWAYS(10, "WCKey", BOTH, ""),
    ALWAYS(10, "WCKeyID", JOB, "0"),
    TEXT(20, "WorkDir", JOB, work_dir, ""),
    /* Later than 22.05, and not in -e: */
    OWN(10, "Planned", JOB, cell_waited, TIME_COLUMNS | B(eligible), 0),
    OWN(10, "PlannedCPU", JOB, cell_waited, TIME_COLUMNS | B(eligible) | B(cores), 1),
    OWN(10, "PlannedCPURAW", JOB, cell_waited, TIME_COLUMNS | B(eligible) | B(cores), 2),
    TEXT(20, "StdErr", JOB, std_err, ""),
    TEXT(20, "StdIn", JOB, std_in, ""),
    TEXT(20, "StdOut", JOB, std_out, ""),
};
const size_t sacct_field_count = sizeof(sacct_fields) / sizeof(sacct_fields[0]);
enum { FIELDS_LATER = 6 };

void sacct_list_fields(void)
{
    size_t count = sacct_field_count - FIELDS_LATER;

    for (size_t i = 0; i < count; i++)
        (void)printf("%-19s%s", sacct_fields[i].field.name,
                     i % 4 == 3 || i + 1 == count ? "\n" : " ");
}

static void add_item(struct sacct *sacct, const struct sacct_field *field, int width)
{
    if (sacct->item_count == SACCT_ITEM_MAX)
        return;
    sacct->items[sacct->item_count].field = field;
    sacct->items[sacct->item_count++].width = width;
    sacct->columns |= field->field.columns;
}

/* A name, or a beginning of one that is in front of all others (sacct -l has tresusageinmaxn). */
static const struct sacct_field *find(const char *name, size_t size)
{
    const struct sacct_field *found = NULL;

    for (size_t i = 0; i < sacct_field_count; i++)
        if (strncasecmp(sacct_fields[i].field.name, name, size) == 0) {
            if (sacct_fields[i].field.name[size] == '\0')
                return &sacct_fields[i];
            if (found == NULL)
                found = &sacct_fields[i];
        }
    return found;
}

static int refuse_gres(const char *name, size_t size)
{
    static const char *const gone[][2] = { { "AllocGRES", "AllocTRES" }, { "ReqGRES", "ReqTRES" } };

    for (size_t i = 0; i < 2; i++)
        if (strlen(gone[i][0]) == size && strncasecmp(gone[i][0], name, size) == 0) {
            (void)fprintf(stderr, "sacct: fatal: %s has been removed, please use %s\n", gone[i][0],
                          gone[i][1]);
            return 1;
        }
    return -1;
}

/* %20 or %-20 behind a name */
static bool parse_width(const char *text, size_t size, int *width)
{
    int value = 0, sign = 1;

    if (size > 0 && *text == '-') {
        sign = -1;
        text++;
        size--;
    }
    for (; size > 0 && *text >= '0' && *text <= '9' && value < 100000; text++, size--)
        value = value * 10 + (*text - '0');
    *width = sign * value;
    return size == 0;
}

int sacct_choose_fields(struct sacct *sacct, const char *list)
{
    while (*list != '\0') {
        size_t size = strcspn(list, ","), name = strcspn(list, "%,");
        const struct sacct_field *field;

        if (size == 3 && strncasecmp(list, "all", 3) == 0) {
            for (size_t i = 0; i < sacct_field_count - FIELDS_LATER; i++)
                add_item(sacct, &sacct_fields[i], sacct_fields[i].width);
        } else if (size > 0) {
            int width;

            if (refuse_gres(list, name) >= 0)
                return 1;
            field = name == 0 ? NULL : find(list, name);
            if (field == NULL) {
                (void)fprintf(stderr, "sacct: error: Invalid field requested: \"%.*s\"\n",
                              (int)name, list);
                return 1;
            }
            width = field->width;
            if (name < size && !parse_width(list + name + 1, size - name - 1, &width))
                width = 0;
            if (width != 0 || sacct->is_parsable || sacct->is_parsable2)
                add_item(sacct, field, width);
        }
        list += size;
        if (*list == ',')
            list++;
    }
    return -1;
}
