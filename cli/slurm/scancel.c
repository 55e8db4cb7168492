/* scancel.c - scancel, as Slurm 22.05 speaks: silent when all went well, and for jobs that have
 * ended
 *
 * What is named by number goes as it is named, without a look; with a filter, or to be asked about
 * (-i), the jobs are looked up first and those that match all filters are meant. Requests go many
 * in one call: a queue of 50,000 is one question and a dozen calls.
 */
#include "cli/slurm/options.h"
#include "cli/slurm/slurm.h"
#include "cli/submission_values.h"

#include <ctype.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { CALL_MAX = 8192, IDS_MAX = 65536 };

struct id {
    int64_t job;
    const struct dk_index_range *tasks;
    uint32_t tasks_count;
    const char *text; /* as messages show it */
};

struct scancel {
    struct dk_session session;
    struct dk_arena arena;
    const char *account, *name, *partition, *state, *user, *nodes, *clusters;
    bool is_unmatchable; /* a filter that no job of docket's can pass */
    bool is_batch, is_full, is_interactive, is_quiet;
    int verbose;
    int32_t signal; /* 0: end it */
    struct id *ids;
    uint32_t count, capacity;
    int status;
};

enum { SIBLING = 1, CTLD, ME, WCKEY, HELP, USAGE };

static const struct slurm_option options[] = {
    { "account", 'A', SLURM_ARGUMENT, 'A' },    { "batch", 'b', SLURM_NO_ARGUMENT, 'b' },
    { "ctld", 0, SLURM_NO_ARGUMENT, CTLD },     { "full", 'f', SLURM_NO_ARGUMENT, 'f' },
    { "hurry", 'H', SLURM_NO_ARGUMENT, 'H' },   { "interactive", 'i', SLURM_NO_ARGUMENT, 'i' },
    { "me", 0, SLURM_NO_ARGUMENT, ME },         { "clusters", 'M', SLURM_ARGUMENT, 'M' },
    { "cluster", 0, SLURM_ARGUMENT, 'M' },      { "jobname", 0, SLURM_ARGUMENT, 'n' },
    { "name", 'n', SLURM_ARGUMENT, 'n' },       { "nodelist", 'w', SLURM_ARGUMENT, 'w' },
    { "partition", 'p', SLURM_ARGUMENT, 'p' },  { "qos", 'q', SLURM_ARGUMENT, 'q' },
    { "quiet", 'Q', SLURM_NO_ARGUMENT, 'Q' },   { "reservation", 'R', SLURM_ARGUMENT, 'R' },
    { "sibling", 0, SLURM_ARGUMENT, SIBLING },  { "signal", 's', SLURM_ARGUMENT, 's' },
    { "state", 't', SLURM_ARGUMENT, 't' },      { "user", 'u', SLURM_ARGUMENT, 'u' },
    { "verbose", 'v', SLURM_NO_ARGUMENT, 'v' }, { "version", 'V', SLURM_NO_ARGUMENT, 'V' },
    { "wckey", 0, SLURM_ARGUMENT, WCKEY },      { "help", 0, SLURM_NO_ARGUMENT, HELP },
    { "usage", 0, SLURM_NO_ARGUMENT, USAGE },   { 0 },
};

static int print_help(void)
{
    (void)printf("Usage: scancel [OPTIONS] [job_id[_array_id]]...\n"
                 "  -A, --account=account    only jobs that this account pays\n"
                 "  -b, --batch              signal the batch script only\n"
                 "  -f, --full               signal the batch script and all steps\n"
                 "  -i, --interactive        ask about each job\n"
                 "      --me                 only jobs of mine\n"
                 "  -n, --name=name          only jobs of this name\n"
                 "  -p, --partition=name     only jobs in this partition\n"
                 "  -Q, --quiet              no word about jobs that have ended\n"
                 "  -s, --signal=name|number signal to send; else the job is ended: SIGTERM, and\n"
                 "                           SIGKILL when it is still there after a while\n"
                 "  -t, --state=states       only jobs that are PENDING, RUNNING, SUSPENDED\n"
                 "  -u, --user=user          only jobs of this user\n"
                 "  -v, --verbose            say what is done\n"
                 "  -w, --nodelist=nodes     only jobs on these nodes\n"
                 "  -V, --version            print the version\n"
                 "Without effect on docket: --ctld, -H, --hurry. Filters that no job passes, or\n"
                 "(-q normal) all do: -q, -R, --wckey. Refused: steps (17.0), --sibling.\n");
    return 0;
}

