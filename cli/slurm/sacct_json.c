/* sacct_json.c - a job and its steps as sacct --json of Slurm 22.05 writes them (openapi dbv0.0.38)
 */
#include "cli/slurm/sacct.h"

#include "base/json.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define B(name) JOB_BIT(name)
const uint64_t sacct_json_columns =
    B(account) | B(comment) | B(nodes) | B(array_job) | B(array_task) | B(array_spec) |
    B(array_max) | B(constraint) | B(elapsed) | B(eligible) | B(end) | B(start) | B(submit) |
    B(system_us) | B(user_us) | B(limit) | B(exit_code) | B(exit_signal) | B(group) | B(id) |
    B(name) | B(node_list) | B(partition) | B(priority) | B(cores) | B(memory_per_node) |
    B(memory_per_core) | B(ended_by) | B(state) | B(reason) | B(gpus) | B(user) | B(work_dir) |
    B(step) | B(tasks) | B(rss_max_kib) | B(read_bytes) | B(written_bytes) | B(batch_host);

static void raw(struct dk_buf *out, const char *text)
{
    (void)dk_buf_add_text(out, text);
}

static void text(struct dk_buf *out, const char *before, const char *value)
{
    raw(out, before);
    (void)dk_json_text(out, dk_text_of(value));
}

static void number(struct dk_buf *out, const char *before, int64_t value)
{
    raw(out, before);
    slurm_add_number(out, value);
}

static void seconds(struct dk_buf *out, const char *before, int64_t us)
{
    number(out, before, us / SLURM_SECOND_US);
}

static void cpu_time(struct dk_buf *out, const char *before, int64_t us)
{
    raw(out, before);
    number(out, "{\"seconds\": ", us / SLURM_SECOND_US);
    number(out, ", \"microseconds\": ", us % SLURM_SECOND_US);
    raw(out, "}");
}

static void exit_code(struct dk_buf *out, const struct slurm_job *job)
{
    int64_t code = slurm_job_number(job, JOB_exit_code);
    int64_t killed_by = slurm_job_number(job, JOB_exit_signal);

    text(out, "{\"status\": ", killed_by != 0 ? "SIGNALED" : code != 0 ? "ERROR" : "SUCCESS");
    number(out, ", \"return_code\": ", code);
    if (killed_by != 0) {
        number(out, ", \"signal\": {\"signal_id\": ", killed_by);
        text(out, ", \"name\": ", strsignal((int)killed_by));
        raw(out, "}");
    }
    raw(out, "}");
}

struct tres {
    struct dk_buf *out;
    bool has_any;
};

static void tres(struct tres *list, const char *type, const char *name, int id, int64_t count)
{
    raw(list->out, list->has_any ? ", " : "[");
    list->has_any = true;
    text(list->out, "{\"type\": ", type);
    if (name == NULL)
        raw(list->out, ", \"name\": null");
    else
        text(list->out, ", \"name\": ", name);
    number(list->out, ", \"id\": ", id);
    number(list->out, ", \"count\": ", count);
    raw(list->out, "}");
}

static void end_tres(const struct tres *list)
{
    raw(list->out, list->has_any ? "]" : "[]");
}

static void resources(struct dk_buf *out, const struct slurm_job *job, bool is_there)
{
    struct tres list = { .out = out };
    int64_t memory = slurm_job_memory(job), gpus = slurm_job_number(job, JOB_gpus);

    if (is_there) {
        tres(&list, "cpu", NULL, 1, slurm_job_number(job, JOB_cores));
        if (memory > 0)
            tres(&list, "mem", NULL, 2, memory);
        tres(&list, "node", NULL, 4, slurm_job_number(job, JOB_nodes));
        tres(&list, "billing", NULL, 5, slurm_job_number(job, JOB_cores));
        if (gpus > 0)
            tres(&list, "gres", "gpu", 1001, gpus);
    }
    end_tres(&list);
}

/* Of a step: what it read and took, or wrote. */
static void used(struct dk_buf *out, const struct slurm_job *job, bool is_input)
{
    struct tres list = { .out = out };

    if (*slurm_job_text(job, JOB_user_us) != '\0') {
        if (is_input) {
            tres(&list, "cpu", NULL, 1,
                 (slurm_job_number(job, JOB_user_us) + slurm_job_number(job, JOB_system_us)) /
                     1000);
            tres(&list, "mem", NULL, 2, slurm_job_number(job, JOB_rss_max_kib) * 1024);
        }
        tres(&list, "fs", "disk", 6,
             slurm_job_number(job, is_input ? JOB_read_bytes : JOB_written_bytes));
    }
    end_tres(&list);
}

