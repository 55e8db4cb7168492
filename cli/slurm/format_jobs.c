/* format_jobs.c - see format_jobs.h */
#include "cli/slurm/format_jobs.h"

#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const slurm_job_columns[64] = {
#define X(name) #name,
    SLURM_JOB_COLUMN_MAP(X)
#undef X
};
_Static_assert(JOB_COLUMN_COUNT <= 64, "a set of columns is one word");

/* The last group are flags that Slurm shows in place of a state; docket has none of them. */
static const struct slurm_state states[] = {
    { "PENDING", "PD", true },       { "RUNNING", "R", true },
    { "SUSPENDED", "S", true },      { "COMPLETED", "CD", true },
    { "CANCELLED", "CA", true },     { "FAILED", "F", true },
    { "TIMEOUT", "TO", true },       { "NODE_FAIL", "NF", true },
    { "PREEMPTED", "PR", true },     { "BOOT_FAIL", "BF", true },
    { "DEADLINE", "DL", true },      { "OUT_OF_MEMORY", "OOM", true },
    { "COMPLETING", "CG", true },    { "CONFIGURING", "CF", false },
    { "RESIZING", "RS", false },     { "RESV_DEL_HOLD", "RD", false },
    { "REQUEUED", "RQ", true },      { "REQUEUE_FED", "RF", false },
    { "REQUEUE_HOLD", "RH", false }, { "REVOKED", "RV", false },
    { "SIGNALING", "SI", false },    { "SPECIAL_EXIT", "SE", false },
    { "STAGE_OUT", "SO", false },    { "STOPPED", "ST", false },
};
enum { STATE_COUNT = sizeof(states) / sizeof(states[0]) };

const struct slurm_state *slurm_state_at(int i)
{
    return i < STATE_COUNT ? &states[i] : NULL;
}

static bool is_word(const char *word, const char *text, size_t size)
{
    return strncasecmp(word, text, size) == 0 && word[size] == '\0';
}

const struct slurm_state *slurm_state_find(const char *text, size_t size)
{
    for (int i = 0; i < STATE_COUNT; i++)
        if (is_word(states[i].word, text, size) || is_word(states[i].letters, text, size))
            return &states[i];
    return NULL;
}

void slurm_job_init(struct slurm_job *job)
{
    const char *bytes = getenv("SLURM_BITSTR_LEN");

    memset(job, 0, sizeof(*job));
    memset(job->view.place, -1, sizeof(job->view.place));
    job->now_us = slurm_now_us();
    slurm_dates_init(&job->dates, job->now_us);
    job->index_bytes = bytes == NULL ? 64 : (int32_t)strtol(bytes, NULL, 10);
    if (job->index_bytes < 0)
        job->index_bytes = 64;
}

enum slurm_phase slurm_job_phase(const struct slurm_job *job)
{
    switch (slurm_job_text(job, JOB_state)[0]) {
    case 'P': /* PENDING, not PREEMPTED */
        return slurm_job_text(job, JOB_state)[1] == 'E' ? SLURM_WAITS : SLURM_ENDED;
    case 'R': /* RUNNING, not REQUEUED */
        return slurm_job_text(job, JOB_state)[1] == 'U' ? SLURM_RUNS : SLURM_ENDED;
    case 'S':
        return SLURM_RUNS;
    case 'C':
        return strcmp(slurm_job_text(job, JOB_state), "COMPLETING") == 0 ? SLURM_RUNS : SLURM_ENDED;
    default:
        return SLURM_ENDED;
    }
}

