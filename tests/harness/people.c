/* people.c - what the people of a world ask for (people.h) */
#include "people.h"

#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)

static const char *const node_names[] = { "n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7" };
static const char *const user_names[] = { "ada", "bea", "cyd" };
static const char *const accounts[] = { "", "phys", "bio", "phys" };
static const char *const job_names[] = { "", "align", "fold", "mesh" };
static const char *const constraints[] = {
    "", "", "", "fast", "big", "fast&big", "fast|big", "none"
};
static const char *const feature_names[] = { "fast", "big" };

static uint64_t below(struct people *people, uint64_t limit)
{
    return dk_prng_below(&people->prng, limit);
}

static bool chance(struct people *people, uint64_t percent)
{
    return below(people, 100) < percent;
}

/* Until the batch closes its events borrow what requests point to. */
static void *keep(struct people *people, size_t size)
{
    return dk_arena_take(&people->borrowed, size);
}

void people_init(struct people *people, const struct world_options *options, int64_t now)
{
    memset(people, 0, sizeof(*people));
    people->options = options;
    people->now = people->arrival = now;
    dk_prng_init(&people->prng, options->seed);
    dk_arena_init(&people->borrowed, &dk_heap);
    people->visits = 60 + (uint32_t)below(people, 60);
    people->node_count = 1 + (uint32_t)below(people, 6);
}

void people_release(struct people *people)
{
    free(people->jobs);
    free(people->ends);
    dk_arena_release(&people->borrowed);
}

static const struct dk_event *ask(struct people *people, struct dk_batcher *batcher, int64_t now,
                                  struct dk_request *request, bool is_operator)
{
    struct dk_stamp stamp = { .number = ++people->request_number,
                              .time = now,
                              .has_actor = true,
                              .is_operator = is_operator };
    const struct dk_event *outcome = NULL;

    stamp.actor.uid = is_operator ? 0 : 1000 + (int32_t)below(people, 3);
    stamp.actor.user = dk_text_of(is_operator ? "root" : user_names[stamp.actor.uid - 1000]);
    dk_batcher_request(batcher, &stamp, request, &outcome);
    return outcome;
}

/* --- the site --- */

/* A node follows from its seed: with the one that it had, it says again what is known of it. */
static void register_node(struct people *people, struct dk_batcher *batcher, int64_t now,
                          uint32_t number, bool again)
{
    struct dk_request request = { .type = DK_REQUEST_REGISTER_NODE };
    struct dk_text *features = keep(people, 2 * sizeof(*features));
    struct dk_node_spec *spec = &request.register_node.spec;
    uint64_t seed = again ? people->node_seeds[number] : below(people, (uint64_t)1 << 32);

    spec->name = dk_text_of(node_names[number]);
    spec->cores = 1 + (int32_t)(seed % 8);
    spec->memory_mib = (int64_t)(1 + (seed >> 3) % 4) * 1024;
    if (!people->options->single_cores && people->has_gpus && (seed >> 5) % 2 == 0)
        spec->gpus = 1 + (int32_t)((seed >> 6) % 3);
    for (uint32_t i = 0; i < 2; i++)
        if ((seed >> (16 + i)) % 2 == 0)
            features[spec->features_count++] = dk_text_of(feature_names[i]);
    spec->features = features;
    if (spec->cores > people->cores_max)
        people->cores_max = spec->cores;
    if (ask(people, batcher, now, &request, true)->type == DK_EVENT_NODE_REGISTERED)
        people->node_seeds[number] = seed;
}

