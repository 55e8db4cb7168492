/* audit_run.c - what really runs where, against what the log has given (sim.h)
 *
 * A process that SIGKILL is on its way to occupies nothing any more. Two at a time are forgiven
 * only where the log had given up the node of the older one as lost, or an operator had set it
 * down: then nobody could tell. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum { AUDIT_NODES = 32, AUDIT_ATTEMPTS = 64 };

struct run {
    bool placed, over, lost, asked; /* asked: to end */
    bool ended;                     /* over by JobEnded; else requeued */
    enum dk_end_state state;
    int32_t exit_code, signal;
    uint32_t nodes; /* bits */
    uint32_t started;
    bool stopped, own_end, wiped;
    int32_t real_exit, real_signal;
};

struct audit_runs {
    struct run **jobs; /* by id: AUDIT_ATTEMPTS each */
    int64_t job_capacity;
    int64_t placed;
    struct {
        char name[24];
        int64_t core_first, cores;
    } nodes[AUDIT_NODES];
    uint32_t node_count;
    const struct audit_process **running;
    size_t running_count, running_capacity;
};

static struct audit_runs *runs;

struct audit_runs *audit_runs_create(void)
{
    runs = calloc(1, sizeof(*runs));
    DK_CHECK(runs != NULL);
    return runs;
}

void audit_runs_destroy(struct audit_runs *all)
{
    for (int64_t i = 0; i < all->job_capacity; i++)
        free(all->jobs[i]);
    free(all->jobs);
    free(all->running);
    free(all);
}

int64_t audit_runs_placed(void)
{
    return runs->placed;
}

static struct run *run_of(int64_t job, int32_t attempt)
{
    if (job >= runs->job_capacity) {
        int64_t before = runs->job_capacity, capacity = job * 2 + 64;

        runs->jobs = realloc(runs->jobs, (size_t)capacity * sizeof(*runs->jobs));
        DK_CHECK(runs->jobs != NULL);
        memset(runs->jobs + before, 0, (size_t)(capacity - before) * sizeof(*runs->jobs));
        runs->job_capacity = capacity;
    }
    if (runs->jobs[job] == NULL)
        runs->jobs[job] = calloc(AUDIT_ATTEMPTS, sizeof(struct run));
    DK_CHECK(runs->jobs[job] != NULL);
    return &runs->jobs[job][attempt >= 0 && attempt < AUDIT_ATTEMPTS ? attempt : 0];
}

/* --- the log's side --- */

static void registered(const struct dk_node_registered *event)
{
    if (event->number >= AUDIT_NODES)
        return;
    memset(runs->nodes[event->number].name, 0, sizeof(runs->nodes[0].name));
    memcpy(runs->nodes[event->number].name, event->spec.name.data,
           event->spec.name.size < 23 ? event->spec.name.size : 23);
    runs->nodes[event->number].core_first = event->core_first;
    runs->nodes[event->number].cores = event->spec.cores;
    if ((uint32_t)event->number >= runs->node_count)
        runs->node_count = (uint32_t)event->number + 1;
}

static void placed(const struct dk_job_placed *event)
{
    struct run *run = run_of(event->job, event->attempt);
    int64_t core = 0;

    runs->placed++;
    run->placed = true;
    for (uint32_t i = 0; i < event->cores_count; i++) {
        core += event->cores[i].gap;
        for (uint32_t n = 0; n < runs->node_count; n++)
            if (core < runs->nodes[n].core_first + runs->nodes[n].cores &&
                core + event->cores[i].count > runs->nodes[n].core_first)
                run->nodes |= UINT32_C(1) << n;
        core += event->cores[i].count;
    }
}

/* Whatever runs on a node that is given up, or set down, is out of our hands. */
static void given_up(const struct dk_node_condition_set *event)
{
    uint32_t bit = 0;

    if (event->condition != DK_NODE_CONDITION_DOWN)
        return;
    for (uint32_t n = 0; n < runs->node_count; n++)
        if (strlen(runs->nodes[n].name) == event->node.size &&
            memcmp(runs->nodes[n].name, event->node.data, event->node.size) == 0)
            bit = UINT32_C(1) << n;
    for (int64_t job = 0; job < runs->job_capacity; job++)
        for (int attempt = 0; runs->jobs[job] != NULL && attempt < AUDIT_ATTEMPTS; attempt++)
            if (runs->jobs[job][attempt].placed && !runs->jobs[job][attempt].over &&
                (runs->jobs[job][attempt].nodes & bit) != 0)
                runs->jobs[job][attempt].lost = true;
}

static void ended(const struct dk_job_ended *event)
{
    struct run *run = run_of(event->job, event->attempt);

    if (run->over)
        return; /* it was requeued, and ended while it waited */
    run->over = run->ended = true;
    run->state = event->state;
    run->exit_code = event->exit_code;
    run->signal = event->signal;
}

static void requeued(int64_t job)
{
    for (int attempt = 0; attempt < AUDIT_ATTEMPTS; attempt++)
        if (run_of(job, attempt)->placed)
            run_of(job, attempt)->over = true;
}

