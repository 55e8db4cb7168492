/* squeue.c - the queue's jobs, as Slurm's squeue lists them
 *
 * One question to /v1/jobs with the filters that it knows, one pass over its rows. With -j jobs of
 * every state are asked for and chosen here, because an ended job and an unknown one are told
 * apart: a single unknown id is an error, an ended one an empty list. */
#include "cli/slurm/squeue.h"

#include "cli/slurm/slurm.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { STARTS = 1000 }; /* --start: of so many at the head of the queue it is worked out */

static bool parse_states(struct squeue *squeue)
{
    const char *at = squeue->states;
    const struct slurm_state *state;

    if (at == NULL)
        at = squeue->is_start ? "PENDING" : "PENDING,RUNNING,SUSPENDED,COMPLETING";
    while (*at != '\0') {
        size_t size = strcspn(at, ",");

        if (size == 3 && strncasecmp(at, "all", 3) == 0) {
            squeue->state_set = UINT32_MAX;
        } else if ((state = slurm_state_find(at, size)) != NULL) {
            squeue->state_set |= (uint32_t)1 << (state - slurm_state_at(0));
        } else {
            (void)slurm_error("squeue", "Invalid job state specified: %.*s", (int)size, at);
            (void)fprintf(stderr, "squeue: error: Valid job states include: ");
            for (int i = 0; (state = slurm_state_at(i)) != NULL; i++)
                (void)fprintf(stderr, "%s%s", i == 0 ? "" : ",", state->word);
            (void)fprintf(stderr, "\n\n");
            return false;
        }
        at += size;
        if (*at == ',')
            at++;
    }
    return true;
}

static void add_states(const struct squeue *squeue, struct dk_question *question)
{
    struct dk_buf list;
    const struct slurm_state *state;

    if (squeue->state_set == UINT32_MAX || squeue->has_jobs) {
        dk_question_add(question, "state", "all");
        return;
    }
    dk_buf_init(&list, &dk_heap, 4096);
    for (int i = 0; (state = slurm_state_at(i)) != NULL; i++)
        if (state->is_ours && (squeue->state_set >> i & 1) != 0) {
            if (list.size > 0)
                (void)dk_buf_add(&list, ",", 1);
            (void)dk_buf_add_text(&list, state->word);
        }
    (void)dk_buf_add(&list, "", 1);
    dk_question_add(question, "state", (const char *)list.data);
    dk_buf_release(&list);
}

static bool has_our_states(const struct squeue *squeue)
{
    const struct slurm_state *state;

    for (int i = 0; (state = slurm_state_at(i)) != NULL; i++)
        if (state->is_ours && (squeue->state_set >> i & 1) != 0)
            return true;
    return false;
}

/* Names that the system does not know are said and left out, as Slurm does. */
static void add_users(struct squeue *squeue, struct dk_question *question)
{
    struct dk_buf list;
    const char *at = squeue->users;
    char number[16];

    if (squeue->is_me) {
        (void)snprintf(number, sizeof(number), "%u", (unsigned)getuid());
        dk_question_add(question, "user", number);
        return;
    }
    if (at == NULL)
        return;
    dk_buf_init(&list, &dk_heap, 1 << 20);
    while (*at != '\0') {
        size_t size = strcspn(at, ",");
        char name[256];

        (void)snprintf(name, sizeof(name), "%.*s", (int)size, at);
        if (size > 0 && !isdigit((unsigned char)*at) && getpwnam(name) == NULL) {
            (void)slurm_error("squeue", "Invalid user: %s\n", name);
        } else if (size > 0) {
            if (list.size > 0)
                (void)dk_buf_add(&list, ",", 1);
            (void)dk_buf_add(&list, at, size);
        }
        at += size;
        if (*at == ',')
            at++;
    }
    if (list.size == 0)
        squeue->is_empty = true;
    (void)dk_buf_add(&list, "", 1);
    dk_question_add(question, "user", (const char *)list.data);
    dk_buf_release(&list);
}

static int load_failed(const struct dk_err *err)
{
    (void)fprintf(stderr, "slurm_load_jobs error: %s\n", slurm_reason(err));
    return 1;
}