static void configure_partition(struct people *people, struct dk_batcher *batcher, int64_t now,
                                const char *name, enum dk_partition_state state)
{
    struct dk_request request = { .type = DK_REQUEST_CONFIGURE_PARTITION };
    struct dk_partition_spec *spec = &request.configure_partition.spec;
    struct dk_text *nodes = keep(people, 2 * sizeof(*nodes));

    nodes[0] = dk_text_of(node_names[0]);
    nodes[1] = dk_text_of(node_names[1]);
    spec->name = dk_text_of(name);
    spec->state = state;
    spec->is_default = strcmp(name, "batch") == 0;
    spec->all_nodes = strcmp(name, "small") != 0;
    spec->limit_us_max = 3600 * SECOND;
    spec->priority = spec->is_default ? 100 : 60000;
    spec->tier = strcmp(name, "urgent") == 0;
    if (!spec->all_nodes) {
        spec->nodes = nodes;
        spec->nodes_count = people->node_count < 2 ? people->node_count : 2;
    }
    (void)ask(people, batcher, now, &request, true);
}

static struct dk_policy_spec policy_of(const struct people *people)
{
    struct dk_policy_spec policy = { .depth = 0 }, *spec = &policy;

    spec->policy = people->options->policy;
    spec->backfill = people->options->backfill;
    spec->enforce_limits = true;
    spec->age_us_max = 600 * SECOND;
    spec->weight_age = 1000;
    spec->weight_size = 500;
    spec->weight_partition = 300;
    if (people->beats)
        spec->beat_timeout_us = 100 * SECOND;
    return policy;
}

static void configure_policy(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_CONFIGURE_POLICY };

    request.configure_policy.spec = policy_of(people);
    (void)ask(people, batcher, now, &request, true);
}

static void apply_configuration(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_APPLY_CONFIGURATION };

    request.apply_configuration.config.policy = policy_of(people);
    people_configure(people, &request.apply_configuration.config);
    (void)ask(people, batcher, now, &request, true);
}

void people_settle(struct people *people, struct dk_batcher *batcher)
{
    bool plain = people->options->single_cores;
    bool several = !plain && chance(people, 40);

    people->several = several;
    people->has_gpus = chance(people, 40);
    people->beats = !plain && chance(people, 30);
    configure_policy(people, batcher, people->now);
    for (uint32_t i = 0; i < people->node_count; i++)
        register_node(people, batcher, people->now, i, false);
    configure_partition(people, batcher, people->now, "batch", DK_PARTITION_STATE_UP);
    if (several) {
        configure_partition(people, batcher, people->now, "urgent", DK_PARTITION_STATE_UP);
        configure_partition(people, batcher, people->now, "small", DK_PARTITION_STATE_UP);
    }
    if (people->options
            ->by_node) /* nobody uses it; the request itself takes nothing from the prng */
        configure_partition(people, batcher, people->now, "shadow", DK_PARTITION_STATE_UP);
    if (people->options->limits)
        apply_configuration(people, batcher, people->now);
}

/* --- submissions --- */

static void spec_shape(struct people *people, struct dk_job_spec *spec)
{
    int32_t most = people->cores_max;

    if (chance(people, 40)) {
        spec->nodes = 1 + (int32_t)below(people, people->node_count);
        spec->tasks = spec->nodes + (int32_t)below(people, 4);
    }
    if (chance(people, 30))
        spec->cpus_per_task = 1 + (int32_t)below(people, (uint64_t)most);
    if (chance(people, 15))
        spec->tasks_per_node = 1 + (int32_t)below(people, 4);
    if (chance(people, 25))
        spec->memory_mib_per_node = 256 * (int64_t)(1 + below(people, 12));
    else if (chance(people, 25))
        spec->memory_mib_per_cpu = 128 * (int64_t)(1 + below(people, 8));
    if (people->has_gpus && chance(people, 20))
        spec->gpus_per_node = 1 + (int32_t)below(people, 2);
    else if (people->has_gpus && chance(people, 15))
        spec->gpus_per_task = 1;
    spec->exclusive = chance(people, 10);
    spec->constraint = dk_text_of(constraints[below(people, 8)]);
    if (chance(people, 20))
        spec->partition = dk_text_of(chance(people, 50) ? "urgent" : "small");
}

