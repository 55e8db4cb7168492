/* launch.c - a duty becomes an order to docketd-task (duty.h, task.h)
 *
 * The job's folder is jobs/JOB.ATTEMPT: the agent's, passable by all, with the script, which is the
 * user's (0700), and the record, which is not.
 */
#define _DEFAULT_SOURCE /* fchown */
#include "nodes/duty.h"
#include "nodes/env.h"
#include "nodes/machine.h"
#include "nodes/pattern.h"

#include "base/check.h"
#include "net/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOOK_US INT64_C(120000000)

/* An order being put together. */
struct packing {
    struct dk_agent *agent;
    struct dk_duty *duty;
    const struct dk_run_job *run;
    const struct dk_user *user;
    struct dk_task_order head;
    struct dk_buf out;
    char folder[DK_PLACE_PATH_MAX + 512];
};

static void add(struct packing *packing, const void *bytes, size_t size)
{
    DK_CHECK(dk_buf_add(&packing->out, bytes, size));
}

static void add_text(struct packing *packing, const char *text)
{
    add(packing, text, strlen(text) + 1);
}

static void add_text_of(struct packing *packing, struct dk_text text)
{
    add(packing, text.data, text.size);
    add(packing, "", 1);
}

/* Hardware threads of the job's cores; none when they are not bound. */
static uint32_t cpus_of(const struct dk_agent *agent, const struct dk_run_job *run, uint32_t **out)
{
    const struct dk_node_shape *shape = &agent->shape;
    uint32_t count = 0;
    int64_t core = 0;

    *out = NULL;
    if (!shape->bound)
        return 0;
    *out = malloc((shape->core_cpus[shape->cores] + (size_t)1) * sizeof(**out));
    DK_CHECK(*out != NULL);
    for (uint32_t i = 0; i < run->cores_count; i++) {
        core += run->cores[i].gap;
        for (int64_t k = 0; k < run->cores[i].count; k++, core++)
            for (uint32_t c = core < shape->cores ? shape->core_cpus[core] : 0;
                 core < shape->cores && c < shape->core_cpus[core + 1]; c++)
                (*out)[count++] = shape->cpus[c];
    }
    return count;
}

static void add_numbers(struct packing *packing, const uint32_t *cpus, uint32_t cpu_count)
{
    packing->head.group_count = packing->user->group_count;
    add(packing, packing->user->groups, packing->user->group_count * sizeof(uint32_t));
    packing->head.cpu_count = cpu_count;
    add(packing, cpus, cpu_count * sizeof(uint32_t));
}

/* Names of files are relative to the working folder, which is where the process opens them. */
static void add_files(struct packing *packing, const char *hook)
{
    const struct dk_run_job *run = packing->run;
    const struct dk_job_launch *launch = &run->spec.launch;
    const struct dk_text node = dk_text_of(packing->agent->options->name);
    struct dk_text in = launch->std_in, out = launch->std_out;

    add_text(packing, packing->folder);
    if (run->spec.work_dir.size > 0)
        add_text_of(packing, run->spec.work_dir);
    else
        add_text(packing, "/");
    dk_pattern_expand(in.size > 0 ? in : dk_text_of("/dev/null"), run, node, &packing->out);
    dk_pattern_expand(out.size > 0 ? out : dk_pattern_output(run), run, node, &packing->out);
    dk_pattern_expand(launch->std_err, run, node, &packing->out);
    add_text(packing, hook);
}

static void add_arguments(struct packing *packing)
{
    const struct dk_blob_copy *sent = &packing->duty->arguments;
    char script[sizeof(packing->folder) + 16];

    (void)snprintf(script, sizeof(script), "%s/script", packing->folder);
    add_text(packing, script);
    packing->head.arg_count = 1;
    if (sent->size == 0)
        return;
    add(packing, sent->data, sent->size);
    for (uint32_t i = 0; i < sent->size; i++)
        packing->head.arg_count += sent->data[i] == '\0';
    if (sent->data[sent->size - 1] != '\0') {
        add(packing, "", 1);
        packing->head.arg_count++;
    }
}

static void add_environment(struct packing *packing, bool is_hook)
{
    const struct dk_blob_copy *sent = &packing->duty->environment;
    const struct dk_env_place place = { packing->agent->options->name, packing->agent->cluster,
                                        packing->agent->options->place->dir, packing->user };
    uint32_t count = dk_env_build(packing->run, &place, (struct dk_bytes){ sent->data, sent->size },
                                  is_hook, &packing->out);

    if (is_hook)
        packing->head.hook_env_count = count;
    else
        packing->head.env_count = count;
}

static void begin(struct packing *packing, struct dk_agent *agent, struct dk_duty *duty,
                  enum dk_task_kind kind)
{
    char name[64];

    memset(packing, 0, sizeof(*packing));
    packing->agent = agent;
    packing->duty = duty;
    packing->run = dk_duty_order(agent, duty);
    packing->user = dk_users_find(agent->users, (uid_t)packing->run->actor.uid,
                                  (gid_t)packing->run->actor.gid, packing->run->actor.user);
    dk_duty_name(duty, name);
    (void)snprintf(packing->folder, sizeof(packing->folder), "%s/%s", agent->jobs_path, name);
    packing->head.kind = (uint32_t)kind;
    packing->head.job = duty->job;
    packing->head.attempt = duty->attempt;
    packing->head.uid = (uint32_t)packing->run->actor.uid;
    packing->head.gid = (uint32_t)packing->run->actor.gid;
    packing->head.switch_user = agent->is_root && packing->run->actor.uid != 0;
    packing->head.umask_bits = (uint32_t)packing->run->spec.launch.umask;
    packing->head.append = packing->run->spec.launch.append;
    packing->head.hook_us = HOOK_US;
    memcpy(packing->head.boot, agent->boot, sizeof(packing->head.boot));
    dk_buf_init(&packing->out, &dk_heap, DK_TASK_ORDER_MAX);
    add(packing, &packing->head, sizeof(packing->head));
}

