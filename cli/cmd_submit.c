/* cmd_submit.c - docket submit, and docket run, which waits and shows what the job writes
 *
 * Both know all of sbatch's options; what may be said is submission_options.c's.
 */
#include "cli/commands.h"
#include "cli/print.h"
#include "cli/submission_send.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct submitter {
    const struct cli_command *command;
    struct dk_surroundings_store store;
    struct dk_surroundings around;
    struct dk_submission submission;
    struct dk_session session;
    char program[32];
};

static int say_fault(const struct submitter *submitter, const struct dk_err *err)
{
    if (submitter->submission.is_usage || err->status == DK_INVALID ||
        err->status == DK_UNSUPPORTED)
        return cli_usage_error(submitter->command, "%s", err->text);
    return cli_fail(err);
}

static void remark(const char *why, int seconds)
{
    (void)fprintf(stderr, "docket: waiting for the controller (%s), %d s at most\n", why, seconds);
}

/* Reads what is asked for and finds the cluster. CLI_GO_ON or the exit status; the caller ends by
 * submitter_end either way. */
static int submitter_begin(struct submitter *submitter, const struct cli_command *command, int argc,
                           char **argv)
{
    struct dk_submission *submission = &submitter->submission;
    struct dk_err err;

    memset(submitter, 0, sizeof(*submitter));
    submitter->command = command;
    (void)snprintf(submitter->program, sizeof(submitter->program), "docket %s", command->name);
    dk_submission_init(submission, &submitter->around, submitter->program);
    submission->is_docket = true;
    submission->is_command = strcmp(command->name, "run") == 0;
    if (dk_surroundings_read(&submitter->around, &submitter->store, &err) != DK_OK)
        return cli_fail(&err);
    if (dk_submission_read(submission, argc, argv, &err) != DK_OK)
        return say_fault(submitter, &err);
    if (submission->wants_help || submission->wants_usage) {
        dk_submission_print_help(submission, stdout);
        return CLI_EXIT_OK;
    }
    if (submission->wants_version)
        return cli_usage_error(command, "--version goes with docket alone");
    if (submission->warning[0] != 0)
        (void)fprintf(stderr, "docket: %s\n", submission->warning);
    if (dk_session_open(&submitter->session, submission->dir, &err) != DK_OK)
        return cli_fail(&err);
    submitter->session.remark = remark;
    return CLI_GO_ON;
}

static int submitter_end(struct submitter *submitter, int status)
{
    dk_session_close(&submitter->session);
    dk_submission_release(&submitter->submission);
    return status;
}

/* --- what became of it --- */

static void print_json_text(const char *name, const char *text)
{
    (void)printf(",\"%s\":", name);
    cli_json_text(text);
}

static int say_refusal(const struct submitter *submitter, const struct dk_outcome *outcome)
{
    if (submitter->submission.is_json) {
        (void)printf("{\"result\":\"rejected\",\"seq\":%lld", (long long)outcome->seq);
        print_json_text("reason", outcome->reason);
        print_json_text("detail", outcome->detail);
        (void)printf("}\n");
    } else {
        (void)fprintf(stderr, "docket %s: %s\n", submitter->command->name, outcome->detail);
    }
    return CLI_EXIT_REFUSED;
}

static int print_forecast(const struct submitter *submitter, const struct dk_forecast *forecast)
{
    int64_t seconds = (forecast->start - submitter->around.now_us) / 1000000;
    char wait[32];

    if (forecast->kind == DK_FORECAST_REJECTED)
        return say_refusal(submitter, &forecast->refusal);
    if (submitter->submission.is_json) {
        (void)printf("{\"result\":\"%s\"",
                     forecast->kind == DK_FORECAST_STARTS ? "starts" : "unknown");
        if (forecast->kind == DK_FORECAST_STARTS) {
            (void)printf(",\"start\":%lld,\"cores\":%lld", (long long)forecast->start,
                         (long long)forecast->cores);
            print_json_text("nodes", forecast->nodes);
            print_json_text("partition", forecast->partition);
        }
        (void)printf("}\n");
        return CLI_EXIT_OK;
    }
    if (forecast->kind == DK_FORECAST_UNKNOWN)
        (void)printf("it would not start in the time that was looked at\n");
    else if (seconds <= 0)
        (void)printf("it would start at once, on %s in partition %s with %lld cores\n",
                     forecast->nodes, forecast->partition, (long long)forecast->cores);
    else
        (void)printf("it would start in %s, on %s in partition %s with %lld cores\n",
                     cli_duration(wait, seconds, true), forecast->nodes, forecast->partition,
                     (long long)forecast->cores);
    return CLI_EXIT_OK;
}

/* CLI_GO_ON: it is submitted, *outcome has its number. */
static int send_it(struct submitter *submitter, struct dk_outcome *outcome)
{
    struct dk_submission *submission = &submitter->submission;
    struct dk_forecast forecast;
    struct dk_err err;

    if (submission->is_test) {
        if (dk_submission_test(&submitter->session, submission, &forecast, &err) != DK_OK)
            return say_fault(submitter, &err);
        return print_forecast(submitter, &forecast);
    }
    if (dk_submission_send(&submitter->session, submission, outcome, &err) != DK_OK)
        return say_fault(submitter, &err);
    return outcome->kind == DK_OUTCOME_REJECTED ? say_refusal(submitter, outcome) : CLI_GO_ON;
}

