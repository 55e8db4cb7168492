/* sacct.c - accounting, as Slurm's sacct lists it
 *
 * One question to /v1/history with the filters that it knows; those of Slurm's own (states in a
 * time, sizes, steps) are looked at here, row by row. When no time is said it is from midnight
 * until now; with -s now; with -j all time. A job whose turn cannot come yet (held, or waiting for
 * another job or for a time) is not accounted for unless it is named, as in Slurm. */
#include "cli/slurm/sacct.h"

#include "cli/slurm/slurm.h"

#include <ctype.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char long_format[] =
    "jobid,jobidraw,jobname,partition,maxvmsize,maxvmsizenode,maxvmsizetask,avevmsize,maxrss,"
    "maxrssnode,maxrsstask,averss,maxpages,maxpagesnode,maxpagestask,avepages,mincpu,mincpunode,"
    "mincputask,avecpu,ntasks,alloccpus,elapsed,state,exitcode,avecpufreq,reqcpufreqmin,"
    "reqcpufreqmax,reqcpufreqgov,reqmem,consumedenergy,maxdiskread,maxdiskreadnode,"
    "maxdiskreadtask,avediskread,maxdiskwrite,maxdiskwritenode,maxdiskwritetask,avediskwrite,"
    "reqtres,alloctres,tresusageinave,tresusageinmax,tresusageinmaxnode,tresusageinmaxtask,"
    "tresusageinmin,tresusageinminnode,tresusageinmintask,tresusageintot,tresusageoutmax,"
    "tresusageoutmaxnode,tresusageoutmaxtask,tresusageoutave,tresusageouttot";

/* --- what is meant --- */

static int parse_time(const char *text, int64_t now, int64_t *time)
{
    size_t wrong_at;

    if (slurm_time_parse(text, now, time, &wrong_at))
        return -1;
    (void)fprintf(stderr, "Invalid time specification (pos=%zu): %s\n", wrong_at, text);
    return 1;
}

static int parse_window(struct sacct *sacct)
{
    struct slurm_dates dates;
    struct dk_buf line;
    int64_t midnight = 0;
    size_t unused;

    (void)slurm_time_parse("midnight", sacct->now_us, &midnight, &unused);
    sacct->since = sacct->selection_count > 0 ? 0
                   : sacct->states != NULL    ? sacct->now_us
                                              : midnight;
    sacct->until = sacct->now_us;
    if (sacct->since_text != NULL &&
        parse_time(sacct->since_text, sacct->now_us, &sacct->since) >= 0)
        return 1;
    if (sacct->until_text != NULL) {
        if (parse_time(sacct->until_text, sacct->now_us, &sacct->until) >= 0)
            return 1;
    } else if (sacct->states != NULL && sacct->since_text != NULL) {
        sacct->until = sacct->since; /* in that state at that time */
    }
    if (sacct->since <= sacct->until)
        return -1;
    slurm_dates_init(&dates, sacct->now_us);
    dk_buf_init(&line, &dk_heap, 4096);
    (void)dk_buf_add_text(&line, "Start time (");
    slurm_add_date(&line, &dates, sacct->since);
    (void)dk_buf_add_text(&line, ") requested is after end time (");
    slurm_add_date(&line, &dates, sacct->until);
    (void)slurm_error("sacct", "%.*s).", (int)line.size, (const char *)line.data);
    dk_buf_release(&line);
    return 1;
}

static int parse_states(struct sacct *sacct)
{
    const char *at = sacct->states;

    while (at != NULL && *at != '\0') {
        size_t size = strcspn(at, ",");
        const struct slurm_state *state = slurm_state_find(at, size);

        if (size == 3 && strncasecmp(at, "all", 3) == 0) {
            sacct->state_set = UINT32_MAX;
        } else if (state == NULL) {
            (void)fprintf(stderr, "sacct: fatal: unrecognized job state value '%.*s'\n", (int)size,
                          at);
            return 1;
        } else {
            sacct->state_set |= (uint32_t)1 << (state - slurm_state_at(0));
        }
        at += size;
        if (*at == ',')
            at++;
    }
    return -1;
}

