/* scontrol_act.c - hold, release, requeue, wait_job, completing, write: things done to jobs */
#include "cli/slurm/scontrol.h"
#include "cli/slurm/times.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* --- which jobs --- */

/* "17", "17_3"; false: neither. */
static bool parse_job(const char *text, struct scontrol_job *job)
{
    char *end;

    job->text = text;
    job->task = -1;
    job->job = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || job->job <= 0)
        return false;
    if (*end == '_') {
        text = end + 1;
        job->task = strtoll(text, &end, 10);
        if (*text < '0' || *text > '9')
            return false;
    }
    return *end == 0;
}

static int each_of_name(struct scontrol *scontrol, const char *name, scontrol_job_visit *each,
                        void *context)
{
    struct dk_question question;
    struct dk_rows rows;
    char user[24];
    int status = 0;

    dk_question_init(&question, "/v1/jobs");
    dk_question_add(&question, "name", name);
    (void)snprintf(user, sizeof(user), "%u", (unsigned)getuid());
    if (getuid() != 0)
        dk_question_add(&question, "user", user);
    if (!scontrol_ask(scontrol, "slurm_load_jobs", &question, "id", &rows))
        status = 1;
    for (uint32_t row = 0; status == 0 && row < rows.rows; row++) {
        struct scontrol_job job = { dk_cell_number(&rows, row, 0, 0), -1, dk_cell(&rows, row, 0) };

        if (each(scontrol, &job, context) != 0)
            status = 1;
    }
    dk_rows_release(&rows);
    return status;
}

int scontrol_each_job(struct scontrol *scontrol, int argc, char **argv, scontrol_job_visit *each,
                      void *context)
{
    int worst = 0;

    for (int i = 0; i < argc; i++) {
        char *at = argv[i];

        if (strncasecmp(at, "name=", 5) == 0 || strncasecmp(at, "jobname=", 8) == 0) {
            if (each_of_name(scontrol, strchr(at, '=') + 1, each, context) != 0)
                worst = 1;
            continue;
        }
        if (strncasecmp(at, "jobid=", 6) == 0)
            at += 6;
        for (char *rest; at != NULL; at = rest) {
            struct scontrol_job job;

            rest = strchr(at, ',');
            if (rest != NULL)
                *rest++ = 0;
            if (!parse_job(at, &job)) {
                (void)fprintf(stderr, "Invalid job id specified for job %s\n", at);
                worst = 1;
            } else if (each(scontrol, &job, context) != 0) {
                worst = 1;
            }
        }
    }
    return worst;
}

int64_t scontrol_task_job(struct scontrol *scontrol, const struct scontrol_job *job)
{
    struct dk_question question;
    struct dk_rows rows;
    int64_t own = 0;

    if (job->task < 0)
        return job->job;
    dk_question_init(&question, "/v1/jobs");
    dk_question_add(&question, "id", job->text);
    dk_question_add(&question, "state", "all");
    if (scontrol_ask(scontrol, "slurm_load_jobs", &question, "id,array_task", &rows)) {
        if (rows.rows == 0)
            (void)fprintf(stderr, "Invalid job id specified for job %s\n", job->text);
        else if (*dk_cell(&rows, 0, 1) == 0 || dk_cell_number(&rows, 0, 1, -1) < 0)
            (void)scontrol_error("task %s has not started, and docket knows it only as a part of "
                                 "array %lld: name the array",
                                 job->text, (long long)job->job);
        else
            own = dk_cell_number(&rows, 0, 0, 0);
    }
    dk_rows_release(&rows);
    return own;
}

/* --- hold, release, requeue --- */

static const char *refusal_text(const struct dk_outcome *outcome)
{
    if (strstr(outcome->detail, "is not running") != NULL) /* of requeue: it waits */
        return "Requested operation is presently disabled";
    if (strstr(outcome->detail, "has ended") != NULL)
        return "Job has already finished";
    return slurm_refusal(outcome);
}

struct action {
    enum dk_request_type type;
    bool hold;        /* of requeue */
    const char *call; /* said once more after a failure; NULL: not */
};