/* --- what is meant --- */

static void add_id(struct scancel *scancel, const struct id *id)
{
    if (scancel->count == scancel->capacity) {
        uint32_t capacity = scancel->capacity == 0 ? 64 : 2 * scancel->capacity;

        scancel->ids = dk_heap.resize(dk_heap.ctx, scancel->ids, scancel->capacity * sizeof(*id),
                                      capacity * sizeof(*id));
        scancel->capacity = capacity;
    }
    scancel->ids[scancel->count++] = *id;
}

static int invalid_id(const char *text)
{
    return slurm_error("scancel", "Invalid job id %s", text);
}

/* N, N_i, N_[a-b,c]; several joined by commas outside of brackets. */
static int take_ids(struct scancel *scancel, const char *text)
{
    const char *whole = text;

    for (;;) {
        struct id id = { .job = 0 };
        struct dk_array_spec tasks;
        size_t size = strcspn(text, "[,"), number = strspn(text, "0123456789");
        char *copy;

        if (text[size] == '[') {
            size += strcspn(text + size, "]");
            size += text[size] == ']';
        }
        copy = dk_arena_take(&scancel->arena, size + 1);
        memcpy(copy, text, size);
        copy[size] = 0;
        id.text = copy;
        id.job = number > 0 && number < 19 ? strtoll(copy, NULL, 10) : 0;
        if (id.job == 0)
            return invalid_id(whole);
        if (copy[number] == '.')
            return slurm_error("scancel", "a signal to one step (%s) is not supported by docket",
                               copy);
        if (copy[number] == '_' && copy[number + 1] != 0) {
            if (!dk_value_array(copy + number + 1, &scancel->arena, &tasks))
                return invalid_id(whole);
            id.tasks = tasks.ranges;
            id.tasks_count = tasks.ranges_count;
        } else if (copy[number] != '_' && copy[number] != 0) {
            return invalid_id(whole);
        }
        add_id(scancel, &id);
        if (text[size] == 0)
            return 0;
        if (text[size] != ',')
            return invalid_id(whole);
        text += size + 1;
    }
}

static int take_states(struct scancel *scancel, const char *value)
{
    static const char *const states[] = { "PENDING", "PD", "RUNNING", "R", "SUSPENDED", "S" };
    const char *at = value;

    for (;;) {
        size_t size = strcspn(at, ","), i = 0;

        while (i < 6 && (strlen(states[i]) != size || strncasecmp(states[i], at, size) != 0))
            i++;
        if (i == 6) {
            (void)fprintf(stderr,
                          "Invalid job state specified: %s\n"
                          "Valid job states are PENDING, RUNNING, and SUSPENDED\n",
                          at);
            return 1;
        }
        if (at[size] == 0)
            break;
        at += size + 1;
    }
    scancel->state = value;
    return 0;
}

/* A name that nobody has is a mistake, and not a user without jobs. */
static int take_user(struct scancel *scancel, const char *value)
{
    char *number = dk_arena_take(&scancel->arena, 24);
    char *end;
    const struct passwd *user = getpwnam(value);
    unsigned long uid = user != NULL ? user->pw_uid : strtoul(value, &end, 10);

    if (user == NULL && (*value < '0' || *value > '9' || *end != 0))
        return slurm_error("scancel", "Invalid user name: %s", value);
    (void)snprintf(number, 24, "%lu", uid);
    scancel->user = number;
    return 0;
}

static int take_signal(struct scancel *scancel, const char *value)
{
    scancel->signal = dk_value_signal_number(value, strlen(value));
    if (scancel->signal != 0)
        return 0;
    (void)fprintf(stderr, "Unknown job signal: %s\n", value);
    return 1;
}

/* The uid of --me, as a filter. */
static void take_me(struct scancel *scancel)
{
    char *number = dk_arena_take(&scancel->arena, 24);

    (void)snprintf(number, 24, "%u", (unsigned)getuid());
    scancel->user = number;
}

static int set_text(const char **field, const char *value)
{
    *field = value;
    return 0;
}

static int set_flag(bool *field)
{
    *field = true;
    return 0;
}