/* -w: the names joined by commas; a node that there is not is an error. */
static int add_nodes(struct squeue *squeue, struct dk_question *question)
{
    struct dk_question nodes;
    struct dk_rows rows = { 0 };
    struct dk_buf list;
    struct dk_err err;
    int status = -1;

    if (dk_hostlist_expand(&squeue->hosts, squeue->nodes, &err) != DK_OK)
        return slurm_error("squeue", "Invalid node name %s", squeue->nodes);
    dk_question_init(&nodes, "/v1/nodes");
    if (dk_ask_rows(&squeue->session, &nodes, "name", &rows, &err) != DK_OK)
        status = load_failed(&err);
    dk_buf_init(&list, &dk_heap, 1 << 24);
    for (uint32_t i = 0; status < 0 && i < squeue->hosts.count; i++) {
        bool is_known = false;

        for (uint32_t n = 0; n < rows.rows && !is_known; n++)
            is_known = strcmp(dk_cell(&rows, n, 0), squeue->hosts.names[i]) == 0;
        if (!is_known)
            status = slurm_error("squeue", "Invalid node name %s", squeue->hosts.names[i]);
        if (i > 0)
            (void)dk_buf_add(&list, ",", 1);
        (void)dk_buf_add_text(&list, squeue->hosts.names[i]);
    }
    (void)dk_buf_add(&list, "", 1);
    dk_question_add(question, "node", (const char *)list.data);
    dk_buf_release(&list);
    dk_rows_release(&rows);
    dk_question_release(&nodes);
    return status;
}

static void add_if(struct dk_question *question, const char *name, const char *value)
{
    if (value != NULL && *value != '\0')
        dk_question_add(question, name, value);
}

/* Of steps "17.batch,18.0" the jobs; a step without its number is an error. */
static int add_steps(const struct squeue *squeue, struct dk_question *question)
{
    struct dk_buf list;
    const char *at = squeue->steps;
    int status = -1;

    dk_buf_init(&list, &dk_heap, 1 << 20);
    while (*at != '\0' && status < 0) {
        size_t item = strcspn(at, ","), size = squeue_job_id_size(at);

        if (size == 0 || at[size] != '.')
            status = slurm_error("squeue", "Invalid job_step id: %.*s.??", (int)item, at);
        if (list.size > 0)
            (void)dk_buf_add(&list, ",", 1);
        (void)dk_buf_add(&list, at, size);
        at += item;
        if (*at == ',')
            at++;
    }
    (void)dk_buf_add(&list, "", 1);
    dk_question_add(question, "id", (const char *)list.data);
    dk_buf_release(&list);
    return status;
}

static int make_question(struct squeue *squeue, struct dk_question *question)
{
    dk_question_init(question, "/v1/jobs");
    if (squeue->has_steps)
        dk_question_add(question, "state", "RUNNING,SUSPENDED,COMPLETING");
    else
        add_states(squeue, question);
    if (squeue->jobs.size > 0) {
        (void)dk_buf_add(&squeue->jobs, "", 1);
        dk_question_add(question, "id", (const char *)squeue->jobs.data);
        squeue->jobs.size--;
    }
    add_users(squeue, question);
    add_if(question, "account", squeue->accounts);
    add_if(question, "partition", squeue->partitions);
    add_if(question, "name", squeue->names);
    if (squeue->is_array)
        dk_question_add(question, "tasks", "1");
    if (squeue->is_start)
        dk_question_add_number(question, "starts", STARTS);
    if (squeue->has_steps && squeue->steps != NULL && add_steps(squeue, question) >= 0)
        return 1;
    squeue->is_empty = squeue->is_empty || squeue->reservation != NULL ||
                       squeue->licenses != NULL || !has_our_states(squeue) ||
                       (squeue->qos != NULL && !slurm_list_has(squeue->qos, "normal"));
    return squeue->nodes == NULL ? -1 : add_nodes(squeue, question);
}