/* Long lists of indexes are cut at a comma, as Slurm does: 1,3,5,... */
static void add_ranges(struct dk_buf *out, const struct slurm_job *job)
{
    const char *spec = slurm_job_text(job, JOB_array_spec), *max;
    size_t size = strlen(spec);

    if (job->index_bytes > 4 && size >= (size_t)job->index_bytes) {
        size = (size_t)job->index_bytes - 4;
        while (size > 0 && spec[size - 1] != ',')
            size--;
        (void)dk_buf_add(out, spec, size);
        (void)dk_buf_add_text(out, "...");
    } else {
        (void)dk_buf_add(out, spec, size);
    }
    max = slurm_job_text(job, JOB_array_max);
    if (*max != '\0' && strcmp(max, "0") != 0) {
        (void)dk_buf_add(out, "%", 1);
        (void)dk_buf_add_text(out, max);
    }
}

void slurm_add_index(struct dk_buf *out, const struct slurm_job *job)
{
    const char *task = slurm_job_text(job, JOB_array_task);

    if (*slurm_job_text(job, JOB_array_spec) != '\0')
        add_ranges(out, job);
    else if (*task != '\0' && *task != '-')
        (void)dk_buf_add_text(out, task);
}

void slurm_add_job_id(struct dk_buf *out, const struct slurm_job *job)
{
    const char *array = slurm_job_text(job, JOB_array_job);
    const char *task = slurm_job_text(job, JOB_array_task);

    if (*array == '\0' || (*array == '0' && array[1] == '\0')) {
        (void)dk_buf_add_text(out, slurm_job_text(job, JOB_id));
        return;
    }
    (void)dk_buf_add_text(out, array);
    if (*slurm_job_text(job, JOB_array_spec) != '\0') {
        (void)dk_buf_add_text(out, "_[");
        add_ranges(out, job);
        (void)dk_buf_add(out, "]", 1);
    } else if (*task != '\0' && *task != '-') {
        (void)dk_buf_add(out, "_", 1);
        (void)dk_buf_add_text(out, task);
    }
}

int64_t slurm_job_memory(const struct slurm_job *job)
{
    int64_t a_node = slurm_job_number(job, JOB_memory_per_node);

    if (a_node > 0)
        return a_node * slurm_column_number(&job->view, JOB_nodes, 1);
    return slurm_job_number(job, JOB_memory_per_core) * slurm_job_number(job, JOB_cores);
}

const char *slurm_job_reason(const struct slurm_job *job)
{
    static const struct {
        const char *state, *reason;
    } reasons[] = { { "FAILED", "NonZeroExitCode" },    { "TIMEOUT", "TimeLimit" },
                    { "NODE_FAIL", "NodeDown" },        { "BOOT_FAIL", "NodeDown" },
                    { "OUT_OF_MEMORY", "OutOfMemory" }, { "DEADLINE", "DeadLine" } };
    const char *reason = slurm_job_text(job, JOB_reason);

    if (*reason != '\0')
        return reason;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (strcmp(slurm_job_text(job, JOB_state), reasons[i].state) == 0)
            return reasons[i].reason;
    return "None";
}

void slurm_add_size(struct dk_buf *out, const struct slurm_job *job, int64_t number, char unit,
                    bool is_exact)
{
    static const char units[] = "BKMGTPE";
    const char *at = strchr(units, unit);
    const char *wanted = job->unit == 0 ? NULL : strchr(units, job->unit);
    double value = (double)number;
    char text[48];

    if (number == 0 || at == NULL) {
        (void)dk_buf_add(out, "0", 1);
        return;
    }
    if (wanted != NULL) {
        for (; at < wanted; at++)
            value /= 1024;
        for (; at > wanted; at--)
            value *= 1024;
    } else if (!job->is_raw) {
        while (value >= 1024 && at[1] != '\0' && (!is_exact || (int64_t)value % 1024 == 0)) {
            value /= 1024;
            at++;
        }
    }
    if (value == (double)(int64_t)value)
        (void)snprintf(text, sizeof(text), "%" PRId64, (int64_t)value);
    else
        (void)snprintf(text, sizeof(text), "%.2f", value);
    (void)dk_buf_add_text(out, text);
    if (*at != 'B')
        (void)dk_buf_add(out, at, 1);
}