static void spec_conditions(struct people *people, struct dk_job_spec *spec,
                            struct dk_dependency *dependencies)
{
    spec->name = dk_text_of(job_names[below(people, 4)]);
    spec->requeue = chance(people, 50);
    spec->hold = chance(people, 8);
    spec->nice = (int32_t)below(people, 100);
    if (chance(people, 15))
        spec->begin = people->now + (int64_t)below(people, 300) * SECOND;
    spec->kill_on_invalid_dependency = chance(people, 50);
    spec->dependency_any = chance(people, 30);
    spec->dependencies = dependencies;
    while (spec->dependencies_count < 3 && chance(people, 15)) {
        struct dk_dependency *one = &dependencies[spec->dependencies_count++];

        memset(one, 0, sizeof(*one));
        one->kind = (enum dk_dependency_kind)below(people, DK_DEPENDENCY_KIND_COUNT);
        if (one->kind != DK_DEPENDENCY_KIND_SINGLETON)
            one->job = 1 + (int64_t)below(people, (uint64_t)people->job_last + 1);
        if (one->kind == DK_DEPENDENCY_KIND_AFTER && chance(people, 50))
            one->delay_us = (int64_t)below(people, 60) * SECOND;
    }
}

static void spec_named(struct people *people, struct dk_job_spec *spec)
{
    struct dk_text *names = keep(people, 4 * sizeof(*names));

    for (int i = 0; i < 4; i++)
        names[i] = dk_text_of(node_names[below(people, people->node_count)]);
    spec->nodes_wanted = names;
    spec->nodes_excluded = names + 2;
    if (chance(people, 20))
        spec->nodes_wanted_count = 1 + (uint32_t)below(people, 2);
    if (chance(people, 20))
        spec->nodes_excluded_count = 1 + (uint32_t)below(people, 2);
}

static void submit(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_SUBMIT_JOB };
    struct dk_job_spec *spec = &request.submit_job.spec;
    struct dk_index_range *ranges = keep(people, 2 * sizeof(*ranges));
    struct dk_dependency *dependencies = keep(people, 3 * sizeof(*dependencies));
    uint8_t *key = keep(people, 2);

    spec->tasks = 1 + (int32_t)below(people, 10);
    spec->cpus_per_task = 1;
    spec->limit_us = (int64_t)(1 + below(people, 30)) * 20 * SECOND;
    if (people->options->single_cores) {
        (void)ask(people, batcher, now, &request, false);
        return;
    }
    spec_shape(people, spec);
    spec_conditions(people, spec, dependencies);
    if (people->options->limits) {
        spec->account = dk_text_of(accounts[below(people, 4)]);
        spec_named(people, spec);
    }
    if (chance(people, 15)) {
        spec->has_array = true;
        ranges[0] = (struct dk_index_range){ 0, (int32_t)below(people, 6), 1 };
        ranges[1] = (struct dk_index_range){ 10, 10 + (int32_t)below(people, 10),
                                             1 + (int32_t)below(people, 3) };
        spec->array.ranges = ranges;
        spec->array.ranges_count = 1 + (uint32_t)below(people, 2);
        spec->array.running_max = (int32_t)below(people, 4);
    }
    if (chance(people, 20)) {
        key[0] = (uint8_t)below(people, 30);
        key[1] = 7;
        request.meta.key = (struct dk_bytes){ key, 2 };
    }
    (void)ask(people, batcher, now, &request, chance(people, 10));
}

/* --- second thoughts --- */

static int64_t some_job(struct people *people)
{
    return (int64_t)below(people,
                          (uint64_t)people->job_last + 2); /* now and then one that is not */
}