static int act_on(struct scontrol *scontrol, const struct scontrol_job *job, void *context)
{
    const struct action *action = context;
    struct dk_request request = { .type = action->type };
    struct dk_outcome outcome;
    int64_t id = scontrol_task_job(scontrol, job);

    if (id == 0)
        return 1;
    switch ((int)action->type) {
    case DK_REQUEST_HOLD_JOB:
        request.hold_job.job = id;
        break;
    case DK_REQUEST_RELEASE_JOB:
        request.release_job.job = id;
        break;
    default:
        request.requeue_job.job = id;
        request.requeue_job.hold = action->hold;
        break;
    }
    if (!scontrol_send(scontrol, "slurm_suspend", &request, &outcome))
        return 1;
    /* What is not held is as release wants it. */
    if (outcome.kind != DK_OUTCOME_REJECTED ||
        (action->type == DK_REQUEST_RELEASE_JOB && strstr(outcome.detail, "is not held") != NULL))
        return 0;
    (void)fprintf(stderr, "%s for job %s\n", refusal_text(&outcome), job->text);
    if (action->call != NULL)
        (void)fprintf(stderr, "%s error: %s\n", action->call, refusal_text(&outcome));
    return 1;
}

int scontrol_hold(struct scontrol *scontrol, int argc, char **argv)
{
    struct action action = { .type = DK_REQUEST_HOLD_JOB, .call = "slurm_suspend" };

    return scontrol_each_job(scontrol, argc, argv, act_on, &action);
}

int scontrol_release(struct scontrol *scontrol, int argc, char **argv)
{
    struct action action = { .type = DK_REQUEST_RELEASE_JOB, .call = "slurm_suspend" };

    return scontrol_each_job(scontrol, argc, argv, act_on, &action);
}

static int requeue(struct scontrol *scontrol, int argc, char **argv, bool hold)
{
    struct action action = { .type = DK_REQUEST_REQUEUE_JOB, .hold = hold };

    if (strncasecmp(argv[0], "State=", 6) == 0)
        return scontrol_refuse("State=SpecialExit", "a requeued job waits, or is held");
    if (strcasecmp(argv[0], "Incomplete") == 0) {
        argc--;
        argv++;
    }
    return scontrol_each_job(scontrol, argc, argv, act_on, &action);
}

int scontrol_requeue(struct scontrol *scontrol, int argc, char **argv)
{
    return requeue(scontrol, argc, argv, false);
}

int scontrol_requeue_hold(struct scontrol *scontrol, int argc, char **argv)
{
    return requeue(scontrol, argc, argv, true);
}

/* --- waiting --- */

static int job_state(struct scontrol *scontrol, const char *text, char state[32])
{
    struct dk_question question;
    struct dk_rows rows;
    int status = 0;

    dk_question_init(&question, "/v1/jobs");
    dk_question_add(&question, "id", text);
    dk_question_add(&question, "state", "all");
    if (!scontrol_ask(scontrol, "slurm_load_jobs", &question, "state", &rows))
        status = 1;
    (void)snprintf(state, 32, "%s", status == 0 && rows.rows > 0 ? dk_cell(&rows, 0, 0) : "");
    if (status == 0 && rows.seq > scontrol->session.seq)
        scontrol->session.seq = rows.seq;
    dk_rows_release(&rows);
    return status;
}

/* Until something happens to the job. */
static int await_job(struct scontrol *scontrol, int64_t job)
{
    struct dk_question question;
    struct dk_buf body;
    struct dk_err err;
    int status = 0;

    dk_question_init(&question, "/v1/events");
    dk_buf_init(&body, &dk_heap, 16 << 20);
    dk_question_add_number(&question, "after", scontrol->session.seq);
    dk_question_add_number(&question, "job", job);
    dk_question_add_number(&question, "limit", 1);
    dk_question_add_number(&question, "wait_ms", 20000);
    if (dk_ask_body(&scontrol->session, &question, NULL, &body, NULL, &err) != DK_OK)
        status = scontrol_failed("slurm_load_jobs", &err);
    dk_buf_release(&body);
    dk_question_release(&question);
    return status;
}