static int take_option(struct scancel *scancel, int id, const char *value)
{
    switch (id) {
    case 'A':
        return set_text(&scancel->account, value);
    case 'b':
        return set_flag(&scancel->is_batch);
    case 'f':
        return set_flag(&scancel->is_full);
    case 'i':
        return set_flag(&scancel->is_interactive);
    case 'M':
        return set_text(&scancel->clusters, value);
    case 'n':
        return set_text(&scancel->name, value);
    case 'p':
        return set_text(&scancel->partition, value);
    case 'Q':
        return set_flag(&scancel->is_quiet);
    case 's':
        return take_signal(scancel, value);
    case 't':
        return take_states(scancel, value);
    case 'u':
        return take_user(scancel, value);
    case 'v':
        scancel->verbose++;
        return 0;
    case 'w':
        return set_text(&scancel->nodes, value);
    case ME:
        take_me(scancel);
        return 0;
    case 'q': /* every job is of the one there is */
        if (strcasecmp(value, "normal") != 0)
            scancel->is_unmatchable = true;
        return 0;
    case 'R':
    case WCKEY:
        return set_flag(&scancel->is_unmatchable);
    case SIBLING:
        return slurm_error("scancel", "--sibling is not supported by docket: there is one cluster");
    case SLURM_OPTION_OPERAND:
        return take_ids(scancel, value);
    default: /* -H, --ctld: no burst buffers, and there is no other way */
        return 0;
    }
}

static const struct {
    const char *variable;
    int id;
} variables[] = {
    { "SCANCEL_ACCOUNT", 'A' }, { "SCANCEL_BATCH", 'b' },       { "SCANCEL_FULL", 'f' },
    { "SCANCEL_NAME", 'n' },    { "SCANCEL_PARTITION", 'p' },   { "SCANCEL_QOS", 'q' },
    { "SCANCEL_STATE", 't' },   { "SCANCEL_USER", 'u' },        { "SCANCEL_VERBOSE", 'v' },
    { "SCANCEL_WCKEY", WCKEY }, { "SCANCEL_INTERACTIVE", 'i' }, { "SLURM_CLUSTERS", 'M' },
};

/* -1: go on; else the exit status. */
static int take_all(struct scancel *scancel, int argc, char **argv)
{
    struct slurm_options reader = { .table = options, .argc = argc, .argv = argv };
    int id, status = 0;

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]) && status == 0; i++) {
        const char *value = getenv(variables[i].variable);

        if (value != NULL)
            status = take_option(scancel, variables[i].id, value);
    }
    while (status == 0 && (id = slurm_options_next(&reader)) != SLURM_OPTION_END) {
        if (id == SLURM_OPTION_BAD) {
            (void)fprintf(stderr, "Try \"scancel --help\" for more information\n");
            return 1;
        }
        if (id == 'V')
            return slurm_print_version();
        if (id == HELP || id == USAGE)
            return print_help();
        status = take_option(scancel, id, reader.value);
    }
    return status == 0 ? -1 : status;
}

static bool has_filter(const struct scancel *scancel)
{
    return scancel->account != NULL || scancel->name != NULL || scancel->partition != NULL ||
           scancel->state != NULL || scancel->user != NULL || scancel->nodes != NULL ||
           scancel->is_unmatchable;
}

/* --- sending --- */

static void fill(const struct scancel *scancel, const struct id *id, struct dk_request *request)
{
    memset(request, 0, sizeof(*request));
    if (scancel->signal == 0) {
        request->type = DK_REQUEST_CANCEL_JOB;
        request->cancel_job.job = id->job;
        request->cancel_job.tasks = id->tasks;
        request->cancel_job.tasks_count = id->tasks_count;
        return;
    }
    request->type = DK_REQUEST_SIGNAL_JOB;
    request->signal_job.job = id->job;
    request->signal_job.signal = scancel->signal;
    request->signal_job.target = scancel->is_full    ? DK_SIGNAL_TARGET_ALL
                                 : scancel->is_batch ? DK_SIGNAL_TARGET_BATCH
                                                     : DK_SIGNAL_TARGET_STEPS;
    request->signal_job.tasks = id->tasks;
    request->signal_job.tasks_count = id->tasks_count;
}

/* A job that is not there, or has ended, is as it was meant to be: no word of it, unless a signal
 * was to reach it. */
