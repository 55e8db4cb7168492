/* small.c - see small.h */
#include "small.h"

#include "base/check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool small_on_disk;

static const char *const names[] = { "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8" };

const struct dk_event *small_ask(struct small *small, struct dk_request *request)
{
    struct dk_stamp stamp = { .number = ++small->request_number,
                              .time = small->now,
                              .has_actor = true,
                              .is_operator = small->uid == 0 };
    const struct dk_event *outcome = NULL;

    stamp.actor.uid = small->uid;
    stamp.actor.user = dk_text_of(small->uid == 0 ? "root" : "ada");
    dk_batcher_request(small->batcher, &stamp, request, &outcome);
    return outcome;
}

static void must(const struct dk_event *event)
{
    if (event->type == DK_EVENT_REQUEST_REJECTED)
        printf("refused: %.*s\n", (int)event->request_rejected.detail.size,
               event->request_rejected.detail.data);
    DK_CHECK(event->type != DK_EVENT_REQUEST_REJECTED);
}

static void partition(struct small *small, const char *name)
{
    struct dk_request request = { .type = DK_REQUEST_CONFIGURE_PARTITION };
    struct dk_partition_spec *spec = &request.configure_partition.spec;

    spec->name = dk_text_of(name);
    spec->all_nodes = true;
    spec->is_default = strcmp(name, "batch") == 0;
    spec->state = DK_PARTITION_STATE_UP;
    spec->limit_us_max = 3600 * SMALL_SECOND;
    spec->priority = 65535;
    if (spec->is_default)
        small->partition = *spec;
    must(small_ask(small, &request));
}

void small_second_partition(struct small *small)
{
    int32_t uid = small->uid;

    small->uid = 0;
    partition(small, "other");
    small->uid = uid;
    (void)small_step(small, 0);
}

void small_create(struct small *small, uint32_t nodes, int32_t cores, enum dk_policy policy,
                  enum dk_backfill backfill)
{
    static int count;
    static const struct dk_core_options core_options = { .digest = true };
    struct dk_request request = { .type = DK_REQUEST_CONFIGURE_POLICY };
    struct dk_policy_spec *spec = &request.configure_policy.spec;
    struct dk_batcher_options options = { .seq_next = 1 };
    struct dk_err err;

    memset(small, 0, sizeof(*small));
    (void)snprintf(small->uri, sizeof(small->uri), "memory:small-%d", ++count);
    if (small_on_disk) {
        (void)snprintf(small->folder, sizeof(small->folder), "/tmp/small-XXXXXX");
        DK_CHECK(mkdtemp(small->folder) != NULL);
        (void)snprintf(small->uri, sizeof(small->uri), "file:%s", small->folder);
    }
    DK_CHECK(dk_log_open(&small->log, small->uri, &(struct dk_log_options){ .deferred = true },
                         &err) == DK_OK);
    small->now = SMALL_EPOCH;
    small->core = dk_core_create(&dk_heap, &core_options);
    options.log = small->log;
    options.epoch = dk_log_epoch(small->log);
    small->batcher = dk_batcher_create(small->core, &dk_heap, &options);
    spec->policy = policy;
    spec->backfill = backfill;
    spec->enforce_limits = true;
    spec->age_us_max = 1000 * SMALL_SECOND;
    spec->weight_age = 1000;
    spec->weight_size = 500;
    spec->weight_partition = 300;
    small->policy = *spec;
    must(small_ask(small, &request));
    for (uint32_t i = 0; i < nodes; i++) {
        memset(&request, 0, sizeof(request));
        request.type = DK_REQUEST_REGISTER_NODE;
        request.register_node.spec.name = dk_text_of(names[i]);
        request.register_node.spec.cores = cores;
        request.register_node.spec.memory_mib = (int64_t)cores * 1000;
        must(small_ask(small, &request));
    }
    partition(small, "batch");
    (void)small_step(small, 0);
    small->uid = 1000;
}

/* A log's folder has files only, but for one of snapshots, which we do not take. */
static void folder_remove(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char path[512];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        (void)unlink(path);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)rmdir(folder);
}

void small_destroy(struct small *small)
{
    dk_batcher_destroy(small->batcher);
    dk_core_destroy(small->core);
    (void)dk_log_close(small->log, NULL);
    if (small->folder[0] == '\0')
        dk_log_memory_remove(small->uri + strlen("memory:"));
    else
        folder_remove(small->folder);
}

void small_limit(struct small *small, const struct dk_limit_spec *limit)
{
    struct dk_request request = { .type = DK_REQUEST_APPLY_CONFIGURATION };
    struct dk_cluster_config *config = &request.apply_configuration.config;
    int32_t uid = small->uid;

    small->uid = 0;
    config->cluster = dk_text_of("small");
    config->beat_us = SMALL_SECOND;
    config->partitions = &small->partition;
    config->partitions_count = 1;
    config->policy = small->policy;
    config->limits = limit;
    config->limits_count = 1;
    must(small_ask(small, &request));
    small->uid = uid;
    (void)small_step(small, 0);
}

int64_t small_seq(const struct small *small)
{
    return (int64_t)dk_log_seq_next(small->log) - 1;
}

struct dk_job_spec small_spec(int32_t tasks, int64_t limit_s)
{
    struct dk_job_spec spec;

    memset(&spec, 0, sizeof(spec));
    spec.tasks = tasks;
    spec.limit_us = limit_s * SMALL_SECOND;
    return spec;
}

int64_t small_submit(struct small *small, const struct dk_job_spec *spec)
{
    struct dk_request request = { .type = DK_REQUEST_SUBMIT_JOB };
    const struct dk_event *event;

    request.submit_job.spec = *spec;
    event = small_ask(small, &request);
    must(event);
    return event->job_submitted.job;
}

void small_end(struct small *small, int64_t job, enum dk_end_state state)
{
    struct dk_request request = { .type = DK_REQUEST_REPORT_END };
    int32_t uid = small->uid;

    small->uid = 0;
    request.report_end.job = job;
    request.report_end.attempt = 1;
    request.report_end.state = state;
    must(small_ask(small, &request));
    small->uid = uid;
}

void small_drain(struct small *small, const char *node)
{
    struct dk_request request = { .type = DK_REQUEST_SET_NODE_CONDITION };
    int32_t uid = small->uid;

    small->uid = 0;
    request.set_node_condition.node = dk_text_of(node);
    request.set_node_condition.condition = DK_NODE_CONDITION_DRAINED;
    request.set_node_condition.reason = dk_text_of("fan");
    must(small_ask(small, &request));
    small->uid = uid;
}

const struct dk_events *small_step(struct small *small, int64_t seconds)
{
    const struct dk_events *events;
    struct dk_err err;

    small->now += seconds * SMALL_SECOND;
    if (seconds > 0) {
        struct dk_event clock = { .type = DK_EVENT_CLOCK_ADVANCED, .meta.time = small->now };

        dk_batcher_event(small->batcher, &clock);
    }
    DK_CHECK(dk_batcher_close(small->batcher, small->now, &events, &err) == DK_OK);
    DK_CHECK(dk_log_sync(small->log, &err) == DK_OK);
    return events;
}