static bool choose_format(struct squeue *squeue)
{
    static const char complaint[] = "squeue: error: Invalid job format specification: ";
    static const char step_complaint[] = "squeue: error: Invalid job step format specification: ";
    const char *format = squeue->format, *sort = squeue->sort;

    if (squeue->has_steps)
        slurm_format_init(&squeue->columns, "squeue", step_complaint, squeue_step_fields,
                          squeue_step_field_count);
    else
        slurm_format_init(&squeue->columns, "squeue", complaint, squeue_job_fields,
                          squeue_job_field_count);
    if (squeue->is_json)
        squeue->columns.columns = squeue_json_columns;
    else if (squeue->format_long != NULL)
        slurm_format_parse_long(&squeue->columns, squeue->format_long);
    else {
        if (format == NULL && squeue->is_start)
            format = "%.18i %.9P %.8j %.8u %.2t %.19S %.6D %20Y %R";
        else if (format == NULL && squeue->has_steps)
            format = squeue->is_long ? "%.15i %.8j %.9P %.8u %.9l %.9M %N"
                                     : "%.15i %.8j %.9P %.8u %.9M %N";
        else if (format == NULL)
            format = squeue->is_long ? "%.18i %.9P %.8j %.8u %.8T %.10M %.9l %.6D %R"
                                     : "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R";
        slurm_format_parse(&squeue->columns, format, false);
    }
    if (sort == NULL)
        sort = squeue->has_steps        ? "P,i"
               : squeue->is_start       ? "S"
               : squeue->job_count == 1 ? "P,t" /* tasks of one array have one priority */
                                        : "P,t,-p";
    return squeue->is_json || slurm_sort_parse(&squeue->order, &squeue->columns, sort);
}

/* --- a list --- */

struct listing {
    struct squeue *squeue;
    struct slurm_job job;
    uint32_t *chosen; /* rows of the answer */
    uint32_t count;
};

static const void *row_at(void *context, uint32_t i)
{
    struct listing *listing = context;

    slurm_view_row(&listing->job.view, listing->chosen[i]);
    return &listing->job;
}

static bool is_wanted(const struct listing *listing)
{
    const char *word = slurm_job_text(&listing->job, JOB_state);
    const struct slurm_state *state;

    if (listing->squeue->has_steps || listing->squeue->state_set == UINT32_MAX)
        return true;
    state = slurm_state_find(word, strlen(word));
    return state != NULL && (listing->squeue->state_set >> (state - slurm_state_at(0)) & 1) != 0;
}

static bool step_is_wanted(const struct squeue *squeue, const struct slurm_job *job,
                           struct dk_buf *scratch)
{
    if (*slurm_job_text(job, JOB_batch_host) == '\0')
        return false;
    if (squeue->steps == NULL)
        return true;
    dk_buf_clear(scratch);
    slurm_add_job_id(scratch, job);
    (void)dk_buf_add(scratch, ".batch", sizeof(".batch"));
    return slurm_list_has(squeue->steps, (const char *)scratch->data);
}

static void write_list(struct listing *listing, struct slurm_output *output)
{
    struct squeue *squeue = listing->squeue;
    uint32_t *order = dk_alloc_new(&dk_heap, (listing->count + 1) * sizeof(*order));

    slurm_sort_rows(&squeue->order, row_at, listing, listing->count, order);
    for (uint32_t i = 0; i < listing->count && !output->failed; i++)
        if (squeue->is_json) {
            (void)dk_buf_add_text(&output->buf, i == 0 ? "\n" : ",\n");
            squeue_json_job(&output->buf, row_at(listing, order[i]));
            if (output->buf.size > 1 << 16)
                slurm_output_flush(output);
        } else {
            slurm_write_row(&squeue->columns, row_at(listing, order[i]), output);
        }
    dk_alloc_free(&dk_heap, order, (listing->count + 1) * sizeof(*order));
}

/* A single id that gave no row: is there such a job at all? Of 6_3, an array 6 is enough. */
static bool job_is_known(struct squeue *squeue)
{
    struct dk_question question;
    struct dk_rows rows = { 0 };
    struct dk_err err;
    bool is_known;

    (void)dk_buf_add(&squeue->jobs, "", 1);
    squeue->jobs.data[strcspn((const char *)squeue->jobs.data, "_")] = '\0';
    dk_question_init(&question, "/v1/jobs");
    dk_question_add(&question, "state", "all");
    dk_question_add(&question, "id", (const char *)squeue->jobs.data);
    is_known =
        dk_ask_rows(&squeue->session, &question, "id", &rows, &err) == DK_OK && rows.rows > 0;
    dk_question_release(&question);
    dk_rows_release(&rows);
    return is_known;
}

static void write_heading(const struct squeue *squeue, struct slurm_output *output)
{
    if (squeue->is_json) {
        slurm_json_begin(&output->buf, "openapi/v0.0.38", "Slurm OpenAPI v0.0.38", "jobs");
        return;
    }
    if (squeue->is_headless)
        return;
    if (squeue->is_long || squeue->iterate_s > 0) {
        slurm_add_long_date(&output->buf, slurm_now_us());
        (void)dk_buf_add(&output->buf, "\n", 1);
    }
    slurm_write_heading(&squeue->columns, output);
}

