/* env.c - the environment of a batch script (env.h) */
#include "nodes/env.h"

#include "base/crc32c.h"
#include "net/hostlist.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct env {
    struct dk_buf *out;
    size_t first; /* where in out it begins */
    uint32_t count;
};

/* Is NAME= among the first `limit` bytes? */
static bool has(const struct env *env, const char *name, size_t name_size, size_t limit)
{
    const char *at = (const char *)env->out->data + env->first;
    const char *end = (const char *)env->out->data + limit;

    for (; at < end; at += strlen(at) + 1)
        if (strncmp(at, name, name_size) == 0 && at[name_size] == '=')
            return true;
    return false;
}

static void set(struct env *env, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Ours come first in the list, so a name is there already only if it is one of ours. */
static void set(struct env *env, const char *name, const char *format, ...)
{
    char value[8192];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    (void)dk_buf_add_text(env->out, name);
    (void)dk_buf_add(env->out, "=", 1);
    (void)dk_buf_add(env->out, value, strlen(value) + 1);
    env->count++;
}

static void set_text(struct env *env, const char *name, struct dk_text value)
{
    (void)dk_buf_add_text(env->out, name);
    (void)dk_buf_add(env->out, "=", 1);
    (void)dk_buf_add(env->out, value.data, value.size);
    (void)dk_buf_add(env->out, "", 1);
    env->count++;
}

static void set_unless(struct env *env, const char *name, const char *value)
{
    if (value[0] != '\0' && !has(env, name, strlen(name), env->out->size))
        set(env, name, "%s", value);
}

void dk_env_agent(const char *node, const char *dir, char out[DK_ENV_AGENT_SIZE])
{
    (void)snprintf(out, DK_ENV_AGENT_SIZE, "%s-%08x", node, dk_crc32c(0, dir, strlen(dir)));
}

void dk_env_mark(const char *node, const char *dir, int64_t job, int32_t attempt, char out[128])
{
    char agent[DK_ENV_AGENT_SIZE];

    dk_env_agent(node, dir, agent);
    (void)snprintf(out, 128, "DOCKET_TASK=%.80s.%lld.%d", agent, (long long)job, attempt);
}

/* --- lists --- */

static void add_nodes(const struct dk_run_job *run, struct dk_buf *out)
{
    struct dk_hostlist list;

    dk_hostlist_init(&list);
    for (uint32_t i = 0; i < run->nodes_count; i++)
        dk_hostlist_add(&list, run->nodes[i].node.data, run->nodes[i].node.size);
    dk_hostlist_compress(&list, out);
    dk_hostlist_release(&list);
}

/* 2(x3),1: cores, or tasks, of each node in order. */
static void add_counts(const struct dk_run_job *run, bool tasks, struct dk_buf *out)
{
    for (uint32_t i = 0; i < run->nodes_count;) {
        int32_t count = tasks ? run->nodes[i].tasks : run->nodes[i].cores;
        uint32_t limit = i;
        char text[32];

        while (limit < run->nodes_count &&
               (tasks ? run->nodes[limit].tasks : run->nodes[limit].cores) == count)
            limit++;
        (void)snprintf(text, sizeof(text), limit - i > 1 ? "%s%d(x%u)" : "%s%d", i > 0 ? "," : "",
                       count, limit - i);
        (void)dk_buf_add_text(out, text);
        i = limit;
    }
}

static void add_spans(const struct dk_span *spans, uint32_t count, struct dk_buf *out)
{
    int64_t next = 0;
    char text[32];

    for (uint32_t i = 0; i < count; i++) {
        next += spans[i].gap;
        for (int64_t k = 0; k < spans[i].count; k++, next++) {
            (void)snprintf(text, sizeof(text), "%s%lld", i > 0 || k > 0 ? "," : "",
                           (long long)next);
            (void)dk_buf_add_text(out, text);
        }
    }
}

static void set_list(struct env *env, const char *first, const char *second, struct dk_buf *list)
{
    struct dk_text value = { (const char *)list->data, (uint32_t)list->size };

    set_text(env, first, value);
    if (second != NULL)
        set_text(env, second, value);
    dk_buf_clear(list);
}

/* --- what is set --- */

static void set_job(struct env *env, const struct dk_run_job *run, const struct dk_env_place *place)
{
    const struct dk_job_spec *spec = &run->spec;

    set(env, "SLURM_JOB_ID", "%lld", (long long)run->job);
    set(env, "SLURM_JOBID", "%lld", (long long)run->job);
    set_text(env, "SLURM_JOB_NAME", spec->name);
    set_text(env, "SLURM_JOB_PARTITION", spec->partition);
    set_text(env, "SLURM_JOB_ACCOUNT", spec->account.size > 0 ? spec->account : run->actor.user);
    set(env, "SLURM_JOB_QOS", "normal");
    set(env, "SLURM_JOB_UID", "%d", run->actor.uid);
    set(env, "SLURM_JOB_GID", "%d", run->actor.gid);
    set_text(env, "SLURM_JOB_USER", run->actor.user);
    set_text(env, "SLURM_SUBMIT_DIR", spec->work_dir);
    set_text(env, "SLURM_SUBMIT_HOST",
             spec->launch.submit_host.size > 0 ? spec->launch.submit_host : run->actor.host);
    set(env, "SLURM_CLUSTER_NAME", "%s", place->cluster);
    set(env, "SLURM_WORKING_CLUSTER", "%s:%s:0:9728:109", place->cluster, place->node);
    set(env, "SLURM_CONF", "%s/slurm.conf", place->dir);
    if (run->attempt > 1)
        set(env, "SLURM_RESTART_COUNT", "%d", run->attempt - 1);
    if (run->task < 0)
        return;
    set(env, "SLURM_ARRAY_JOB_ID", "%lld", (long long)run->array_job);
    set(env, "SLURM_ARRAY_TASK_ID", "%d", run->task);
    set(env, "SLURM_ARRAY_TASK_COUNT", "%d", run->task_count);
    set(env, "SLURM_ARRAY_TASK_MIN", "%d", run->task_min);
    set(env, "SLURM_ARRAY_TASK_MAX", "%d", run->task_max);
    set(env, "SLURM_ARRAY_TASK_STEP", "%d", run->task_step);
}

static void set_share(struct env *env, const struct dk_run_job *run)
{
    const struct dk_job_spec *spec = &run->spec;
    const struct dk_node_share *here = &run->nodes[run->node_index];
    struct dk_buf list;

    dk_buf_init(&list, env->out->alloc, env->out->size_max);
    add_nodes(run, &list);
    set_list(env, "SLURM_JOB_NODELIST", "SLURM_NODELIST", &list);
    add_counts(run, false, &list);
    set_list(env, "SLURM_JOB_CPUS_PER_NODE", NULL, &list);
    add_counts(run, true, &list);
    set_list(env, "SLURM_TASKS_PER_NODE", NULL, &list);
    set(env, "SLURM_JOB_NUM_NODES", "%u", run->nodes_count);
    set(env, "SLURM_NNODES", "%u", run->nodes_count);
    set(env, "SLURM_CPUS_ON_NODE", "%d", here->cores);
    if (spec->launch.tasks_asked || spec->tasks_per_node > 0) {
        set(env, "SLURM_NTASKS", "%d", spec->tasks);
        set(env, "SLURM_NPROCS", "%d", spec->tasks);
    }
    if (spec->tasks_per_node > 0)
        set(env, "SLURM_NTASKS_PER_NODE", "%d", spec->tasks_per_node);
    if (spec->launch.cpus_asked)
        set(env, "SLURM_CPUS_PER_TASK", "%d", spec->cpus_per_task);
    if (spec->memory_mib_per_node > 0)
        set(env, "SLURM_MEM_PER_NODE", "%lld", (long long)spec->memory_mib_per_node);
    if (spec->memory_mib_per_cpu > 0)
        set(env, "SLURM_MEM_PER_CPU", "%lld", (long long)spec->memory_mib_per_cpu);
    if (run->gpus_count > 0) {
        add_spans(run->gpus, run->gpus_count, &list);
        set_list(env, "SLURM_JOB_GPUS", "CUDA_VISIBLE_DEVICES", &list);
        set(env, "SLURM_GPUS_ON_NODE", "%d", here->gpus);
    }
    dk_buf_release(&list);
}

static void set_task(struct env *env, const struct dk_run_job *run,
                     const struct dk_env_place *place)
{
    set(env, "SLURMD_NODENAME", "%s", place->node);
    set(env, "SLURM_NODEID", "%d", run->node_index);
    set(env, "SLURM_PROCID", "0");
    set(env, "SLURM_LOCALID", "0");
    set(env, "SLURM_GTIDS", "0");
    set(env, "SLURM_PRIO_PROCESS", "0");
    set(env, "SLURM_NODE_ALIASES", "(null)");
    set(env, "SLURM_TOPOLOGY_ADDR", "%s", place->node);
    set(env, "SLURM_TOPOLOGY_ADDR_PATTERN", "node");
    set(env, "SLURM_TASK_PID", "%20s", "");
    set(env, "ENVIRONMENT", "BATCH");
}

/* What the user sent, without the names that are ours: they begin with few letters, and most of the
 * user's names with others. */
static void add_sent(struct env *env, struct dk_bytes sent)
{
    const char *at = (const char *)sent.data, *end = at + sent.size;
    const size_t ours = env->out->size;

    while (at != NULL && at < end) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        const char *sign;

        if (stop == NULL)
            return;
        sign = memchr(at, '=', (size_t)(stop - at));
        if (sign != NULL && sign > at &&
            (strchr("SDEC", *at) == NULL || !has(env, at, (size_t)(sign - at), ours))) {
            (void)dk_buf_add(env->out, at, (size_t)(stop - at) + 1);
            env->count++;
        }
        at = stop + 1;
    }
}

