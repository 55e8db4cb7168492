/* sbatch.c - sbatch, as Slurm 22.05 speaks: "Submitted batch job N", or why not
 *
 * What may be asked for is cli/submission_options.c's; this file is how it is said. One process,
 * one connection, one request: the answer comes when the job is durable.
 */
#include "cli/slurm/slurm.h"
#include "cli/slurm/times.h"
#include "cli/submission_send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each line of the text as an error of its own. */
static int say_errors(const char *text, int exit_status)
{
    while (*text != 0) {
        size_t size = strcspn(text, "\n");

        (void)slurm_error("sbatch", "%.*s", (int)size, text);
        text += size + (text[size] == '\n');
    }
    return exit_status;
}

static int say_fault(const struct dk_submission *submission, const struct dk_err *err)
{
    if (!submission->is_usage)
        return say_errors(err->text, submission->exit_status);
    (void)fprintf(stderr, "sbatch: %s\nTry \"sbatch --help\" for more information\n", err->text);
    return submission->exit_status;
}

static int say_unreachable(const struct dk_err *err)
{
    const char *reason = slurm_reason(err);

    if (reason != err->text) {
        (void)say_errors(err->text, 1);
        return slurm_error("sbatch", "Batch job submission failed: %s", reason);
    }
    if (strstr(err->text, "Batch job submission failed") != NULL)
        return say_errors(err->text, 1);
    return slurm_error("sbatch", "Batch job submission failed: %s", err->text);
}

/* docket's own words first, where they say more than Slurm's. */
static int say_refusal(const struct dk_outcome *outcome)
{
    const char *reason = slurm_refusal(outcome);

    if (reason != outcome->detail)
        (void)slurm_error("sbatch", "%s", outcome->detail);
    return slurm_error("sbatch", "Batch job submission failed: %s", reason);
}

static int print_forecast(const struct dk_forecast *forecast)
{
    struct slurm_dates dates;
    struct dk_buf date;

    if (forecast->kind == DK_FORECAST_REJECTED) {
        (void)slurm_error("sbatch", "%s", forecast->refusal.detail);
        (void)fprintf(stderr, "allocation failure: %s\n", slurm_refusal(&forecast->refusal));
        return 1;
    }
    if (forecast->kind == DK_FORECAST_UNKNOWN) {
        (void)fprintf(stderr, "allocation failure: it would not start in the time looked at\n");
        return 1;
    }
    dk_buf_init(&date, &dk_heap, 256);
    slurm_dates_init(&dates, slurm_now_us());
    slurm_add_date(&date, &dates, forecast->start);
    (void)fprintf(stderr,
                  "sbatch: Job %lld to start at %.*s using %lld processors on nodes %s in "
                  "partition %s\n",
                  (long long)forecast->job, (int)date.size, (const char *)date.data,
                  (long long)forecast->cores, forecast->nodes, forecast->partition);
    dk_buf_release(&date);
    return 0;
}

static void say_verbose(const struct dk_submission *submission)
{
    const struct dk_submit_job *submit = &submission->request.submit_job;

    (void)fprintf(stderr,
                  "sbatch: script of %u bytes, %u bytes of environment, %u of arguments\n"
                  "sbatch: %d tasks of %d cores on %d nodes (0: as many as needed) in %.*s\n",
                  submit->script.size, submit->environment.size, submit->arguments.size,
                  submit->spec.tasks, submit->spec.cpus_per_task, submit->spec.nodes,
                  (int)submit->spec.work_dir.size, submit->spec.work_dir.data);
}

static int finish(struct dk_session *session, const struct dk_submission *submission,
                  const struct dk_outcome *outcome)
{
    struct dk_waiting waiting = { .job = outcome->job,
                                  .seq = outcome->seq,
                                  .is_array = submission->request.submit_job.spec.has_array };
    struct dk_err err;
    int exit_status = 0;

    if (submission->is_parsable)
        (void)printf("%lld%s%s\n", (long long)outcome->job, submission->clusters != NULL ? ";" : "",
                     submission->clusters != NULL ? submission->clusters : "");
    else if (!submission->is_quiet)
        (void)printf("Submitted batch job %lld%s%s\n", (long long)outcome->job,
                     submission->clusters != NULL ? " on cluster " : "",
                     submission->clusters != NULL ? submission->clusters : "");
    if (!submission->is_waiting)
        return 0;
    (void)fflush(stdout);
    if (dk_submission_wait(session, &waiting, &exit_status, &err) != DK_OK)
        return slurm_error("sbatch", "cannot wait for job %lld: %s", (long long)outcome->job,
                           err.text);
    return exit_status;
}

static void remark(const char *why, int seconds)
{
    (void)fprintf(stderr, "sbatch: waiting for the controller (%s), %d s at most\n", why, seconds);
}

static int submit(struct dk_submission *submission)
{
    struct dk_session session;
    struct dk_outcome outcome;
    struct dk_forecast forecast;
    struct dk_err err;
    int status;

    if (dk_session_open(&session, NULL, &err) != DK_OK)
        return say_unreachable(&err);
    session.remark = remark;
    if (submission->clusters != NULL &&
        slurm_check_cluster(&session, submission->clusters, &err) != DK_OK)
        status = say_errors(err.text, 1);
    else if (submission->is_test)
        status = dk_submission_test(&session, submission, &forecast, &err) == DK_OK
                     ? print_forecast(&forecast)
                     : say_unreachable(&err);
    else if (dk_submission_send(&session, submission, &outcome, &err) != DK_OK)
        status = say_unreachable(&err);
    else if (outcome.kind == DK_OUTCOME_REJECTED)
        status = say_refusal(&outcome);
    else
        status = finish(&session, submission, &outcome);
    dk_session_close(&session);
    return status;
}

static int print_usage(void)
{
    (void)printf("Usage: sbatch [-N nodes] [-n tasks] [-c cores] [-p partition] [-t time] "
                 "[--mem=size]\n"
                 "              [--gres=gpu:n] [-a list] [-d list] [-J name] [-A account] "
                 "[-C features]\n"
                 "              [-w nodes] [-x nodes] [-D folder] [-o file] [-e file] [-i file]\n"
                 "              [--export=names] [--parsable] [--test-only] [--hold] [--wait]\n"
                 "              [--wrap=command | script [args...]]\n");
    return 0;
}

int slurm_sbatch(int argc, char **argv)
{
    struct dk_surroundings_store store;
    struct dk_surroundings around;
    struct dk_submission submission;
    struct dk_err err;
    int status = 0;

    if (dk_surroundings_read(&around, &store, &err) != DK_OK)
        return slurm_error("sbatch", "%s", err.text);
    dk_submission_init(&submission, &around, "sbatch");
    if (dk_submission_read(&submission, argc, argv, &err) != DK_OK)
        status = say_fault(&submission, &err);
    else if (submission.wants_help)
        dk_submission_print_help(&submission, stdout);
    else if (submission.wants_usage)
        status = print_usage();
    else if (submission.wants_version)
        status = slurm_print_version();
    else {
        if (submission.warning[0] != 0)
            (void)fprintf(stderr, "sbatch: Warning: %s\n", submission.warning);
        if (submission.verbose > 0)
            say_verbose(&submission);
        status = submit(&submission);
    }
    dk_submission_release(&submission);
    return status;
}
