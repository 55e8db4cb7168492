/* scontrol_job.c - scontrol show job: what the queue knows of a job, as Slurm 22.05 lays it out
 *
 * Keys that docket has nothing for have Slurm's word for nothing, so that programs which look for a
 * key find it.
 */
#include "cli/slurm/format_jobs.h"
#include "cli/slurm/scontrol.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- parts of records --- */

void scontrol_add(struct dk_buf *out, const char *format, ...)
{
    va_list args, again;
    int size;
    char *room;

    va_start(args, format);
    va_copy(again, args);
    size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    room = size < 0 ? NULL : (char *)dk_buf_room(out, (size_t)size + 1);
    if (room != NULL) {
        (void)vsnprintf(room, (size_t)size + 1, format, again);
        out->size += (size_t)size;
    }
    va_end(again);
}

void scontrol_print(const struct dk_buf *out)
{
    if (out->size > 0)
        (void)fwrite(out->data, 1, out->size, stdout);
}

void scontrol_add_line(const struct scontrol *scontrol, struct dk_buf *out)
{
    (void)dk_buf_add_text(out, scontrol->is_oneline ? " " : "\n   ");
}

const char *scontrol_or_null(const char *text)
{
    return *text == 0 ? "(null)" : text;
}

void scontrol_add_size(struct dk_buf *out, int64_t mib)
{
    static const char units[] = "MGTP";
    size_t unit = 0;

    while (unit + 1 < sizeof(units) - 1 && mib >= 1024 && mib % 1024 == 0) {
        mib /= 1024;
        unit++;
    }
    scontrol_add(out, "%lld%c", (long long)mib, units[unit]);
}

/* --- a job --- */

struct listing {
    struct scontrol *scontrol;
    struct slurm_job job;
    struct dk_buf out;
};

#define TEXT(column) slurm_job_text(&listing->job, JOB_##column)
#define NUMBER(column) slurm_job_number(&listing->job, JOB_##column)

static void add_date(struct listing *listing, const char *key, int64_t time_us)
{
    (void)dk_buf_add_text(&listing->out, key);
    if (time_us <= 0)
        (void)dk_buf_add_text(&listing->out, "Unknown");
    else
        slurm_add_date(&listing->out, &listing->job.dates, time_us);
}

/* A hundred years are no limit. */
static bool is_unlimited(const struct listing *listing)
{
    int64_t limit_us = NUMBER(limit);

    return limit_us <= 0 || limit_us >= INT64_C(36525) * 86400 * SLURM_SECOND_US;
}

static void add_limit(struct listing *listing)
{
    if (is_unlimited(listing))
        (void)dk_buf_add_text(&listing->out, "UNLIMITED");
    else
        slurm_add_clock(&listing->out, NUMBER(limit) / SLURM_SECOND_US);
}

/* 0 means held, to people and programs; what has started has none in docket. */
static int64_t priority_of(const struct listing *listing)
{
    bool is_held = slurm_job_phase(&listing->job) == SLURM_WAITS;

    return NUMBER(priority) > 0 || is_held ? NUMBER(priority) : 1;
}

static void add_head(struct listing *listing)
{
    struct dk_buf *out = &listing->out;
    bool is_waiting = slurm_job_phase(&listing->job) == SLURM_WAITS;

    scontrol_add(out, "JobId=%s ", TEXT(id));
    if (NUMBER(array_job) > 0) {
        scontrol_add(out, "ArrayJobId=%s ArrayTaskId=", TEXT(array_job));
        slurm_add_index(out, &listing->job);
        if (NUMBER(array_max) > 0)
            scontrol_add(out, " ArrayTaskThrottle=%s", TEXT(array_max));
        (void)dk_buf_add_text(out, " ");
    }
    scontrol_add(out, "JobName=%s", TEXT(name));
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "UserId=%s(%s) GroupId=%s(%s) MCS_label=N/A", TEXT(user), TEXT(uid),
                 *TEXT(group) == 0 ? TEXT(gid) : TEXT(group), TEXT(gid));
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "Priority=%lld Nice=%lld Account=%s QOS=normal",
                 (long long)priority_of(listing), (long long)NUMBER(nice),
                 *TEXT(account) == 0 ? TEXT(user) : TEXT(account)); /* that of the user */
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "JobState=%s Reason=%s Dependency=%s", TEXT(state),
                 slurm_job_reason(&listing->job),
                 is_waiting ? scontrol_or_null(TEXT(dependency)) : "(null)");
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "Requeue=%d Restarts=%lld BatchFlag=1 Reboot=0 ExitCode=%lld:%lld",
                 NUMBER(requeue) != 0, (long long)(NUMBER(attempt) > 1 ? NUMBER(attempt) - 1 : 0),
                 (long long)NUMBER(exit_code), (long long)NUMBER(exit_signal));
    if (listing->scontrol->details > 0) {
        scontrol_add_line(listing->scontrol, out);
        (void)dk_buf_add_text(out, "DerivedExitCode=0:0");
    }
}

