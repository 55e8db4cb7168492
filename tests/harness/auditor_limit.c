/* auditor_limit.c - the configuration's limits, by adding up all jobs again at each placement */
#include "auditor_state.h"

static bool same(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

void auditor_configured(struct auditor *auditor, const struct dk_cluster_config *config)
{
    auditor->limit_count = 0;
    for (uint32_t i = 0; i < config->limits_count && i < LIMITS_MAX; i++) {
        struct audit_limit *limit = &auditor->limits[auditor->limit_count++];
        const struct dk_limit_spec *spec = &config->limits[i];

        limit->spec = *spec;
        (void)snprintf(limit->name, sizeof(limit->name), "%.*s", (int)spec->name.size,
                       spec->name.size > 0 ? spec->name.data : "");
    }
}

/* Do both count together under a limit of this scope? */
static bool together(const struct audit_job *job, const struct audit_job *other,
                     enum dk_limit_scope scope)
{
    switch (scope) {
    case DK_LIMIT_SCOPE_USER:
    case DK_LIMIT_SCOPE_EACH_USER:
        return same(job->user, other->user);
    case DK_LIMIT_SCOPE_ACCOUNT:
    case DK_LIMIT_SCOPE_EACH_ACCOUNT:
        return same(job->account, other->account);
    case DK_LIMIT_SCOPE_PARTITION:
        return same(job->partition, other->partition);
    case DK_LIMIT_SCOPE_EACH_USER_IN_PARTITION:
        return same(job->user, other->user) && same(job->partition, other->partition);
    case DK_LIMIT_SCOPE_CLUSTER:
    case DK_LIMIT_SCOPE_COUNT:
        break;
    }
    return true;
}

static bool covers(const struct audit_limit *limit, const struct audit_job *job)
{
    switch (limit->spec.scope) {
    case DK_LIMIT_SCOPE_USER:
        return same(limit->name, job->user);
    case DK_LIMIT_SCOPE_ACCOUNT:
        return same(limit->name, job->account);
    case DK_LIMIT_SCOPE_PARTITION:
    case DK_LIMIT_SCOPE_EACH_USER_IN_PARTITION:
        return same(limit->name, job->partition);
    case DK_LIMIT_SCOPE_EACH_USER:
    case DK_LIMIT_SCOPE_EACH_ACCOUNT:
    case DK_LIMIT_SCOPE_CLUSTER:
    case DK_LIMIT_SCOPE_COUNT:
        break;
    }
    return true;
}

/* jobs active, jobs running, cores, GPUs, nodes, memory */
enum { WHATS = 6 };

static int64_t most_of(const struct audit_limit *limit, int what)
{
    const struct dk_limit_spec *spec = &limit->spec;
    const int64_t most[WHATS] = { spec->jobs_active_max,   spec->jobs_running_max,
                                  spec->cores_running_max, spec->gpus_running_max,
                                  spec->nodes_running_max, spec->memory_mib_running_max };

    return most[what];
}

/* A limit by name takes the place of the one for each. */
static bool replaced(const struct auditor *auditor, const struct audit_limit *limit,
                     const struct audit_job *job, int what)
{
    enum dk_limit_scope named = DK_LIMIT_SCOPE_USER;

    if (limit->spec.scope == DK_LIMIT_SCOPE_EACH_ACCOUNT)
        named = DK_LIMIT_SCOPE_ACCOUNT;
    else if (limit->spec.scope != DK_LIMIT_SCOPE_EACH_USER)
        return false;
    for (uint32_t i = 0; i < auditor->limit_count; i++)
        if (auditor->limits[i].spec.scope == named && covers(&auditor->limits[i], job) &&
            most_of(&auditor->limits[i], what) > 0)
            return true;
    return false;
}

static int64_t has(const struct auditor *auditor, const struct audit_job *job, int what)
{
    int64_t sums[WHATS] = { 0 };

    if (job->state != ENDED && job->state != 0)
        sums[0] = job->is_array ? job->waiting : 1;
    if (what == 0 || (job->state != RUNNING && job->state != ENDING))
        return what == 0 ? sums[0] : 0;
    sums[1] = 1;
    for (uint32_t i = 0; i < auditor->node_count; i++) {
        sums[2] += job->holdings[i].cores;
        sums[3] += job->holdings[i].gpus;
        sums[4] += job->holdings[i].cores > 0;
        sums[5] += job->holdings[i].memory;
    }
    return sums[what];
}

static void check(struct auditor *auditor, int64_t id, int what)
{
    static const char *const words[WHATS] = { "active jobs", "running jobs", "cores",
                                              "GPUs",        "nodes",        "MiB" };
    const struct audit_job *job = &auditor->jobs[id];

    if (has(auditor, job, what) == 0)
        return;
    for (uint32_t i = 0; i < auditor->limit_count; i++) {
        const struct audit_limit *limit = &auditor->limits[i];
        int64_t most = most_of(limit, what), sum = 0;

        if (most == 0 || !covers(limit, job) || replaced(auditor, limit, job, what))
            continue;
        for (int64_t other = 1; other <= auditor->job_last; other++)
            if (together(job, &auditor->jobs[other], limit->spec.scope))
                sum += has(auditor, &auditor->jobs[other], what);
        if (sum > most)
            auditor_complain(auditor, "job %lld makes %lld %s of %lld (limit of scope %s '%s')",
                             (long long)id, (long long)sum, words[what], (long long)most,
                             dk_limit_scope_name(limit->spec.scope), limit->name);
    }
}

void auditor_limits_submitted(struct auditor *auditor, int64_t id)
{
    check(auditor, id, 0);
}

void auditor_limits_placed(struct auditor *auditor, int64_t id)
{
    for (int what = 1; what < WHATS; what++)
        check(auditor, id, what);
}