int scontrol_wait_job(struct scontrol *scontrol, int argc, char **argv)
{
    struct scontrol_job job;
    char state[32];

    (void)argc;
    if (!parse_job(argv[0], &job)) {
        (void)fprintf(stderr, "scontrol: Invalid job id %s\n", argv[0]);
        return 1;
    }
    for (;;) {
        if (job_state(scontrol, argv[0], state) != 0)
            return 1;
        if (state[0] == 0) {
            (void)fprintf(stderr, "scontrol: Problem running job %s\n", argv[0]);
            return 1;
        }
        if (strcmp(state, "RUNNING") == 0) {
            (void)fprintf(stderr, "scontrol: Nodes are ready for job %s\n", argv[0]);
            return 0;
        }
        if (strcmp(state, "PENDING") != 0) {
            (void)fprintf(stderr, "scontrol: Job %s no longer running\n", argv[0]);
            return 1;
        }
        if (await_job(scontrol, job.job) != 0)
            return 1;
    }
}

int scontrol_completing(struct scontrol *scontrol, int argc, char **argv)
{
    struct dk_question question;
    struct slurm_dates dates;
    struct dk_rows rows;
    struct dk_buf out;
    int status = 0;

    (void)argc;
    (void)argv;
    dk_question_init(&question, "/v1/jobs");
    dk_question_add(&question, "state", "COMPLETING");
    dk_buf_init(&out, &dk_heap, 64 << 20);
    slurm_dates_init(&dates, slurm_now_us());
    if (!scontrol_ask(scontrol, "slurm_load_jobs", &question, "id,end,node_list", &rows))
        status = 1;
    for (uint32_t row = 0; status == 0 && row < rows.rows; row++) {
        scontrol_add(&out, "JobId=%s EndTime=", dk_cell(&rows, row, 0));
        slurm_add_date(&out, &dates, dk_cell_number(&rows, row, 1, 0));
        scontrol_add(&out, " CompletingTime=00:00:00 Nodes(COMPLETING)=%s\n",
                     dk_cell(&rows, row, 2));
    }
    scontrol_print(&out);
    dk_rows_release(&rows);
    dk_buf_release(&out);
    return status;
}

/* --- write batch_script --- */

static bool write_all(int fd, const struct dk_buf *bytes)
{
    size_t done = 0;

    while (done < bytes->size) {
        ssize_t put = write(fd, bytes->data + done, bytes->size - done);

        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (size_t)put : 0;
    }
    return true;
}

static int write_script(const char *job, const char *name, const struct dk_buf *script)
{
    char own[64];
    int fd;
    bool is_good;

    if (name != NULL && strcmp(name, "-") == 0)
        return fwrite(script->data, 1, script->size, stdout) == script->size ? 0 : 1;
    if (name == NULL) {
        (void)snprintf(own, sizeof(own), "slurm-%s.sh", job);
        name = own;
    }
    fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    is_good = fd >= 0 && write_all(fd, script);
    if (fd >= 0 && close(fd) != 0)
        is_good = false;
    if (!is_good)
        return scontrol_error("Could not write script to %s: %s", name, strerror(errno));
    (void)printf("batch script for job %s written to %s\n", job, name);
    return 0;
}

int scontrol_write(struct scontrol *scontrol, int argc, char **argv)
{
    struct dk_question question;
    struct scontrol_job job;
    struct dk_buf script;
    struct dk_err err;
    int status;

    if (strncasecmp(argv[0], "batch_script", strlen(argv[0])) != 0)
        return scontrol_refuse("write config", "'docket config show' prints it as YAML");
    if (argc < 2) {
        (void)fprintf(stderr, "too few arguments for keyword:write\n");
        return 1;
    }
    if (!parse_job(argv[1], &job) || !scontrol_connect(scontrol, "job script retrieval"))
        return scontrol_error("invalid job id %s", argv[1]);
    dk_question_init(&question, "/v1/script");
    dk_question_add_number(&question, "job", job.job);
    dk_buf_init(&script, &dk_heap, 64 << 20);
    if (dk_ask_body(&scontrol->session, &question, NULL, &script, NULL, &err) == DK_OK) {
        status = write_script(argv[1], argc > 2 ? argv[2] : NULL, &script);
    } else {
        (void)fprintf(stderr, "job script retrieval failed: %s\n",
                      err.status == DK_NOT_FOUND ? "Invalid job id specified" : err.text);
        status = 1;
    }
    dk_buf_release(&script);
    dk_question_release(&question);
    return status;
}