static int choose_fields(struct sacct *sacct)
{
    if (sacct->is_json) {
        sacct->columns = sacct_json_columns;
        return -1;
    }
    if (sacct->is_brief)
        return sacct_choose_fields(sacct, "jobid,state,exitcode");
    if (sacct->is_long)
        return sacct_choose_fields(sacct, long_format);
    return sacct_choose_fields(
        sacct, sacct->format != NULL ? sacct->format
                                     : "jobid,jobname,partition,account,alloccpus,state,exitcode");
}

/* Of -u and -g: all names have to be known. */
static int check_names(const char *list, bool is_group)
{
    while (list != NULL && *list != '\0') {
        size_t size = strcspn(list, ",");
        char name[256];

        (void)snprintf(name, sizeof(name), "%.*s", (int)size, list);
        if (size > 0 && !isdigit((unsigned char)*list) &&
            (is_group ? getgrnam(name) == NULL : getpwnam(name) == NULL))
            return slurm_error("sacct", is_group ? "Invalid group id: %s" : "Invalid user id: %s",
                               name);
        list += size;
        if (*list == ',')
            list++;
    }
    return -1;
}

static void add_if(struct dk_question *question, const char *name, const char *value)
{
    if (value != NULL && *value != '\0')
        dk_question_add(question, name, value);
}

static int add_nodes(struct sacct *sacct, struct dk_question *question)
{
    struct dk_buf list;
    struct dk_err err;

    if (dk_hostlist_expand(&sacct->hosts, sacct->nodes, &err) != DK_OK)
        return slurm_error("sacct", "%s", err.text);
    dk_buf_init(&list, &dk_heap, 1 << 24);
    for (uint32_t i = 0; i < sacct->hosts.count; i++) {
        if (i > 0)
            (void)dk_buf_add(&list, ",", 1);
        (void)dk_buf_add_text(&list, sacct->hosts.names[i]);
    }
    (void)dk_buf_add(&list, "", 1);
    dk_question_add(question, "node", (const char *)list.data);
    dk_buf_release(&list);
    return -1;
}

/* States that a job stays in are chosen by the server, which has an index of them. */
static void add_states(const struct sacct *sacct, struct dk_question *question)
{
    static const char *const ends[] = { "COMPLETED", "CANCELLED", "FAILED",
                                        "TIMEOUT",   "NODE_FAIL", "PREEMPTED",
                                        "BOOT_FAIL", "DEADLINE",  "OUT_OF_MEMORY" };
    struct dk_buf list;
    uint32_t rest = sacct->state_set;

    dk_buf_init(&list, &dk_heap, 4096);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        uint32_t bit = (uint32_t)1
                       << (slurm_state_find(ends[i], strlen(ends[i])) - slurm_state_at(0));

        if ((sacct->state_set & bit) == 0)
            continue;
        if (list.size > 0)
            (void)dk_buf_add(&list, ",", 1);
        (void)dk_buf_add_text(&list, ends[i]);
        rest &= ~bit;
    }
    (void)dk_buf_add(&list, "", 1);
    if (rest == 0 && sacct->state_set != 0)
        dk_question_add(question, "state", (const char *)list.data);
    dk_buf_release(&list);
}