static void say_outcome(struct scancel *scancel, const struct id *id,
                        const struct dk_outcome *outcome)
{
    bool is_gone = strcmp(outcome->reason, "NOT_FOUND") == 0 ||
                   strcmp(outcome->reason, "WRONG_STATE") == 0 ||
                   strstr(outcome->detail, "is not an array") != NULL; /* no such task of it */

    if (outcome->kind != DK_OUTCOME_REJECTED)
        return;
    if (is_gone && scancel->is_quiet)
        return;
    if (is_gone && scancel->signal == 0 && scancel->verbose == 0)
        return;
    (void)slurm_error("scancel", "Kill job error on job id %s: %s", id->text,
                      slurm_refusal(outcome));
    if (!is_gone || scancel->signal != 0)
        scancel->status = 1;
}

static int unreachable(const struct dk_err *err)
{
    const char *reason = slurm_reason(err);

    if (reason != err->text)
        (void)slurm_error("scancel", "%s", err->text);
    return slurm_error("scancel", "Kill job error: %s", reason);
}

static void say_verbose(const struct scancel *scancel, const struct id *id)
{
    if (scancel->signal == 0)
        (void)fprintf(stderr, "scancel: Terminating job %s\n", id->text);
    else
        (void)fprintf(stderr, "scancel: Signal %d to %s of job %s\n", scancel->signal,
                      scancel->is_full    ? "all"
                      : scancel->is_batch ? "batch script"
                                          : "steps",
                      id->text);
}

static void send_all(struct scancel *scancel)
{
    uint32_t most = scancel->count < CALL_MAX ? scancel->count : CALL_MAX;
    struct dk_request *requests = dk_arena_take(&scancel->arena, (most + 1) * sizeof(*requests));
    struct dk_outcome *outcomes = dk_arena_take(&scancel->arena, (most + 1) * sizeof(*outcomes));
    struct dk_err err;

    for (uint32_t first = 0; first < scancel->count; first += CALL_MAX) {
        uint32_t count = scancel->count - first < CALL_MAX ? scancel->count - first : CALL_MAX;

        for (uint32_t i = 0; i < count; i++) {
            if (scancel->verbose > 0)
                say_verbose(scancel, &scancel->ids[first + i]);
            fill(scancel, &scancel->ids[first + i], &requests[i]);
        }
        if (dk_send(&scancel->session, requests, count, outcomes, 0, &err) != DK_OK) {
            scancel->status = unreachable(&err);
            return;
        }
        for (uint32_t i = 0; i < count; i++)
            say_outcome(scancel, &scancel->ids[first + i], &outcomes[i]);
    }
}

/* --- looking up --- */

static bool is_confirmed(const char *id, const char *name, const char *partition)
{
    char answer[64];

    (void)printf("Cancel job_id=%s name=%s partition=%s [y/n]? ", id, name, partition);
    (void)fflush(stdout);
    return fgets(answer, sizeof(answer), stdin) != NULL && tolower((unsigned char)answer[0]) == 'y';
}

/* Does this row (a job, or the waiting rest of an array) belong to one of the numbers given? */
static bool is_named(const struct id *ids, uint32_t count, int64_t job, int64_t array, int64_t task)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i].job != job && ids[i].job != array)
            continue;
        if (ids[i].tasks_count == 0 || task < 0)
            return true;
        for (uint32_t r = 0; r < ids[i].tasks_count; r++) {
            const struct dk_index_range *range = &ids[i].tasks[r];

            if (task >= range->first && task <= range->last &&
                (task - range->first) % range->step == 0)
                return true;
        }
    }
    return count == 0;
}

enum { ID, ARRAY, TASK, SPEC, NAME, PARTITION };

static void take_row(struct scancel *scancel, const struct dk_rows *rows, uint32_t row,
                     const struct id *asked, uint32_t asked_count)
{
    int64_t job = dk_cell_number(rows, row, ID, 0), array = dk_cell_number(rows, row, ARRAY, 0);
    int64_t task = dk_cell_number(rows, row, TASK, -1);
    const char *spec = dk_cell(rows, row, SPEC);
    size_t size = strlen(spec) + 64;
    char *text = dk_arena_take(&scancel->arena, size);
    struct id id = { .job = job, .text = text };
    struct dk_array_spec tasks;

    if (!is_named(asked, asked_count, job, array, task))
        return;
    if (*spec != 0)
        (void)snprintf(text, size, "%lld_[%s]", (long long)array, spec);
    else if (task >= 0)
        (void)snprintf(text, size, "%lld_%lld", (long long)array, (long long)task);
    else
        (void)snprintf(text, size, "%lld", (long long)job);
    /* The waiting rest of an array is meant, and not those of its tasks that did not match. */
    if (*spec != 0 && dk_value_array(spec, &scancel->arena, &tasks)) {
        id.job = array > 0 ? array : job;
        id.tasks = tasks.ranges;
        id.tasks_count = tasks.ranges_count;
    }
    if (scancel->is_interactive &&
        !is_confirmed(text, dk_cell(rows, row, NAME), dk_cell(rows, row, PARTITION)))
        return;
    add_id(scancel, &id);
}