static void add_times(struct listing *listing)
{
    struct dk_buf *out = &listing->out;
    bool is_waiting = slurm_job_phase(&listing->job) == SLURM_WAITS;
    bool is_running = slurm_job_phase(&listing->job) == SLURM_RUNS;
    int64_t start = NUMBER(start), begin = NUMBER(begin);

    scontrol_add_line(listing->scontrol, out);
    (void)dk_buf_add_text(out, "RunTime=");
    slurm_add_clock(out, is_waiting ? 0 : NUMBER(elapsed) / SLURM_SECOND_US);
    (void)dk_buf_add_text(out, " TimeLimit=");
    add_limit(listing);
    (void)dk_buf_add_text(out, " TimeMin=N/A");
    scontrol_add_line(listing->scontrol, out);
    add_date(listing, "SubmitTime=", NUMBER(submit));
    add_date(listing, " EligibleTime=", NUMBER(eligible) > 0 ? NUMBER(eligible) : begin);
    scontrol_add_line(listing->scontrol, out);
    add_date(listing, "AccrueTime=", NUMBER(eligible));
    scontrol_add_line(listing->scontrol, out);
    if (is_waiting)
        start = NUMBER(planned) > 0 ? NUMBER(planned) : begin;
    add_date(listing, "StartTime=", start);
    add_date(listing,
             " EndTime=", is_waiting || (is_running && is_unlimited(listing)) ? 0 : NUMBER(end));
    (void)dk_buf_add_text(out, " Deadline=N/A");
    scontrol_add_line(listing->scontrol, out);
    add_date(listing, "SuspendTime=None SecsPreSuspend=0 LastSchedEval=",
             start > 0 && !is_waiting ? start : NUMBER(submit));
    (void)dk_buf_add_text(out, " Scheduler=Main");
}

/* With -d: what it holds on its nodes. */
static void add_shares(struct listing *listing)
{
    struct dk_buf *out = &listing->out;
    int64_t gpus = NUMBER(gpus);

    scontrol_add_line(listing->scontrol, out);
    if (gpus > 0)
        scontrol_add(out, "JOB_GRES=gpu:%lld", (long long)gpus);
    else
        (void)dk_buf_add_text(out, "JOB_GRES=(null)");
    if (*TEXT(node_list) == 0)
        return;
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "  Nodes=%s CPUs=%s Mem=%lld GRES=", TEXT(node_list), TEXT(cores_per_node),
                 (long long)slurm_job_memory(&listing->job));
    if (gpus > 0)
        scontrol_add(out, "gpu:%lld", (long long)gpus);
}

static void add_where(struct listing *listing)
{
    struct dk_buf *out = &listing->out;
    int64_t on_node = NUMBER(tasks_per_node), cores = NUMBER(cores_per_task);

    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "Partition=%s AllocNode:Sid=%s:0", TEXT(partition),
                 scontrol_or_null(TEXT(submit_host)));
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "ReqNodeList=%s ExcNodeList=%s", scontrol_or_null(TEXT(nodes_wanted)),
                 scontrol_or_null(TEXT(nodes_excluded)));
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "NodeList=%s", TEXT(node_list));
    if (*TEXT(batch_host) != 0) {
        scontrol_add_line(listing->scontrol, out);
        scontrol_add(out, "BatchHost=%s", TEXT(batch_host));
    }
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "NumNodes=%s NumCPUs=%s NumTasks=%s CPUs/Task=%s ReqB:S:C:T=0:0:*:*",
                 TEXT(nodes), TEXT(cores), TEXT(tasks), TEXT(cores_per_task));
    scontrol_add_line(listing->scontrol, out);
    (void)dk_buf_add_text(out, "TRES=");
    slurm_add_tres(out, &listing->job, false, true);
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "Socks/Node=* NtasksPerN:B:S:C=%lld:0:*:* CoreSpec=*", (long long)on_node);
    if (listing->scontrol->details > 0)
        add_shares(listing);
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "MinCPUsNode=%lld ", (long long)(cores * (on_node > 0 ? on_node : 1)));
    (void)dk_buf_add_text(out, NUMBER(memory_per_core) > 0 ? "MinMemoryCPU=" : "MinMemoryNode=");
    if (NUMBER(memory_per_core) + NUMBER(memory_per_node) > 0)
        scontrol_add_size(out, NUMBER(memory_per_core) + NUMBER(memory_per_node));
    else
        (void)dk_buf_add_text(out, "0");
    (void)dk_buf_add_text(out, " MinTmpDiskNode=0");
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "Features=%s DelayBoot=00:00:00", scontrol_or_null(TEXT(constraint)));
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "OverSubscribe=%s Contiguous=0 Licenses=(null) Network=(null)",
                 NUMBER(exclusive) != 0 ? "NO" : "OK");
}