static int list(struct squeue *squeue, struct dk_question *question, struct slurm_output *output)
{
    struct listing listing = { .squeue = squeue };
    uint64_t columns = squeue->columns.columns | squeue->order.columns;
    struct dk_rows rows = { 0 };
    struct dk_buf fields, scratch;
    struct dk_err err;
    int status = 0;

    slurm_job_init(&listing.job);
    listing.job.is_raw = squeue->is_raw;
    columns |= JOB_BIT(id) | (squeue->has_jobs ? JOB_BIT(state) : 0);
    if (squeue->has_steps)
        columns |= JOB_BIT(array_job) | JOB_BIT(array_task) | JOB_BIT(batch_host);
    dk_buf_init(&fields, &dk_heap, 4096);
    dk_buf_init(&scratch, &dk_heap, 4096);
    slurm_columns_ask(&listing.job.view, slurm_job_columns, columns, &fields);
    listing.job.view.rows = &rows;
    if (dk_ask_rows(&squeue->session, question, (const char *)fields.data, &rows, &err) != DK_OK) {
        status = load_failed(&err);
    } else if (squeue->job_count == 1 && rows.rows == 0 && !job_is_known(squeue)) {
        (void)fprintf(stderr, "slurm_load_jobs error: Invalid job id specified\n");
        status = 1;
    } else {
        listing.chosen = dk_alloc_new(&dk_heap, (rows.rows + 1) * sizeof(uint32_t));
        for (uint32_t i = 0; i < rows.rows && !squeue->is_empty; i++) {
            listing.chosen[listing.count] = i;
            (void)row_at(&listing, listing.count);
            if ((!squeue->has_jobs || is_wanted(&listing)) &&
                (!squeue->has_steps || step_is_wanted(squeue, &listing.job, &scratch)))
                listing.count++;
        }
        write_heading(squeue, output);
        write_list(&listing, output);
        if (squeue->is_json)
            slurm_json_end(&output->buf);
        dk_alloc_free(&dk_heap, listing.chosen, (rows.rows + 1) * sizeof(uint32_t));
    }
    slurm_output_flush(output);
    dk_rows_release(&rows);
    dk_buf_release(&fields);
    dk_buf_release(&scratch);
    return status;
}

static int run(struct squeue *squeue, int argc, char **argv)
{
    struct dk_question question = { 0 };
    struct slurm_output output;
    struct dk_err err;
    int status = squeue_parse(squeue, argc, argv);

    if (status >= 0)
        return status;
    if (squeue->is_json && squeue->states == NULL)
        squeue->states = "all";
    if (!parse_states(squeue) || !choose_format(squeue))
        return 1;
    if (dk_session_open(&squeue->session, NULL, &err) != DK_OK)
        return load_failed(&err);
    if (squeue->clusters != NULL &&
        slurm_check_cluster(&squeue->session, squeue->clusters, &err) != DK_OK)
        return slurm_error("squeue", "%s", err.text);
    status = make_question(squeue, &question);
    if (squeue->is_verbose)
        (void)fprintf(stderr, "squeue: asking %.*s\n", (int)question.target.size,
                      (const char *)question.target.data);
    slurm_output_init(&output);
    while (status < 0) {
        int outcome = list(squeue, &question, &output);

        if (squeue->iterate_s == 0 || outcome != 0 || output.failed) {
            status = outcome;
            break;
        }
        (void)write(STDOUT_FILENO, "\n", 1);
        (void)nanosleep(&(struct timespec){ .tv_sec = squeue->iterate_s }, NULL);
        dk_question_release(&question);
        status = make_question(squeue, &question);
    }
    slurm_output_release(&output);
    dk_question_release(&question);
    return status;
}

int slurm_squeue(int argc, char **argv)
{
    struct squeue squeue = { 0 };
    int status;

    dk_buf_init(&squeue.jobs, &dk_heap, 1 << 24);
    dk_hostlist_init(&squeue.hosts);
    squeue_from_environment(&squeue);
    status = run(&squeue, argc, argv);
    dk_session_close(&squeue.session);
    dk_hostlist_release(&squeue.hosts);
    dk_buf_release(&squeue.jobs);
    return status;
}
