/* slurm.c - see slurm.h */
#include "cli/slurm/slurm.h"

#include "cli/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    slurm_command *run;
} commands[] = {
    { "sacct", slurm_sacct },       { "sbatch", slurm_sbatch }, { "scancel", slurm_scancel },
    { "scontrol", slurm_scontrol }, { "sdiag", slurm_sdiag },   { "sinfo", slurm_sinfo },
    { "sprio", slurm_sprio },       { "squeue", slurm_squeue },
};

slurm_command *slurm_find(const char *name)
{
    const char *slash = strrchr(name, '/');

    if (slash != NULL)
        name = slash + 1;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run;
    return NULL;
}

int slurm_error(const char *name, const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    (void)fprintf(stderr, "%s: error: ", name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return 1;
}

int slurm_print_version(void)
{
    (void)printf("slurm 22.05.8 (docket)\n");
    return 0;
}

const char *slurm_reason(const struct dk_err *err)
{
    switch ((int)err->status) {
    case DK_NOT_FOUND:
    case DK_IO:
        return "Unable to contact slurm controller (connect failure)";
    case DK_AGAIN:
    case DK_BUSY:
        return "Socket timed out on send/recv operation";
    default:
        return err->text;
    }
}

/* --- refusals --- */

/* The first row whose reason is the outcome's, and whose words are in its detail. */
static const struct {
    const char *reason, *detail, *words;
} refusals[] = {
    { "PARTITION_NOT_FOUND", "no partition is named",
      "No partition specified or system default partition" },
    { "PARTITION_NOT_FOUND", "", "Invalid partition name specified" },
    { "PARTITION_NOT_UP", "", "Required partition not available (inactive or drain)" },
    { "UNSATISFIABLE", "", "Requested node configuration is not available" },
    { "LIMIT", "time limit", "Requested time limit is invalid (missing or exceeds some limit)" },
    { "LIMIT", "nodes are above", "Node count specification invalid" },
    { "LIMIT", "",
      "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)" },
    { "NOT_FOUND", "dependency", "Job dependency problem" },
    { "NOT_FOUND", "node", "Invalid node name specified" },
    { "NOT_FOUND", "job", "Invalid job id specified" },
    { "WRONG_STATE", "has ended", "Job/step already completing or completed" },
    { "WRONG_STATE", "is not pending", "Job is no longer pending execution" },
    { "WRONG_STATE", "is not running", "Job/step already completing or completed" },
    { "WRONG_STATE", "has started", "Job is no longer pending execution" },
    { "NOT_PERMITTED", "", "Access/permission denied" },
    { "INVALID", "nodes", "Node count specification invalid" },
    { "INVALID", "array", "Invalid job array specification" },
    { "INVALID", "constraint", "Invalid feature specification" },
    { "INVALID", "depend", "Job dependency problem" },
    { "INVALID", "account", "Invalid account or account/partition combination specified" },
    { "TOO_LARGE", "array", "Invalid job array specification" },
};

const char *slurm_refusal(const struct dk_outcome *outcome)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (strcmp(refusals[i].reason, outcome->reason) == 0 &&
            strstr(outcome->detail, refusals[i].detail) != NULL)
            return refusals[i].words;
    return outcome->detail;
}

/* --- clusters --- */

enum dk_status slurm_cluster_name(struct dk_session *session, char name[SLURM_CLUSTER_SIZE],
                                  struct dk_err *err)
{
    struct dk_question question;
    struct dk_buf body;
    struct dk_json json;
    char key[32];
    int64_t seq;
    enum dk_status status;

    dk_question_init(&question, "/v1/status");
    dk_buf_init(&body, &dk_heap, 1 << 20);
    status = dk_ask_body(session, &question, NULL, &body, &seq, err);
    name[0] = '\0';
    if (status == DK_OK) {
        dk_json_begin(&json, body.data, body.size);
        for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));)
            if (strcmp(key, "cluster") == 0)
                dk_json_take_text(&json, name, SLURM_CLUSTER_SIZE);
            else
                dk_json_skip(&json);
    }
    if (status == DK_OK && name[0] == '\0')
        (void)snprintf(name, SLURM_CLUSTER_SIZE, "docket"); /* a cluster without a name */
    dk_question_release(&question);
    dk_buf_release(&body);
    return status;
}

enum dk_status slurm_check_cluster(struct dk_session *session, const char *names,
                                   struct dk_err *err)
{
    char ours[SLURM_CLUSTER_SIZE];

    if (slurm_cluster_name(session, ours, err) != DK_OK)
        return err->status;
    while (*names != '\0') {
        size_t size = strcspn(names, ",");

        if ((size != 3 || strncmp(names, "all", 3) != 0) && size > 0 &&
            (strncmp(names, ours, size) != 0 || ours[size] != '\0'))
            return dk_fail(err, DK_INVALID,
                           "'%.*s' can't be reached now, or it is an invalid entry for --cluster. "
                           " Use 'sacctmgr list clusters' to see available clusters.",
                           (int)size, names);
        names += size;
        if (*names == ',')
            names++;
    }
    return DK_OK;
}