static int make_question(struct sacct *sacct, struct dk_question *question)
{
    char number[32];

    dk_question_init(question, "/v1/history");
    if (sacct->jobs.size > 0) {
        (void)dk_buf_add(&sacct->jobs, "", 1);
        dk_question_add(question, "id", (const char *)sacct->jobs.data);
        sacct->jobs.size--;
    }
    if (sacct->users != NULL && *sacct->users != '\0') {
        dk_question_add(question, "user", sacct->users);
    } else if (getuid() != 0 && !sacct->is_all_users) {
        (void)snprintf(number, sizeof(number), "%u", (unsigned)getuid());
        dk_question_add(question, "user", number);
    }
    add_if(question, "account", sacct->accounts);
    add_if(question, "partition", sacct->partitions);
    add_if(question, "name", sacct->names);
    add_states(sacct, question);
    if (sacct->since > 0)
        dk_question_add_number(question, "since", sacct->since);
    if (sacct->until_text != NULL || (sacct->states != NULL && sacct->since_text != NULL))
        dk_question_add_number(question, "until", sacct->until + 1); /* it is exclusive there */
    if (!sacct->is_jobs_only)
        dk_question_add(question, "steps", "1");
    if (sacct->is_duplicates)
        dk_question_add(question, "duplicates", "1");
    sacct->is_empty =
        sacct->is_empty || (sacct->qos != NULL && !slurm_list_has(sacct->qos, "normal"));
    return sacct->nodes == NULL ? -1 : add_nodes(sacct, question);
}

/* --- which rows --- */

/* Was the job in one of the states that are asked for, at some time of the window? */
static bool state_is_wanted(const struct sacct *sacct, const struct slurm_job *job)
{
    int64_t start = slurm_job_number(job, JOB_start), end = slurm_job_number(job, JOB_end);
    int64_t eligible = slurm_job_number(job, JOB_eligible);
    enum slurm_phase phase = slurm_job_phase(job);
    const char *word = slurm_job_text(job, JOB_state);
    const struct slurm_state *state;

    for (int i = 0; (state = slurm_state_at(i)) != NULL; i++) {
        if ((sacct->state_set >> i & 1) == 0)
            continue;
        if (strcmp(state->word, "RUNNING") == 0) {
            if (start != 0 && start <= sacct->until &&
                (phase == SLURM_RUNS || (phase == SLURM_ENDED && end >= sacct->since)))
                return true;
        } else if (strcmp(state->word, "PENDING") == 0) {
            if (eligible != 0 && eligible <= sacct->until &&
                (phase == SLURM_WAITS || start >= sacct->since))
                return true;
        } else if (strcmp(state->word, word) == 0 &&
                   (phase != SLURM_ENDED || (end >= sacct->since && end <= sacct->until))) {
            return true;
        }
    }
    return false;
}

static bool in_range(const struct sacct_range *range, int64_t value)
{
    return !range->is_given || (value >= range->least && value <= range->most);
}

static bool has_constraints(const struct sacct *sacct, const struct slurm_job *job)
{
    const char *list = sacct->constraints;
    const char *features = slurm_job_text(job, JOB_constraint);

    while (*list != '\0') {
        size_t size = strcspn(list, ",");
        const char *at = features;
        bool is_there = false;

        while (*at != '\0' && !is_there) {
            size_t feature = strcspn(at, "&|,");

            is_there = feature == size && memcmp(at, list, size) == 0;
            at += feature;
            at += strspn(at, "&|,");
        }
        if (!is_there)
            return false;
        list += size;
        if (*list == ',')
            list++;
    }
    return true;
}

static bool group_is_wanted(const char *list, const struct slurm_job *job)
{
    return slurm_list_has(list, slurm_job_text(job, JOB_gid)) ||
           slurm_list_has(list, slurm_job_text(job, JOB_group));
}

static bool job_is_wanted(const struct sacct *sacct, const struct slurm_job *job)
{
    int64_t limit = slurm_job_number(job, JOB_limit) / (60 * SLURM_SECOND_US);
    bool has_run = *slurm_job_text(job, JOB_node_list) != '\0';

    if (sacct->state_set != 0 && sacct->state_set != UINT32_MAX && !state_is_wanted(sacct, job))
        return false;
    if (sacct->selection_count == 0 && slurm_job_phase(job) == SLURM_WAITS &&
        (slurm_job_number(job, JOB_eligible) == 0 ||
         slurm_job_number(job, JOB_eligible) > sacct->until))
        return false;
    if ((sacct->node_range.is_given || sacct->core_range.is_given) &&
        (!has_run || !in_range(&sacct->node_range, slurm_job_number(job, JOB_nodes)) ||
         !in_range(&sacct->core_range, slurm_job_number(job, JOB_cores))))
        return false;
    return in_range(&sacct->limit_range, limit) &&
           (sacct->groups == NULL || group_is_wanted(sacct->groups, job)) &&
           (sacct->constraints == NULL || has_constraints(sacct, job));
}