static void update(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_UPDATE_JOB };
    struct dk_job_change *change = &request.update_job.change;

    request.update_job.job = some_job(people);
    switch (below(people, 7)) {
    case 0:
        change->has_limit_us = true;
        change->limit_us = (int64_t)(1 + below(people, 60)) * 10 * SECOND;
        break;
    case 1:
        change->has_nice = true;
        change->nice = (int32_t)below(people, 200);
        break;
    case 2:
        change->has_tasks = true;
        change->tasks = 1 + (int32_t)below(people, 8);
        break;
    case 3:
        change->has_begin = true;
        change->begin = now + (int64_t)below(people, 100) * SECOND;
        break;
    case 4:
        change->has_constraint = true;
        change->constraint = dk_text_of(constraints[below(people, 7)]);
        break;
    case 5:
        change->has_running_max = true;
        change->running_max = (int32_t)below(people, 4);
        break;
    default:
        change->has_partition = true;
        change->partition = dk_text_of(chance(people, 50) ? "batch" : "urgent");
        break;
    }
    (void)ask(people, batcher, now, &request, chance(people, 70));
}

static void cancel(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_CANCEL_JOB };
    struct dk_index_range *tasks = keep(people, sizeof(*tasks));

    request.cancel_job.job = some_job(people);
    tasks->first = (int32_t)below(people, 12);
    tasks->last = tasks->first + (int32_t)below(people, 4);
    tasks->step = 1;
    if (chance(people, 30)) {
        request.cancel_job.tasks = tasks;
        request.cancel_job.tasks_count = 1;
    }
    (void)ask(people, batcher, now, &request, chance(people, 70));
}

static void about_job(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_HOLD_JOB };

    switch (below(people, 3)) {
    case 0:
        request.hold_job.job = some_job(people);
        break;
    case 1:
        request.type = DK_REQUEST_RELEASE_JOB;
        request.release_job.job = some_job(people);
        break;
    default:
        request.type = DK_REQUEST_REQUEUE_JOB;
        request.requeue_job.job = some_job(people);
        request.requeue_job.hold = chance(people, 20);
        break;
    }
    (void)ask(people, batcher, now, &request, chance(people, 70));
}

static void set_node(struct people *people, struct dk_batcher *batcher, int64_t now,
                     uint32_t number, enum dk_node_condition condition)
{
    struct dk_request request = { .type = DK_REQUEST_SET_NODE_CONDITION };

    request.set_node_condition.node = dk_text_of(node_names[number]);
    request.set_node_condition.condition = condition;
    request.set_node_condition.reason = dk_text_of("because");
    (void)ask(people, batcher, now, &request, true);
}

static void beat(struct people *people, struct dk_batcher *batcher, int64_t now, uint64_t percent)
{
    struct dk_request request = { .type = DK_REQUEST_BEAT_NODES };
    struct dk_text *names = keep(people, 8 * sizeof(*names));
    uint32_t count = 0;

    for (uint32_t i = 0; i < people->node_count; i++)
        if (chance(people, percent))
            names[count++] = dk_text_of(node_names[i]);
    request.beat_nodes.nodes = names;
    request.beat_nodes.nodes_count = count;
    (void)ask(people, batcher, now, &request, true);
}

static void report_end(struct people *people, struct dk_batcher *batcher, int64_t now, int64_t job,
                       int32_t attempt, bool well)
{
    struct dk_request request = { .type = DK_REQUEST_REPORT_END };

    request.report_end.job = job;
    request.report_end.attempt = attempt;
    request.report_end.state = well ? DK_END_STATE_COMPLETED : DK_END_STATE_FAILED;
    request.report_end.exit_code = well ? 0 : 1;
    request.report_end.requeue = people->options->limits && !well && job % 3 == 0;
    (void)ask(people, batcher, now, &request, true);
}

static void signal_job(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_SIGNAL_JOB };

    request.signal_job.job = some_job(people);
    request.signal_job.signal = 1 + (int32_t)below(people, 66);
    (void)ask(people, batcher, now, &request, chance(people, 70));
}

static void erase_secrets(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_ERASE_SECRETS };

    request.erase_secrets.uid = 1000 + (int32_t)below(people, 5) - 1;
    request.erase_secrets.why = dk_text_of("left");
    (void)ask(people, batcher, now, &request, chance(people, 50));
}