void audit_event(const struct dk_event *event)
{
    if (event->type == DK_EVENT_NODE_REGISTERED)
        registered(&event->node_registered);
    else if (event->type == DK_EVENT_JOB_PLACED)
        placed(&event->job_placed);
    else if (event->type == DK_EVENT_NODE_CONDITION_SET)
        given_up(&event->node_condition_set);
    else if (event->type == DK_EVENT_JOB_END_REQUESTED)
        run_of(event->job_end_requested.job, event->job_end_requested.attempt)->asked = true;
    else if (event->type == DK_EVENT_JOB_ENDED)
        ended(&event->job_ended);
    else if (event->type == DK_EVENT_JOB_REQUEUED)
        requeued(event->job_requeued.job);
}

/* --- the machines' side --- */

static void check_against(const struct audit_process *process, const struct audit_process *other)
{
    const struct run *run = run_of(other->job, other->attempt);

    if (other->told || run->lost || run_of(process->job, process->attempt)->lost)
        return;
    if (other->job == process->job)
        sim_fault("job %lld runs in attempt %d on %s while attempt %d runs on %s",
                  (long long)process->job, process->attempt, process->node, other->attempt,
                  other->node);
    if (strcmp(other->node, process->node) == 0 &&
        ((other->cores & process->cores) != 0 || (other->gpus & process->gpus) != 0))
        sim_fault("job %lld.%d starts on a core or GPU of %s that job %lld.%d is on",
                  (long long)process->job, process->attempt, process->node, (long long)other->job,
                  other->attempt);
}

void audit_started(const struct audit_process *process)
{
    struct run *run = run_of(process->job, process->attempt);

    if (!run->placed)
        sim_fault("job %lld.%d starts on %s, and the log knows nothing of it",
                  (long long)process->job, process->attempt, process->node);
    if (run->started++ > 0 && !run->wiped)
        sim_fault("attempt %d of job %lld starts a second time, on %s", process->attempt,
                  (long long)process->job, process->node);
    for (size_t i = 0; i < runs->running_count; i++)
        check_against(process, runs->running[i]);
    if (runs->running_count == runs->running_capacity) {
        runs->running_capacity = runs->running_capacity * 2 + 32;
        runs->running =
            realloc((void *)runs->running, runs->running_capacity * sizeof(*runs->running));
        DK_CHECK(runs->running != NULL);
    }
    runs->running[runs->running_count++] = process;
}

/* All that this node knew of what it has run is gone. */
void audit_wiped(const char *node)
{
    uint32_t bit = 0;

    for (uint32_t n = 0; n < runs->node_count; n++)
        if (strcmp(runs->nodes[n].name, node) == 0)
            bit = UINT32_C(1) << n;
    for (int64_t job = 0; job < runs->job_capacity; job++)
        for (int attempt = 0; runs->jobs[job] != NULL && attempt < AUDIT_ATTEMPTS; attempt++)
            if (runs->jobs[job][attempt].placed && (runs->jobs[job][attempt].nodes & bit) != 0)
                runs->jobs[job][attempt].wiped = true;
}

void audit_stopped(const struct audit_process *process)
{
    struct run *run = run_of(process->job, process->attempt);

    run->stopped = true;
    run->own_end = process->own_end;
    run->real_exit = process->exit_code;
    run->real_signal = process->signal;
    for (size_t i = 0; i < runs->running_count; i++)
        if (runs->running[i] == process)
            runs->running[i] = runs->running[--runs->running_count];
}

/* --- the end --- */

static bool is_ordered(enum dk_end_state state)
{
    return state == DK_END_STATE_CANCELLED || state == DK_END_STATE_TIMEOUT ||
           state == DK_END_STATE_PREEMPTED || state == DK_END_STATE_DEADLINE;
}

static void check_end(int64_t job, int attempt, const struct run *run)
{
    bool says_ended = run->state == DK_END_STATE_COMPLETED || run->state == DK_END_STATE_FAILED;

    if (run->started > 0 && !run->stopped)
        sim_fault("job %lld.%d has never stopped running", (long long)job, attempt);
    if (!run->ended || !run->placed || run->wiped)
        return;
    if (is_ordered(run->state) && !run->asked)
        sim_fault("job %lld.%d ended as %s, and nobody asked it to", (long long)job, attempt,
                  dk_end_state_name(run->state));
    if (says_ended && run->started == 0)
        sim_fault("job %lld.%d ended as %s, and was never started", (long long)job, attempt,
                  dk_end_state_name(run->state));
    if (says_ended &&
        (run->exit_code != run->real_exit || run->signal != run->real_signal ||
         (run->state == DK_END_STATE_COMPLETED) != (run->real_exit == 0 && run->real_signal == 0)))
        sim_fault("job %lld.%d ended as %s, exit %d, signal %d; its process: exit %d, signal %d",
                  (long long)job, attempt, dk_end_state_name(run->state), run->exit_code,
                  run->signal, run->real_exit, run->real_signal);
}

void audit_run_end(void)
{
    for (int64_t job = 0; job < runs->job_capacity; job++)
        for (int attempt = 1; runs->jobs[job] != NULL && attempt < AUDIT_ATTEMPTS; attempt++)
            check_end(job, attempt, &runs->jobs[job][attempt]);
    if (runs->running_count > 0)
        sim_fault("job %lld.%d still runs on %s", (long long)runs->running[0]->job,
                  runs->running[0]->attempt, runs->running[0]->node);
}