/* Does what -j names of this job hold its row, or its step's? */
static bool step_is_wanted(const struct sacct *sacct, const struct slurm_job *job,
                           struct dk_buf *scratch)
{
    const char *id = slurm_job_text(job, JOB_id), *step = slurm_job_text(job, JOB_step);
    const char *array = slurm_job_text(job, JOB_array_job), *name;

    dk_buf_clear(scratch);
    slurm_add_job_id(scratch, job);
    (void)dk_buf_add(scratch, "", 1);
    name = (const char *)scratch->data;
    for (uint32_t i = 0; i < sacct->selection_count; i++) {
        const struct sacct_selection *selection = &sacct->selections[i];

        if (selection->step[0] != '\0' && strcmp(selection->step, step) != 0)
            continue;
        if (strcmp(selection->id, id) == 0 || strcmp(selection->id, name) == 0 ||
            strcmp(selection->id, array) == 0)
            return true;
    }
    return false;
}

/* --- writing --- */

static void end_cell(const struct sacct *sacct, const struct sacct_item *item, bool is_last,
                     size_t start, struct dk_buf *out)
{
    uint32_t width = (uint32_t)(item->width < 0 ? -item->width : item->width);

    if (sacct->is_parsable || sacct->is_parsable2) {
        if (!is_last || sacct->is_parsable)
            (void)dk_buf_add_text(out, sacct->delimiter);
        return;
    }
    if (out->size - start > width) {
        out->size = start + width;
        out->data[out->size - 1] = '+';
    }
    slurm_fit(out, start, width, item->width > 0, false);
    (void)dk_buf_add(out, " ", 1);
}

static void write_heading(const struct sacct *sacct, struct slurm_output *output)
{
    struct dk_buf *out = &output->buf;
    bool is_parsable = sacct->is_parsable || sacct->is_parsable2;

    for (uint32_t i = 0; i < sacct->item_count; i++) {
        size_t start = out->size;
        uint32_t width = (uint32_t)abs(sacct->items[i].width);

        (void)dk_buf_add_text(out, sacct->items[i].field->field.heading);
        if (!is_parsable)
            slurm_fit(out, start, width, sacct->items[i].width > 0, false);
        end_cell(sacct, &sacct->items[i], i + 1 == sacct->item_count, start, out);
    }
    (void)dk_buf_add(out, "\n", 1);
    for (uint32_t i = 0; i < sacct->item_count && !is_parsable; i++) {
        for (int n = abs(sacct->items[i].width); n > 0; n--)
            (void)dk_buf_add(out, "-", 1);
        (void)dk_buf_add(out, " ", 1);
    }
    if (!is_parsable)
        (void)dk_buf_add(out, "\n", 1);
}

static void write_row(const struct sacct *sacct, const struct sacct_row *row,
                      struct slurm_output *output)
{
    struct dk_buf *out = &output->buf;
    uint8_t kind = sacct_is_step(&row->job) ? SACCT_STEP : SACCT_JOB;

    for (uint32_t i = 0; i < sacct->item_count; i++) {
        const struct slurm_field *field = &sacct->items[i].field->field;
        size_t start = out->size;

        if ((field->flags & kind) != 0)
            field->cell(row, field, out);
        end_cell(sacct, &sacct->items[i], i + 1 == sacct->item_count, start, out);
    }
    (void)dk_buf_add(out, "\n", 1);
    if (out->size >= 1 << 16)
        slurm_output_flush(output);
}