static int wait_for(struct submitter *submitter, const struct dk_outcome *outcome,
                    void (*idle)(void *context), void *context)
{
    struct dk_waiting waiting = {
        .job = outcome->job,
        .seq = outcome->seq,
        .is_array = submitter->submission.request.submit_job.spec.has_array,
        .idle = idle,
        .context = context,
    };
    struct dk_err err;
    int exit_status = 0;

    (void)fflush(stdout);
    if (dk_submission_wait(&submitter->session, &waiting, &exit_status, &err) != DK_OK)
        return cli_fail(&err);
    return exit_status;
}

int cli_submit(const struct cli_command *command, int argc, char **argv)
{
    struct submitter submitter;
    struct dk_outcome outcome = { 0 };
    int status = submitter_begin(&submitter, command, argc + 1, argv - 1);

    if (status == CLI_GO_ON)
        status = send_it(&submitter, &outcome);
    if (status != CLI_GO_ON)
        return submitter_end(&submitter, status);
    if (submitter.submission.is_json)
        (void)printf("{\"result\":\"%s\",\"seq\":%lld,\"job\":%lld}\n",
                     outcome.kind == DK_OUTCOME_DUPLICATE ? "duplicate" : "accepted",
                     (long long)outcome.seq, (long long)outcome.job);
    else if (!submitter.submission.is_quiet)
        (void)printf("%lld\n", (long long)outcome.job);
    status =
        submitter.submission.is_waiting ? wait_for(&submitter, &outcome, NULL, NULL) : CLI_EXIT_OK;
    return submitter_end(&submitter, status);
}

/* --- docket run --- */

static volatile sig_atomic_t is_interrupted;

static void interrupt(int number)
{
    (void)number;
    is_interrupted = 1;
}

struct follow {
    struct submitter *submitter;
    int64_t job;
    char path[4096]; /* the job's output; empty: it goes where -o says */
    int fd;          /* -1: not there yet */
    bool is_cancelled;
};

static void show_more(struct follow *follow)
{
    char piece[65536];
    ssize_t got;

    if (follow->fd < 0 && follow->path[0] != 0)
        follow->fd = open(follow->path, O_RDONLY | O_CLOEXEC);
    while (follow->fd >= 0 && (got = read(follow->fd, piece, sizeof(piece))) > 0)
        (void)fwrite(piece, 1, (size_t)got, stdout);
    (void)fflush(stdout);
}

static void cancel(struct follow *follow)
{
    struct dk_request request = { .type = DK_REQUEST_CANCEL_JOB };
    struct dk_outcome outcome = { 0 };

    follow->is_cancelled = true;
    request.cancel_job.job = follow->job;
    if (dk_send(&follow->submitter->session, &request, 1, &outcome, 0, NULL) != DK_OK)
        (void)fprintf(stderr, "docket run: job %lld could not be cancelled\n",
                      (long long)follow->job);
}

static void go_on(void *context)
{
    struct follow *follow = context;

    show_more(follow);
    if (is_interrupted && !follow->is_cancelled)
        cancel(follow);
}

/* Where the job writes when nobody said where: a file of its own beside it, which goes again. */
static void choose_output(struct submitter *submitter, struct follow *follow)
{
    static const char digits[] = "0123456789abcdef";
    struct dk_job_spec *spec = &submitter->submission.request.submit_job.spec;
    uint8_t key[16];
    char name[40] = ".docket-run-";
    size_t size = strlen(name);

    if (spec->launch.std_out.size > 0 || spec->has_array)
        return;
    dk_key_make(key);
    for (int i = 0; i < 8; i++) {
        name[size++] = digits[key[i] >> 4];
        name[size++] = digits[key[i] & 15];
    }
    name[size] = 0;
    (void)snprintf(follow->path, sizeof(follow->path), "%.*s/%s", (int)spec->work_dir.size,
                   spec->work_dir.data, name);
    spec->launch.std_out = dk_text_of(follow->path);
}

int cli_run(const struct cli_command *command, int argc, char **argv)
{
    struct sigaction act = { .sa_handler = interrupt };
    struct submitter submitter;
    struct follow follow = { .submitter = &submitter, .fd = -1 };
    struct dk_outcome outcome = { 0 };
    int status = submitter_begin(&submitter, command, argc + 1, argv - 1);

    if (status == CLI_GO_ON)
        choose_output(&submitter, &follow);
    if (status == CLI_GO_ON)
        status = send_it(&submitter, &outcome);
    if (status != CLI_GO_ON)
        return submitter_end(&submitter, status);
    follow.job = outcome.job;
    if (!submitter.submission.is_quiet)
        (void)fprintf(stderr, "docket run: job %lld\n", (long long)outcome.job);
    (void)sigaction(SIGINT, &act, NULL);
    (void)sigaction(SIGTERM, &act, NULL);
    status = wait_for(&submitter, &outcome, go_on, &follow);
    show_more(&follow);
    if (follow.fd >= 0)
        (void)close(follow.fd);
    if (follow.path[0] != 0 && unlink(follow.path) != 0 && errno != ENOENT)
        (void)fprintf(stderr, "docket run: '%s' is left behind: %s\n", follow.path,
                      strerror(errno));
    return submitter_end(&submitter, status);
}