static void change_account(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_UPDATE_JOB };

    request.update_job.job = some_job(people);
    request.update_job.change.has_account = true;
    request.update_job.change.account = dk_text_of(accounts[below(people, 4)]);
    (void)ask(people, batcher, now, &request, true);
}

static void second_thought(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    uint64_t what = below(people, 100 + (people->options->limits ? 20 : 0));
    uint32_t node = (uint32_t)below(people, people->node_count);

    if (what >= 115)
        erase_secrets(people, batcher, now);
    else if (what >= 110)
        apply_configuration(people, batcher, now);
    else if (what >= 105)
        signal_job(people, batcher, now);
    else if (what >= 100)
        change_account(people, batcher, now);
    else if (what < 25)
        update(people, batcher, now);
    else if (what < 45)
        cancel(people, batcher, now);
    else if (what < 70)
        about_job(people, batcher, now);
    else if (what < 85)
        set_node(people, batcher, now, node,
                 chance(people, 50) ? DK_NODE_CONDITION_UP
                                    : (enum dk_node_condition)below(people, 3));
    else if (what < 90)
        register_node(people, batcher, now, node, chance(people, 50));
    else if (what < 95)
        configure_partition(people, batcher, now, "batch",
                            chance(people, 60) ? DK_PARTITION_STATE_UP
                                               : (enum dk_partition_state)below(people, 4));
    else
        report_end(people, batcher, now, some_job(people), 1, true); /* out of the blue */
}

/* --- acting --- */

int64_t people_next(const struct people *people)
{
    int64_t next = people->visits > 0 ? people->arrival : INT64_MAX;

    for (uint32_t i = 0; i < people->end_count; i++)
        if (people->ends[i].time < next)
            next = people->ends[i].time;
    if (people->phase == TIDYING || people->phase == CANCELLING)
        next = people->now;
    return next;
}

static int report_ends(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    int count = 0;

    for (uint32_t i = 0; i < people->end_count;) {
        struct person_end end = people->ends[i];

        if (end.time > now) {
            i++;
            continue;
        }
        people->ends[i] = people->ends[--people->end_count];
        report_end(people, batcher, now, end.job, end.attempt,
                   people->options->single_cores || (end.job + end.attempt) % 5 != 0);
        count++;
    }
    return count;
}

static int tidy(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_RELEASE_JOB };
    int count = 0;

    people->phase = LIVING;
    people->beats = false;
    configure_policy(people, batcher, now); /* no node is lost any more */
    configure_partition(people, batcher, now, "batch", DK_PARTITION_STATE_UP);
    for (uint32_t i = 0; i < people->node_count; i++)
        set_node(people, batcher, now, i, DK_NODE_CONDITION_UP);
    for (int64_t id = 1; id <= people->job_last; id++) {
        if (!people->jobs[id].active)
            continue;
        request.release_job.job = id;
        (void)ask(people, batcher, now, &request, true);
        count++;
    }
    return count + 1;
}

static int cancel_all(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_CANCEL_JOB };
    int count = 0;

    people->phase = DONE;
    for (int64_t id = 1; id <= people->job_last; id++) {
        if (!people->jobs[id].active)
            continue;
        request.cancel_job.job = id;
        (void)ask(people, batcher, now, &request, true);
        count++;
    }
    return count;
}