static void add_one_tres(struct dk_buf *out, size_t start, const char *name, const char *value)
{
    if (out->size > start)
        (void)dk_buf_add(out, ",", 1);
    (void)dk_buf_add_text(out, name);
    (void)dk_buf_add_text(out, value);
}

void slurm_add_tres(struct dk_buf *out, const struct slurm_job *job, bool is_sorted,
                    bool has_memory)
{
    size_t start = out->size;
    const char *cores = slurm_job_text(job, JOB_cores), *gpus = slurm_job_text(job, JOB_gpus);
    const char *nodes = slurm_job_text(job, JOB_nodes);
    int64_t memory = has_memory ? slurm_job_memory(job) : 0;
    bool has_gpus = *gpus != '\0' && strcmp(gpus, "0") != 0;

    if (is_sorted)
        add_one_tres(out, start, "billing=", cores);
    add_one_tres(out, start, "cpu=", cores);
    if (is_sorted && has_gpus)
        add_one_tres(out, start, "gres/gpu=", gpus);
    if (memory > 0) {
        add_one_tres(out, start, "mem=", "");
        slurm_add_size(out, job, memory, 'M', true);
    }
    if (*nodes != '\0')
        add_one_tres(out, start, "node=", nodes);
    if (!is_sorted) {
        add_one_tres(out, start, "billing=", cores);
        if (has_gpus)
            add_one_tres(out, start, "gres/gpu=", gpus);
    }
}

void slurm_cell_text(const void *row, const struct slurm_field *field, struct dk_buf *out)
{
    const char *text = slurm_job_text(row, field->argument);

    (void)dk_buf_add_text(out, *text == '\0' && field->constant != NULL ? field->constant : text);
}

void slurm_cell_group(const void *row, const struct slurm_field *field, struct dk_buf *out)
{
    const char *name = slurm_job_text(row, JOB_group), *number = slurm_job_text(row, JOB_gid);
    const struct group *entry;

    (void)field;
    if (*name == '\0' && *number != '\0') {
        entry = getgrgid((gid_t)strtoul(number, NULL, 10));
        name = entry != NULL ? entry->gr_name : number;
    }
    (void)dk_buf_add_text(out, name);
}

void slurm_cell_date(const void *row, const struct slurm_field *field, struct dk_buf *out)
{
    struct slurm_job *job = (struct slurm_job *)(uintptr_t)row; /* it keeps the hour's text */
    int64_t time = slurm_job_number(job, field->argument);

    if (time == 0)
        (void)dk_buf_add_text(out, field->constant);
    else
        slurm_add_date(out, &job->dates, time);
}

void slurm_cell_flag(const void *row, const struct slurm_field *field, struct dk_buf *out)
{
    const char *text = slurm_job_text(row, field->argument);

    (void)dk_buf_add(out, *text == '1' || *text == 't' ? "1" : "0", 1);
}

int64_t slurm_key_column(const void *row, const struct slurm_field *field)
{
    return slurm_text_key(slurm_job_text(row, field->argument));
}

const char *slurm_key_column_text(const void *row, const struct slurm_field *field)
{
    return slurm_job_text(row, field->argument);
}

int64_t slurm_key_number(const void *row, const struct slurm_field *field)
{
    return slurm_column_number(&((const struct slurm_job *)row)->view, field->argument, INT64_MAX);
}

int64_t slurm_key_number_or_zero(const void *row, const struct slurm_field *field)
{
    return slurm_job_number(row, field->argument);
}

/* Tasks of an array stand together, by their index. */
int64_t slurm_key_job(const void *row, const struct slurm_field *field)
{
    int64_t array = slurm_job_number(row, JOB_array_job);

    (void)field;
    if (array == 0)
        return slurm_job_number(row, JOB_id) << 22;
    return (array << 22) +
           slurm_column_number(&((const struct slurm_job *)row)->view, JOB_array_task, -1) + 1;
}