static void write_rows(struct sacct *sacct, struct sacct_row *row, struct slurm_output *output)
{
    struct sacct_json json = { 0 };
    struct dk_buf scratch;
    bool is_wanted = false;

    dk_buf_init(&scratch, &dk_heap, 4096);
    for (uint32_t i = 0; i < row->job.view.rows->rows && !output->failed && !sacct->is_empty; i++) {
        slurm_view_row(&row->job.view, i);
        if (!sacct_is_step(&row->job)) /* its steps follow it, and go with it */
            is_wanted = job_is_wanted(sacct, &row->job);
        if (!is_wanted ||
            (sacct->selection_count > 0 && !step_is_wanted(sacct, &row->job, &scratch)))
            continue;
        if (sacct->is_json)
            sacct_json_row(&output->buf, row, &json);
        else
            write_row(sacct, row, output);
    }
    if (sacct->is_json)
        sacct_json_close(&output->buf, &json);
    dk_buf_release(&scratch);
}

static int load_failed(const struct dk_err *err)
{
    if (err->status == DK_NOT_FOUND || err->status == DK_IO)
        return slurm_error("sacct", "Problem talking to the database: Connection refused");
    return slurm_error("sacct", "%s", slurm_reason(err));
}

static int list(struct sacct *sacct, struct dk_question *question)
{
    struct sacct_row row = { .sacct = sacct };
    uint64_t columns = sacct->columns | JOB_BIT(id) | JOB_BIT(step) | JOB_BIT(state) |
                       JOB_BIT(eligible) | JOB_BIT(start) | JOB_BIT(end);
    struct slurm_output output;
    struct dk_rows rows = { 0 };
    struct dk_buf fields;
    struct dk_err err;
    int status = 0;

    slurm_job_init(&row.job);
    row.job.is_raw = sacct->is_raw;
    row.job.unit = sacct->unit;
    if (sacct->selection_count > 0)
        columns |=
            JOB_BIT(array_job) | JOB_BIT(array_task) | JOB_BIT(array_spec) | JOB_BIT(array_max);
    if (sacct->node_range.is_given || sacct->core_range.is_given)
        columns |= JOB_BIT(nodes) | JOB_BIT(cores) | JOB_BIT(node_list);
    if (sacct->limit_range.is_given)
        columns |= JOB_BIT(limit);
    if (sacct->groups != NULL)
        columns |= JOB_BIT(gid) | JOB_BIT(group);
    if (sacct->constraints != NULL)
        columns |= JOB_BIT(constraint);
    dk_buf_init(&fields, &dk_heap, 4096);
    slurm_columns_ask(&row.job.view, slurm_job_columns, columns, &fields);
    slurm_output_init(&output);
    if (dk_ask_rows(&sacct->session, question, (const char *)fields.data, &rows, &err) != DK_OK) {
        status = load_failed(&err);
    } else {
        row.job.view.rows = &rows;
        if (sacct->is_json)
            slurm_json_begin(&output.buf, "openapi/dbv0.0.38", "Slurm OpenAPI DB v0.0.38", "jobs");
        else if (!sacct->is_headless)
            write_heading(sacct, &output);
        write_rows(sacct, &row, &output);
        if (sacct->is_json)
            slurm_json_end(&output.buf);
    }
    slurm_output_release(&output);
    dk_rows_release(&rows);
    dk_buf_release(&fields);
    return status;
}