static void ask_filters(const struct scancel *scancel, struct dk_question *question)
{
    const char *states = scancel->state != NULL ? scancel->state : "PENDING,RUNNING,SUSPENDED";

    dk_question_add(question, "state", states);
    if (scancel->account != NULL)
        dk_question_add(question, "account", scancel->account);
    if (scancel->name != NULL)
        dk_question_add(question, "name", scancel->name);
    if (scancel->partition != NULL)
        dk_question_add(question, "partition", scancel->partition);
    if (scancel->user != NULL)
        dk_question_add(question, "user", scancel->user);
    if (scancel->nodes != NULL)
        dk_question_add(question, "node", scancel->nodes);
}

/* Numbers that no job matched. */
static void say_missing(struct scancel *scancel, const struct id *asked, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool is_found = false;

        for (uint32_t k = 0; k < scancel->count; k++)
            is_found = is_found || strtoll(scancel->ids[k].text, NULL, 10) == asked[i].job ||
                       scancel->ids[k].job == asked[i].job;
        if (!is_found && !scancel->is_quiet)
            scancel->status = slurm_error(
                "scancel", "Kill job error on job id %s: Invalid job id specified", asked[i].text);
    }
}

/* The numbers given are replaced by the jobs that match. */
static void look_up(struct scancel *scancel)
{
    uint32_t asked_count = scancel->count;
    struct id *asked = dk_arena_take(&scancel->arena, (asked_count + 1) * sizeof(*asked));
    struct dk_question question;
    struct dk_rows rows;
    struct dk_err err;

    if (asked_count > 0)
        memcpy(asked, scancel->ids, asked_count * sizeof(*asked));
    scancel->count = 0;
    dk_question_init(&question, "/v1/jobs");
    ask_filters(scancel, &question);
    if (dk_ask_rows(&scancel->session, &question,
                    scancel->is_interactive ? "id,array_job,array_task,array_spec,name,partition"
                                            : "id,array_job,array_task,array_spec",
                    &rows, &err) != DK_OK) {
        scancel->status = unreachable(&err);
    } else {
        for (uint32_t row = 0; row < rows.rows && !scancel->is_unmatchable; row++)
            take_row(scancel, &rows, row, asked, asked_count);
        say_missing(scancel, asked, asked_count);
    }
    dk_rows_release(&rows);
    dk_question_release(&question);
}

static void run(struct scancel *scancel)
{
    struct dk_err err;

    if (scancel->count == 0 && !has_filter(scancel)) {
        scancel->status = slurm_error("scancel", "No job identification provided");
        return;
    }
    /* KILL to a whole job ends it; -b alone is KILL to the script. */
    if (scancel->signal == 0 && scancel->is_batch)
        scancel->signal = SIGKILL;
    else if (scancel->signal == SIGKILL && !scancel->is_batch)
        scancel->signal = 0;
    if (dk_session_open(&scancel->session, NULL, &err) != DK_OK) {
        scancel->status = unreachable(&err);
        return;
    }
    if (scancel->clusters != NULL &&
        slurm_check_cluster(&scancel->session, scancel->clusters, &err) != DK_OK) {
        scancel->status = slurm_error("scancel", "%s", err.text);
    } else {
        if (has_filter(scancel) || scancel->is_interactive)
            look_up(scancel);
        if (scancel->count > 0)
            send_all(scancel);
    }
    dk_session_close(&scancel->session);
}

int slurm_scancel(int argc, char **argv)
{
    struct scancel scancel = { .status = 0 };
    int status;

    dk_arena_init(&scancel.arena, &dk_heap);
    status = take_all(&scancel, argc, argv);
    if (status < 0) {
        run(&scancel);
        status = scancel.status;
    }
    dk_alloc_free(&dk_heap, scancel.ids, scancel.capacity * sizeof(*scancel.ids));
    dk_arena_release(&scancel.arena);
    return status;
}