static void times(struct dk_buf *out, const struct sacct_row *row, bool is_step)
{
    const struct slurm_job *job = &row->job;
    int64_t user = slurm_job_number(job, JOB_user_us), sys = slurm_job_number(job, JOB_system_us);
    int64_t limit = slurm_job_number(job, JOB_limit);

    number(out, ",\n      \"time\": {\"elapsed\": ", sacct_elapsed_s(row));
    if (!is_step)
        seconds(out, ", \"eligible\": ", slurm_job_number(job, JOB_eligible));
    seconds(out, ", \"end\": ", sacct_end(row));
    seconds(out, ", \"start\": ", sacct_start(row));
    if (!is_step)
        seconds(out, ", \"submission\": ", slurm_job_number(job, JOB_submit));
    raw(out, ", \"suspended\": 0");
    cpu_time(out, ", \"system\": ", sys);
    if (!is_step && limit == 0)
        raw(out, ", \"limit\": null");
    else if (!is_step)
        number(out, ", \"limit\": ", (limit + 60 * SLURM_SECOND_US - 1) / (60 * SLURM_SECOND_US));
    cpu_time(out, ", \"total\": ", user + sys);
    cpu_time(out, ", \"user\": ", user);
    raw(out, "}");
}

static void array(struct dk_buf *out, const struct slurm_job *job)
{
    const char *task = slurm_job_text(job, JOB_array_task);
    const char *spec = slurm_job_text(job, JOB_array_spec);

    number(out, ",\n      \"array\": {\"job_id\": ", slurm_job_number(job, JOB_array_job));
    number(out, ", \"limits\": {\"max\": {\"running\": {\"tasks\": ",
           slurm_job_number(job, JOB_array_max));
    if (*spec == '\0')
        raw(out, "}}}, \"task\": null");
    else
        text(out, "}}}, \"task\": ", spec);
    raw(out, ", \"task_id\": ");
    raw(out, *task == '\0' || *task == '-' ? "null" : task);
    raw(out, "}");
}

static void identity(struct dk_buf *out, const struct sacct_row *row)
{
    const struct slurm_job *job = &row->job;
    const char *comment = slurm_job_text(job, JOB_comment);
    bool has_run = *slurm_job_text(job, JOB_node_list) != '\0';

    text(out, "    {\n      \"account\": ", slurm_job_text(job, JOB_account));
    raw(out, ",\n      \"comment\": {\"administrator\": null, \"job\": ");
    if (*comment == '\0')
        raw(out, "null");
    else
        (void)dk_json_text(out, dk_text_of(comment));
    raw(out, ", \"system\": null}");
    number(out, ",\n      \"allocation_nodes\": ", has_run ? slurm_job_number(job, JOB_nodes) : 0);
    array(out, job);
    text(out, ",\n      \"association\": {\"account\": ", slurm_job_text(job, JOB_account));
    text(out, ", \"cluster\": ", row->sacct->cluster);
    text(out, ", \"partition\": null, \"user\": ", slurm_job_text(job, JOB_user));
    text(out, "},\n      \"cluster\": ", row->sacct->cluster);
    text(out, ",\n      \"constraints\": ", slurm_job_text(job, JOB_constraint));
    raw(out, ",\n      \"container\": null,\n      \"derived_exit_code\": {\"status\": "
             "\"SUCCESS\", \"return_code\": 0}");
}