/* -B and --env-vars: of each job that -j names. */
static int print_blobs(struct sacct *sacct)
{
    bool is_script = strcmp(sacct->what, "script") == 0;
    int status = 0;

    if (sacct->selection_count == 0) {
        (void)fprintf(stderr,
                      "sacct: fatal: When requesting %s you must also request specific jobs with "
                      "the '-j' option.\n",
                      is_script ? "job scripts" : "environment variables");
        return 1;
    }
    for (uint32_t i = 0; i < sacct->selection_count && status == 0; i++) {
        struct dk_question question;
        struct dk_buf body;
        struct dk_err err;
        int64_t seq;

        dk_question_init(&question, "/v1/script");
        dk_question_add(&question, "job", sacct->selections[i].id);
        if (!is_script)
            dk_question_add(&question, "what", sacct->what);
        dk_buf_init(&body, &dk_heap, 256 << 20);
        (void)printf(is_script ? "Batch Script for %s\n"
                               : "Environment used for %s (must be batch to display)\n",
                     sacct->selections[i].id);
        (void)printf("%.80s\n", "------------------------------------------------------------------"
                                "--------------------");
        if (dk_ask_body(&sacct->session, &question, NULL, &body, &seq, &err) != DK_OK ||
            body.size == 0)
            (void)fputs(err.status == DK_END ? err.text : "NONE", stdout);
        for (size_t at = 0; at < body.size; at++) /* variables end in a zero byte */
            (void)putchar(body.data[at] == '\0' ? '\n' : body.data[at]);
        (void)fputs("\n\n", stdout);
        dk_buf_release(&body);
        dk_question_release(&question);
    }
    return status;
}

static void say_window(const struct sacct *sacct)
{
    struct dk_buf line;

    dk_buf_init(&line, &dk_heap, 4096);
    (void)dk_buf_add_text(&line, sacct->state_set != 0 ? "sacct: Jobs in the time window from "
                                                       : "sacct: Jobs Eligible in the time window "
                                                         "from ");
    if (sacct->since == 0)
        (void)dk_buf_add_text(&line, "Epoch 0");
    else
        slurm_add_long_date(&line, sacct->since);
    (void)dk_buf_add_text(&line, " to ");
    slurm_add_long_date(&line, sacct->until);
    (void)fprintf(stderr, "%.*s\n", (int)line.size, (const char *)line.data);
    dk_buf_release(&line);
}

static bool needs_cluster(const struct sacct *sacct)
{
    for (uint32_t i = 0; i < sacct->item_count; i++)
        if (strcmp(sacct->items[i].field->field.name, "Cluster") == 0)
            return true;
    return sacct->is_json;
}

static int run(struct sacct *sacct, int argc, char **argv)
{
    struct dk_question question = { 0 };
    struct dk_err err;
    int status = sacct_parse(sacct, argc, argv);

    sacct->now_us = slurm_now_us();
    if (status >= 0)
        return status;
    if (parse_window(sacct) >= 0 || parse_states(sacct) >= 0 || choose_fields(sacct) >= 0 ||
        check_names(sacct->users, false) >= 0 || check_names(sacct->groups, true) >= 0)
        return 1;
    if (sacct->is_verbose)
        say_window(sacct);
    if (dk_session_open(&sacct->session, NULL, &err) != DK_OK)
        return load_failed(&err);
    if (sacct->what != NULL)
        return print_blobs(sacct);
    if (sacct->clusters != NULL &&
        slurm_check_cluster(&sacct->session, sacct->clusters, &err) != DK_OK) {
        if (err.status != DK_INVALID)
            return load_failed(&err);
        sacct->is_empty = true; /* Slurm's lists nothing of a cluster that it does not know */
    }
    if (needs_cluster(sacct) && slurm_cluster_name(&sacct->session, sacct->cluster, &err) != DK_OK)
        return load_failed(&err);
    status = make_question(sacct, &question);
    if (status < 0)
        status = list(sacct, &question);
    dk_question_release(&question);
    return status;
}

int slurm_sacct(int argc, char **argv)
{
    struct sacct sacct = { 0 };
    int status;

    dk_buf_init(&sacct.jobs, &dk_heap, 1 << 24);
    dk_hostlist_init(&sacct.hosts);
    sacct_from_environment(&sacct);
    status = run(&sacct, argc, argv);
    dk_session_close(&sacct.session);
    dk_hostlist_release(&sacct.hosts);
    dk_buf_release(&sacct.jobs);
    dk_alloc_free(&dk_heap, sacct.selections, sacct.selection_capacity * sizeof(*sacct.selections));
    return status;
}