static void add_files(struct listing *listing)
{
    struct dk_buf *out = &listing->out;

    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "Command=%s", scontrol_or_null(TEXT(command)));
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "WorkDir=%s", TEXT(work_dir));
    if (*TEXT(comment) != 0) {
        scontrol_add_line(listing->scontrol, out);
        scontrol_add(out, "Comment=%s ", TEXT(comment));
    }
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "StdErr=%s", TEXT(std_err));
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "StdIn=%s", *TEXT(std_in) == 0 ? "/dev/null" : TEXT(std_in));
    scontrol_add_line(listing->scontrol, out);
    scontrol_add(out, "StdOut=%s", TEXT(std_out));
    scontrol_add_line(listing->scontrol, out);
    (void)dk_buf_add_text(out, "Power=");
    if (NUMBER(gpus_per_node) > 0) {
        scontrol_add_line(listing->scontrol, out);
        scontrol_add(out, "TresPerNode=gres:gpu:%s", TEXT(gpus_per_node));
    }
    if (NUMBER(gpus_per_task) > 0) {
        scontrol_add_line(listing->scontrol, out);
        scontrol_add(out, "TresPerTask=gres:gpu:%s", TEXT(gpus_per_task));
    }
    (void)dk_buf_add_text(out, listing->scontrol->is_oneline ? " \n" : "\n   \n\n");
}

#define JOB_ALL_COLUMNS (((uint64_t)1 << JOB_COLUMN_COUNT) - 1)
_Static_assert(JOB_COLUMN_COUNT < 64, "a bit for each column");

/* N or N_i; anything else is no id. */
static bool is_job_id(const char *text)
{
    size_t size = strspn(text, "0123456789");

    if (size == 0 || size > 18)
        return false;
    if (text[size] == '_')
        size += 1 + strspn(text + size + 1, "0123456789");
    return text[size] == 0;
}

int scontrol_show_job(struct scontrol *scontrol, int argc, char **argv)
{
    struct listing storage = { .scontrol = scontrol }, *listing = &storage;
    struct dk_question question;
    struct dk_buf fields;
    struct dk_rows rows;
    int status = 0;

    if (argc > 0 && !is_job_id(argv[0])) {
        (void)fprintf(stderr, "scontrol_print_job error: Invalid job id specified\n");
        return 1;
    }
    slurm_job_init(&listing->job);
    dk_buf_init(&listing->out, &dk_heap, (size_t)1 << 30);
    dk_buf_init(&fields, &dk_heap, 4096);
    slurm_columns_ask(&listing->job.view, slurm_job_columns, JOB_ALL_COLUMNS, &fields);
    dk_question_init(&question, "/v1/jobs");
    dk_question_add(&question, "state", "all");
    if (argc > 0)
        dk_question_add(&question, "id", argv[0]);
    if (!scontrol_ask(scontrol, "slurm_load_jobs", &question, (const char *)fields.data, &rows)) {
        status = 1;
    } else if (rows.rows == 0 && argc > 0) {
        (void)fprintf(stderr, "slurm_load_jobs error: Invalid job id specified\n");
        status = 1;
    } else if (rows.rows == 0) {
        (void)puts("No jobs in the system");
    }
    listing->job.view.rows = &rows;
    for (uint32_t row = 0; status == 0 && row < rows.rows; row++) {
        slurm_view_row(&listing->job.view, row);
        add_head(listing);
        add_times(listing);
        add_where(listing);
        add_files(listing);
    }
    scontrol_print(&listing->out);
    dk_rows_release(&rows);
    dk_buf_release(&fields);
    dk_buf_release(&listing->out);
    return status;
}