static void open_job(struct dk_buf *out, const struct sacct_row *row)
{
    const struct slurm_job *job = &row->job;
    const char *nodes = slurm_job_text(job, JOB_node_list), *by = slurm_job_text(job, JOB_ended_by);

    identity(out, row);
    times(out, row, false);
    raw(out, ",\n      \"exit_code\": ");
    exit_code(out, job);
    raw(out, ",\n      \"flags\": []");
    text(out, ",\n      \"group\": ", slurm_job_text(job, JOB_group));
    raw(out, ",\n      \"het\": {\"job_id\": 0, \"job_offset\": null}");
    number(out, ",\n      \"job_id\": ", slurm_job_number(job, JOB_id));
    text(out, ",\n      \"name\": ", slurm_job_text(job, JOB_name));
    raw(out, ",\n      \"mcs\": {\"label\": \"\"}");
    text(out, ",\n      \"nodes\": ", *nodes == '\0' ? "None assigned" : nodes);
    text(out, ",\n      \"partition\": ", slurm_job_text(job, JOB_partition));
    number(out, ",\n      \"priority\": ", slurm_job_number(job, JOB_priority));
    raw(out, ",\n      \"qos\": \"normal\"");
    number(out, ",\n      \"required\": {\"CPUs\": ", slurm_job_number(job, JOB_cores));
    number(out, ", \"memory\": ", slurm_job_number(job, JOB_memory_per_node));
    raw(out, "},\n      \"kill_request_user\": ");
    if (*by == '\0')
        raw(out, "null");
    else
        (void)dk_json_text(out, dk_text_of(by));
    raw(out, ",\n      \"reservation\": {\"id\": 0, \"name\": 0}");
    text(out, ",\n      \"state\": {\"current\": ", slurm_job_text(job, JOB_state));
    text(out, ", \"reason\": ", slurm_job_reason(job));
    raw(out, "},\n      \"tres\": {\"allocated\": ");
    resources(out, job, *nodes != '\0');
    raw(out, ", \"requested\": ");
    resources(out, job, true);
    text(out, "},\n      \"user\": ", slurm_job_text(job, JOB_user));
    raw(out, ",\n      \"wckey\": {\"wckey\": \"\", \"flags\": []}");
    text(out, ",\n      \"working_directory\": ", slurm_job_text(job, JOB_work_dir));
    raw(out, ",\n      \"steps\": [");
}

static void add_step(struct dk_buf *out, const struct sacct_row *row)
{
    const struct slurm_job *job = &row->job;
    const char *step = slurm_job_text(job, JOB_step);
    bool is_number = *step >= '0' && *step <= '9';

    text(out, "\n      {\n      \"nodes\": {\"list\": [", slurm_job_text(job, JOB_node_list));
    number(out, "], \"count\": ", slurm_job_number(job, JOB_nodes));
    text(out, ", \"range\": ", slurm_job_text(job, JOB_node_list));
    for (int i = 0; i < 2; i++) {
        static const char *const measures[] = { "max", "min", "average", "total" };

        raw(out, i == 0 ? "},\n      \"tres\": {\"requested\": {" : "}, \"consumed\": {");
        for (int m = 0; m < 4; m++) {
            text(out, m == 0 ? "" : ", ", measures[m]);
            raw(out, ": ");
            used(out, job, i == 0);
        }
    }
    raw(out, "}, \"allocated\": ");
    resources(out, job, true);
    raw(out, "}");
    times(out, row, true);
    raw(out, ",\n      \"exit_code\": ");
    exit_code(out, job);
    number(out, ",\n      \"tasks\": {\"count\": ", slurm_job_number(job, JOB_tasks));
    raw(out, "},\n      \"pid\": null,\n      \"CPU\": {\"requested_frequency\": {\"min\": 0, "
             "\"max\": 0}, \"governor\": []},\n      \"kill_request_user\": null");
    text(out, ",\n      \"state\": ", slurm_job_text(job, JOB_state));
    raw(out, ",\n      \"statistics\": {\"CPU\": {\"actual_frequency\": 0}, \"energy\": "
             "{\"consumed\": 0}}");
    number(out, ",\n      \"step\": {\"job_id\": ", slurm_job_number(job, JOB_id));
    raw(out, ", \"het\": {\"component\": null}, \"id\": ");
    if (is_number)
        raw(out, step);
    else
        (void)dk_json_text(out, dk_text_of(step));
    text(out, ", \"name\": ", slurm_job_text(job, JOB_name));
    raw(out, "},\n      \"task\": {\"distribution\": \"Unknown\"}\n      }");
}

void sacct_json_close(struct dk_buf *out, struct sacct_json *json)
{
    if (json->is_open)
        raw(out, "]\n    }");
    json->is_open = false;
}

void sacct_json_row(struct dk_buf *out, const struct sacct_row *row, struct sacct_json *json)
{
    if (sacct_is_step(&row->job)) {
        if (!json->is_open) /* a step that was named without its job */
            return;
        raw(out, json->has_step ? "," : "");
        add_step(out, row);
        json->has_step = true;
        return;
    }
    sacct_json_close(out, json);
    raw(out, json->has_job ? ",\n" : "\n");
    json->is_open = json->has_job = true;
    json->has_step = false;
    open_job(out, row);
}