uint32_t dk_env_build(const struct dk_run_job *run, const struct dk_env_place *place,
                      struct dk_bytes sent, bool is_hook, struct dk_buf *out)
{
    struct env env = { out, out->size, 0 };
    char mark[128];

    dk_env_mark(place->node, place->dir, run->job, run->attempt, mark);
    (void)dk_buf_add(out, mark, strlen(mark) + 1);
    env.count++;
    set(&env, "DOCKET_JOB_ID", "%lld", (long long)run->job);
    set(&env, "DOCKET_ATTEMPT", "%d", run->attempt);
    set(&env, "DOCKET_NODE", "%s", place->node);
    set(&env, "DOCKET_DIR", "%s", place->dir);
    set_job(&env, run, place);
    set_share(&env, run);
    if (!is_hook) {
        set_task(&env, run, place);
        add_sent(&env, sent);
        set_unless(&env, "HOME", place->user->home);
        set_unless(&env, "USER", place->user->name);
        set_unless(&env, "LOGNAME", place->user->name);
        set_unless(&env, "SHELL", place->user->shell);
        set_unless(&env, "TMPDIR", "/tmp");
    } else {
        set(&env, "SLURMD_NODENAME", "%s", place->node);
        set(&env, "SLURM_NODEID", "%d", run->node_index);
    }
    set_unless(&env, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    return env.count;
}