int people_act(struct people *people, struct dk_batcher *batcher, int64_t now)
{
    int count = 0;

    if (people->borrowed.chunks != NULL)
        dk_arena_reset(&people->borrowed); /* the last batch is closed */
    if (people->phase == TIDYING)
        return tidy(people, batcher, now);
    if (people->phase == CANCELLING)
        return cancel_all(people, batcher, now);
    count = report_ends(people, batcher, now);
    if (people->visits == 0 || people->arrival > now)
        return count;
    people->visits--;
    people->arrival = now + (int64_t)below(people, 40) * SECOND;
    if (people->beats && chance(people, 3)) /* nobody is heard, or we were not there */
        people->quiet_until = now + (int64_t)below(people, 400) * SECOND;
    if (people->beats && people->quiet_until > 0 && now > people->quiet_until &&
        chance(people, 50)) {
        struct dk_event started = { .type = DK_EVENT_CONTROLLER_STARTED, .meta.time = now };

        dk_batcher_event(batcher, &started);
        count++;
    }
    if (people->beats && now >= people->quiet_until) {
        people->quiet_until = 0;
        beat(people, batcher, now, 65);
        count++;
    }
    for (uint64_t i = 1 + below(people, 3); i > 0; i--, count++) {
        if (people->options->single_cores || chance(people, 65))
            submit(people, batcher, now);
        else
            second_thought(people, batcher, now);
    }
    return count;
}

void people_tidy(struct people *people)
{
    people->phase = TIDYING;
}

void people_cancel_all(struct people *people)
{
    people->phase = CANCELLING;
}

/* --- seeing --- */

static struct person_job *job_at(struct people *people, int64_t id)
{
    while (id >= people->job_capacity) {
        int64_t capacity = people->job_capacity == 0 ? 256 : people->job_capacity * 2;

        people->jobs = realloc(people->jobs, (size_t)capacity * sizeof(*people->jobs));
        memset(&people->jobs[people->job_capacity], 0,
               (size_t)(capacity - people->job_capacity) * sizeof(*people->jobs));
        people->job_capacity = capacity;
    }
    if (id > people->job_last)
        people->job_last = id;
    return &people->jobs[id];
}

/* How long an attempt lasts: it follows from seed, job and attempt. */
static int64_t length_of(const struct people *people, int64_t job, int32_t attempt, int64_t limit)
{
    struct dk_prng prng;
    uint64_t percent;

    dk_prng_init(&prng, people->options->seed * 1000003 + (uint64_t)job * 101 + (uint64_t)attempt);
    percent = dk_prng_below(&prng, people->options->single_cores ? 101 : 120);
    return limit / 100 * (int64_t)percent / SECOND * SECOND;
}

static void will_end(struct people *people, int64_t time, int64_t job, int32_t attempt)
{
    if (people->end_count == people->end_capacity) {
        people->end_capacity = people->end_capacity == 0 ? 64 : people->end_capacity * 2;
        people->ends = realloc(people->ends, people->end_capacity * sizeof(*people->ends));
    }
    people->ends[people->end_count++] = (struct person_end){ time, job, attempt };
}

static void see_placed(struct people *people, const struct dk_event *event)
{
    const struct dk_job_placed *placed = &event->job_placed;
    struct person_job *job = job_at(people, placed->job);

    if (job->limit == 0 && placed->array_job != 0)
        job->limit = people->jobs[placed->array_job].limit;
    job->active = true;
    job->attempt = placed->attempt;
    will_end(people, event->meta.time + length_of(people, placed->job, placed->attempt, job->limit),
             placed->job, placed->attempt);
}

void people_see(struct people *people, const struct dk_event *event)
{
    if (event->type == DK_EVENT_JOB_SUBMITTED) {
        struct person_job *job = job_at(people, event->job_submitted.job);

        job->limit = event->job_submitted.spec.limit_us;
        job->active = true;
    } else if (event->type == DK_EVENT_JOB_PLACED) {
        see_placed(people, event);
    } else if (event->type == DK_EVENT_JOB_END_REQUESTED) { /* nodes obey within seconds */
        will_end(people, event->meta.time + event->job_end_requested.job % 4 * SECOND,
                 event->job_end_requested.job, event->job_end_requested.attempt);
    } else if (event->type == DK_EVENT_JOB_ENDED) {
        job_at(people, event->job_ended.job)->active = false;
    }
}