static enum dk_status send(struct packing *packing, struct dk_err *err)
{
    enum dk_status status;

    packing->head.size = (uint32_t)packing->out.size;
    memcpy(packing->out.data, &packing->head, sizeof(packing->head));
    status = dk_launcher_send(packing->agent->launcher, &packing->out, err);
    packing->duty->launcher = dk_launcher_made(packing->agent->launcher);
    dk_buf_release(&packing->out);
    return status;
}

/* --- the folder --- */

static enum dk_status make_folder(struct packing *packing, struct dk_err *err)
{
    const struct dk_blob_copy *script = &packing->duty->script;
    char path[80], name[64];
    bool done;
    int fd;

    dk_duty_name(packing->duty, name);
    if (mkdirat(packing->agent->jobs_folder, name, 0711) == 0)
        (void)fchmodat(packing->agent->jobs_folder, name, 0711, 0); /* whatever the umask */
    else if (errno != EEXIST)
        return dk_fail(err, DK_IO, "the folder of job %s: %s", name, strerror(errno));
    if (packing->head.kind != DK_TASK_BATCH)
        return DK_OK;
    (void)snprintf(path, sizeof(path), "%s/script", name);
    fd = openat(packing->agent->jobs_folder, path,
                O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0700);
    done = fd >= 0 && write(fd, script->data, script->size) == (ssize_t)script->size;
    if (done)
        done = fchmod(fd, 0700) == 0;
    if (done && packing->head.switch_user)
        done = fchown(fd, packing->head.uid, packing->head.gid) == 0;
    if (!done)
        (void)dk_fail(err, DK_IO, "the script of job %s: %s", name, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return done ? DK_OK : DK_IO;
}

static void remove_folder(struct dk_agent *agent, const struct dk_duty *duty)
{
    static const char *const files[] = { "script", "task", "epilog" };
    char path[80], name[64];

    dk_duty_name(duty, name);
    for (size_t i = 0; i < (duty->epilog_runs ? 3 : 2); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", name, files[i]);
        (void)unlinkat(agent->jobs_folder, path, 0);
    }
    (void)unlinkat(agent->jobs_folder, name, AT_REMOVEDIR);
}

/* --- the script, or only the prolog --- */

static enum dk_status pack(struct packing *packing, struct dk_err *err)
{
    struct dk_agent *agent = packing->agent;
    char procs[DK_CONFINE_GROUPS][DK_CONFINE_PATH], name[64];
    struct dk_confine_share share = { .memory_mib = packing->run->memory_mib };
    uint32_t *cpus;
    enum dk_status status;

    share.cpu_count = cpus_of(agent, packing->run, &cpus);
    share.cpus = cpus;
    share.cores = packing->run->nodes[packing->run->node_index].cores;
    dk_duty_name(packing->duty, name);
    status = dk_confine_open(&agent->confine, name, &share, procs, &packing->head.proc_count, err);
    if (status == DK_OK) {
        if (agent->confine.level == DK_CONFINE_NONE)
            packing->head.data_bytes = share.memory_mib * 1048576;
        add_numbers(packing, cpus, share.cpu_count);
        add_files(packing, agent->prolog);
        for (uint32_t i = 0; i < packing->head.proc_count; i++)
            add_text(packing, procs[i]);
        if (packing->head.kind == DK_TASK_BATCH) {
            add_arguments(packing);
            add_environment(packing, false);
        }
        if (agent->prolog[0] != '\0')
            add_environment(packing, true);
    }
    free(cpus);
    return status;
}

enum dk_status dk_machine_launch(struct dk_agent *agent, struct dk_duty *duty, struct dk_err *err)
{
    struct packing packing;
    enum dk_status status;

    begin(&packing, agent, duty, duty->is_first ? DK_TASK_BATCH : DK_TASK_PROLOG);
    if (!agent->is_root && packing.head.uid != (uint32_t)getuid())
        status = dk_fail(err, DK_INVALID, "this agent is not root and can't run jobs of uid %u",
                         packing.head.uid);
    else
        status = make_folder(&packing, err);
    if (status == DK_OK)
        status = pack(&packing, err);
    if (status == DK_OK)
        status = send(&packing, err);
    else
        dk_buf_release(&packing.out);
    return status;
}

/* --- the end of a duty --- */

bool dk_machine_epilog(struct dk_agent *agent, struct dk_duty *duty)
{
    struct packing packing;
    struct dk_err err = { 0 };
    enum dk_status status;

    begin(&packing, agent, duty, DK_TASK_EPILOG);
    status = make_folder(&packing, &err);
    if (status == DK_OK) {
        add_numbers(&packing, NULL, 0);
        add_files(&packing, agent->epilog);
        add_environment(&packing, true);
        status = send(&packing, &err);
    } else {
        dk_buf_release(&packing.out);
    }
    if (status != DK_OK)
        dk_journal(DK_JOURNAL_WARNING, "job %lld: no epilog: %s", (long long)duty->job, err.text);
    return status == DK_OK;
}

void dk_machine_remove(struct dk_agent *agent, const struct dk_duty *duty)
{
    char name[64];

    dk_duty_name(duty, name);
    if (!dk_confine_close(&agent->confine, name))
        dk_journal(DK_JOURNAL_WARNING, "job %lld: its cgroup can't be removed",
                   (long long)duty->job);
    remove_folder(agent, duty);
}
