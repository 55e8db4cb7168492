/* table_test.c - reads a table: one request a row, its decision or refusal beside it
 *
 *     table_test FILE.tbl
 *
 * Each row is one batch. The words on the right have to be found in this order in the JSON of its
 * events; NAME=VALUE stands for "NAME":VALUE, and cores=N counts the cores of the placement. */
#include "batch/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define START INT64_C(1767225600000000)

struct table {
    struct dk_core *core;
    struct dk_batcher *batcher;
    struct dk_buf text; /* of the last batch */
    int64_t now, number;
    int rows, failures;
};

/* The value of `name=` in a row, NULL: not there. In a buffer that the next call keeps. */
static const char *word(const char *row, const char *name)
{
    static char values[16][64];
    static int next;
    size_t size = strlen(name);
    char *value = values[next++ % 16];

    for (const char *at = strstr(row, name); at != NULL; at = strstr(at + 1, name)) {
        if (at > row && at[-1] == ' ' && at[size] == '=') {
            (void)snprintf(value, 64, "%.*s", (int)strcspn(at + size + 1, " "), at + size + 1);
            return value;
        }
        if (at > row && at[-1] == ' ' && (at[size] == ' ' || at[size] == 0))
            return "";
    }
    return NULL;
}

static int64_t number(const char *row, const char *name)
{
    const char *value = word(row, name);

    return value == NULL ? 0 : strtoll(value, NULL, 10);
}

static struct dk_text text(const char *row, const char *name)
{
    const char *value = word(row, name);

    return dk_text_of(value == NULL ? "" : value);
}

static void fresh(struct table *table)
{
    struct dk_core_options core = { .digest = true };
    struct dk_batcher_options options = { .seq_next = 1 };

    dk_batcher_destroy(table->batcher);
    dk_core_destroy(table->core);
    table->core = dk_core_create(&dk_heap, &core);
    table->batcher = dk_batcher_create(table->core, &dk_heap, &options);
    table->now = START;
}

/* --- rows to requests --- */

static struct dk_dependency dependency;
static struct dk_index_range range;
static struct dk_text feature;
static struct dk_text names[3][8]; /* nodes expected, operators, nodes of a job */
static struct dk_limit_spec limit;
static struct dk_partition_spec partitions[8];

/* a,b,c in texts that live until the next call with the same list. */
static uint32_t list(const char *row, const char *name, int which)
{
    static char kept[3][64];
    const char *value = word(row, name);
    uint32_t count = 0;

    (void)snprintf(kept[which], sizeof(kept[which]), "%s", value == NULL ? "" : value);
    for (char *at = kept[which]; *at != 0 && count < 8;) {
        char *end = strchr(at, ',');

        if (end != NULL)
            *end = 0;
        names[which][count++] = dk_text_of(at);
        at = end == NULL ? at + strlen(at) : end + 1;
    }
    return count;
}

static void submit(const char *row, struct dk_request *request)
{
    struct dk_job_spec *spec = &request->submit_job.spec;
    const char *array = word(row, "array"), *key = word(row, "key");

    request->type = DK_REQUEST_SUBMIT_JOB;
    spec->tasks = (int32_t)number(row, "tasks");
    spec->nodes = (int32_t)number(row, "nodes");
    spec->cpus_per_task = (int32_t)number(row, "cpus");
    spec->memory_mib_per_node = number(row, "memory");
    spec->gpus_per_node = (int32_t)number(row, "gpus");
    spec->limit_us = number(row, "limit") * SECOND;
    spec->nice = (int32_t)number(row, "nice");
    spec->begin = word(row, "begin") != NULL ? START + number(row, "begin") * SECOND : 0;
    spec->hold = word(row, "hold") != NULL;
    spec->requeue = word(row, "requeue") != NULL;
    spec->partition = text(row, "partition");
    spec->constraint = text(row, "constraint");
    spec->nodes_wanted_count = list(row, "on", 0);
    spec->nodes_wanted = names[0];
    spec->nodes_excluded_count = list(row, "not_on", 1);
    spec->nodes_excluded = names[1];
    if (key != NULL)
        request->meta.key = (struct dk_bytes){ (const uint8_t *)key, (uint32_t)strlen(key) };
    if (word(row, "afterok") != NULL || word(row, "after") != NULL) {
        dependency =
            (struct dk_dependency){ .kind = DK_DEPENDENCY_KIND_AFTER, .job = number(row, "after") };
        if (word(row, "afterok") != NULL) {
            dependency.kind = DK_DEPENDENCY_KIND_AFTER_OK;
            dependency.job = number(row, "afterok");
        }
        spec->dependencies = &dependency;
        spec->dependencies_count = 1;
    }
    spec->name = text(row, "jobname");
    if (word(row, "singleton") != NULL) {
        dependency = (struct dk_dependency){ .kind = DK_DEPENDENCY_KIND_SINGLETON };
        spec->dependencies = &dependency;
        spec->dependencies_count = 1;
    }
    if (array != NULL) {
        range = (struct dk_index_range){ (int32_t)strtol(array, NULL, 10), 0, 1 };
        range.last = (int32_t)strtol(strchr(array, '-') + 1, NULL, 10);
        spec->has_array = true;
        spec->array = (struct dk_array_spec){ &range, 1, (int32_t)number(row, "running") };
    }
}

static void set_node(const char *row, struct dk_request *request, enum dk_node_condition condition)
{
    static char name[16];

    (void)sscanf(row, "%*s %15s", name);
    request->type = DK_REQUEST_SET_NODE_CONDITION;
    request->set_node_condition.node = dk_text_of(name);
    request->set_node_condition.condition = condition;
    request->set_node_condition.reason = dk_text_of("because");
}

static enum dk_limit_scope scope_of(const char *name)
{
    for (int i = 0; i < DK_LIMIT_SCOPE_COUNT; i++)
        if (strcmp(dk_limit_scope_name((enum dk_limit_scope)i), name) == 0)
            return (enum dk_limit_scope)i;
    return DK_LIMIT_SCOPE_CLUSTER;
}

/* config partitions=a,b default=a scope=USER name=ada jobs=N active=N cores=N ... */
static void config(const char *row, struct dk_request *request)
{
    static struct dk_text partition_names[8];
    struct dk_cluster_config *spec = &request->apply_configuration.config;
    uint32_t count = list(row, "partitions", 0);

    memcpy(partition_names, names[0], sizeof(partition_names));
    request->type = DK_REQUEST_APPLY_CONFIGURATION;
    request->apply_configuration.replaces = number(row, "replaces");
    spec->cluster = dk_text_of("test");
    spec->policy = (struct dk_policy_spec){ .backfill = DK_BACKFILL_EASY, .enforce_limits = true };
    spec->policy.beat_timeout_us = number(row, "timeout") * SECOND;
    spec->beat_us = SECOND;
    spec->jobs_active_max = (int32_t)number(row, "jobs_active_max");
    spec->array_tasks_max = (int32_t)number(row, "array_tasks_max");
    memset(partitions, 0, sizeof(partitions));
    for (uint32_t i = 0; i < count; i++) {
        partitions[i].name = list(row, "partitions", 0) > i ? partition_names[i] : dk_text_of("");
        partitions[i].all_nodes = true;
        partitions[i].is_default = dk_text_equal(partitions[i].name, text(row, "default"));
        partitions[i].tier = (int32_t)number(row, "tier");
    }
    spec->partitions = partitions;
    spec->partitions_count = count;
    spec->nodes_expected_count = list(row, "expected", 2);
    spec->nodes_expected = names[2];
    spec->operators_count = list(row, "operators", 1);
    spec->operators = names[1];
    if (word(row, "scope") == NULL)
        return;
    limit = (struct dk_limit_spec){ .scope = scope_of(word(row, "scope")),
                                    .name = text(row, "name"),
                                    .jobs_active_max = (int32_t)number(row, "active"),
                                    .jobs_running_max = (int32_t)number(row, "jobs"),
                                    .cores_running_max = number(row, "cores"),
                                    .gpus_running_max = number(row, "gpus"),
                                    .nodes_running_max = number(row, "nodes"),
                                    .memory_mib_running_max = number(row, "memory") };
    spec->limits = &limit;
    spec->limits_count = 1;
}

static void site(const char *row, struct dk_request *request)
{
    static char name[16];

    (void)sscanf(row, "%*s %15s", name);
    if (strncmp(row, "node", 4) == 0) {
        struct dk_node_spec *spec = &request->register_node.spec;

        request->type = DK_REQUEST_REGISTER_NODE;
        spec->name = dk_text_of(name);
        spec->cores = (int32_t)number(row, "cores");
        spec->memory_mib = number(row, "memory");
        spec->gpus = (int32_t)number(row, "gpus");
        feature = text(row, "feature");
        spec->features = &feature;
        spec->features_count = feature.size > 0;
    } else if (strncmp(row, "partition", 9) == 0) {
        struct dk_partition_spec *spec = &request->configure_partition.spec;

        request->type = DK_REQUEST_CONFIGURE_PARTITION;
        spec->name = dk_text_of(name);
        spec->all_nodes = spec->is_default = true;
        spec->limit_us_max = number(row, "limit") * SECOND;
    } else {
        request->type = DK_REQUEST_REMOVE_PARTITION;
        request->remove_partition.name = text(row, "partition");
    }
}

static bool request_of(const char *row, struct dk_request *request)
{
    char verb[16] = "";

    memset(request, 0, sizeof(*request));
    (void)sscanf(row, "%15s", verb);
    request->cancel_job.job = number(row, "job");
    if (strcmp(verb, "submit") == 0) {
        submit(row, request);
    } else if (strcmp(verb, "end") == 0 || strcmp(verb, "fail") == 0) {
        request->type = DK_REQUEST_REPORT_END;
        request->report_end.job = number(row, "job");
        request->report_end.attempt = (int32_t)number(row, "attempt");
        request->report_end.requeue = word(row, "unstarted") != NULL;
        request->report_end.state = verb[0] == 'f' ? DK_END_STATE_FAILED : DK_END_STATE_COMPLETED;
    } else if (strcmp(verb, "policy") == 0) {
        request->type = DK_REQUEST_CONFIGURE_POLICY;
        request->configure_policy.spec =
            (struct dk_policy_spec){ .backfill = DK_BACKFILL_EASY, .enforce_limits = true };
    } else if (strcmp(verb, "config") == 0) {
        memset(request, 0, sizeof(*request));
        config(row, request);
    } else if (strcmp(verb, "rename") == 0) {
        memset(request, 0, sizeof(*request));
        request->type = DK_REQUEST_UPDATE_JOB;
        request->update_job.job = number(row, "job");
        request->update_job.change.has_name = true;
        request->update_job.change.name = text(row, "jobname");
    } else if (strcmp(verb, "signal") == 0) {
        request->type = DK_REQUEST_SIGNAL_JOB;
        request->signal_job.job = number(row, "job");
        request->signal_job.signal = (int32_t)number(row, "signal");
    } else if (strcmp(verb, "erase") == 0) {
        memset(request, 0, sizeof(*request));
        request->type = DK_REQUEST_ERASE_SECRETS;
        request->erase_secrets.uid = (int32_t)number(row, "uid");
    } else if (strcmp(verb, "beat") == 0) {
        memset(request, 0, sizeof(*request));
        request->type = DK_REQUEST_BEAT_NODES;
        request->beat_nodes.nodes_count = list(row, "nodes", 0);
        request->beat_nodes.nodes = names[0];
    } else if (strcmp(verb, "up") == 0) {
        set_node(row, request, DK_NODE_CONDITION_UP);
    } else if (strcmp(verb, "drain") == 0) {
        set_node(row, request, DK_NODE_CONDITION_DRAINED);
    } else if (strcmp(verb, "down") == 0) {
        set_node(row, request, DK_NODE_CONDITION_DOWN);
    } else if (strcmp(verb, "node") == 0 || strcmp(verb, "partition") == 0 ||
               strcmp(verb, "drop") == 0) {
        memset(request, 0, sizeof(*request));
        site(row, request);
    } else {
        request->type = strcmp(verb, "cancel") == 0    ? DK_REQUEST_CANCEL_JOB
                        : strcmp(verb, "hold") == 0    ? DK_REQUEST_HOLD_JOB
                        : strcmp(verb, "release") == 0 ? DK_REQUEST_RELEASE_JOB
                                                       : DK_REQUEST_REQUEUE_JOB;
        return strcmp(verb, "cancel") == 0 || strcmp(verb, "hold") == 0 ||
               strcmp(verb, "release") == 0 || strcmp(verb, "requeue") == 0;
    }
    return true;
}

/* --- running --- */

static void say(struct table *table, const struct dk_events *events)
{
    char cores[32];

    for (uint32_t i = 0; i < events->count; i++) {
        const struct dk_event *event = &events->items[i];
        int64_t count = 0;

        (void)dk_event_print(event, &table->text);
        if (event->type != DK_EVENT_JOB_PLACED)
            continue;
        for (uint32_t k = 0; k < event->job_placed.cores_count; k++)
            count += event->job_placed.cores[k].count;
        (void)snprintf(cores, sizeof(cores), "\"cores\":%lld,", (long long)count);
        (void)dk_buf_add(&table->text, cores, strlen(cores));
    }
}

static bool run(struct table *table, const char *row)
{
    /* Operators do the site's work and what a user may not; users submit. */
    bool is_user = strncmp(row, "submit", 6) == 0 || word(row, "user") != NULL;
    struct dk_stamp stamp = { .has_actor = true, .is_operator = !is_user };
    struct dk_event clock = { .type = DK_EVENT_CLOCK_ADVANCED };
    const struct dk_events *events;
    struct dk_request request;
    const char *reason;

    dk_buf_clear(&table->text);
    table->now += SECOND;
    if (word(row, "at") != NULL && START + number(row, "at") * SECOND > table->now)
        table->now = START + number(row, "at") * SECOND;
    if (strncmp(row, "reason", 6) == 0) {
        reason = dk_core_job_reason(table->core, number(row, "job"));
        return dk_buf_add(&table->text, reason, strlen(reason));
    }
    if (strncmp(row, "clock", 5) == 0) {
        clock.meta.time = table->now;
        if (word(row, "restarted") != NULL) {
            clock.type = DK_EVENT_CONTROLLER_STARTED;
            clock.controller_started.build = clock.controller_started.host = dk_text_of("test");
        }
        dk_batcher_event(table->batcher, &clock);
    } else {
        if (!request_of(row, &request))
            return false;
        stamp.number = ++table->number;
        stamp.time = table->now;
        stamp.actor.uid = is_user ? 1000 : 0;
        stamp.actor.user = dk_text_of(is_user ? "ada" : "root");
        if (word(row, "user") != NULL) {
            stamp.actor.user = text(row, "user");
            stamp.actor.uid = 1000 + stamp.actor.user.data[0];
        }
        dk_batcher_request(table->batcher, &stamp, &request, NULL);
    }
    if (dk_batcher_close(table->batcher, table->now, &events, NULL) != DK_OK)
        return false;
    say(table, events);
    return true;
}

/* The words in order; returns the one that is missing. */
static const char *missing(const char *got, const char *wanted)
{
    static char one[64];
    char json[72];

    while (sscanf(wanted, " %63s", one) == 1) {
        const char *value = strchr(one, '=');
        const char *found;

        if (value != NULL)
            (void)snprintf(json, sizeof(json), "\"%.*s\":%s", (int)(value - one), one, value + 1);
        else
            (void)snprintf(json, sizeof(json), "%s", one);
        found = strstr(got, json);
        while (found != NULL && value != NULL && found[strlen(json)] >= '0' &&
               found[strlen(json)] <= '9')
            found = strstr(found + 1, json);
        if (found == NULL)
            return one;
        got = found + strlen(json);
        wanted = strstr(wanted, one) + strlen(one);
    }
    return NULL;
}

static void row_run(struct table *table, const char *file, int line, char *row)
{
    char *wanted = strchr(row, '|');
    const char *word_missing = NULL;

    if (wanted != NULL)
        *wanted++ = 0;
    for (size_t size = strlen(row); size > 0 && row[size - 1] == ' '; size--)
        row[size - 1] = 0;
    if (strncmp(row, "new", 3) == 0) {
        fresh(table);
        return;
    }
    table->rows++;
    if (wanted == NULL || !run(table, row)) {
        printf("%s:%d: this row is not understood: %s\n", file, line, row);
        table->failures++;
        return;
    }
    (void)dk_buf_add(&table->text, "", 1);
    word_missing = missing((const char *)table->text.data, wanted);
    if (word_missing == NULL)
        return;
    table->failures++;
    printf("%s:%d: %s\n  wanted %s, '%s' is missing in\n  %s\n", file, line, row, wanted,
           word_missing, (const char *)table->text.data);
}

int main(int count, char **words)
{
    struct table table = { .rows = 0 };
    FILE *file = count > 1 ? fopen(words[1], "r") : NULL;
    char row[512];

    if (file == NULL) {
        printf("usage: table_test FILE.tbl\n");
        return 2;
    }
    dk_buf_init(&table.text, &dk_heap, (size_t)1 << 20);
    fresh(&table);
    for (int line = 1; fgets(row, sizeof(row), file) != NULL; line++) {
        row[strcspn(row, "\n")] = 0;
        if (row[0] != 0 && row[0] != '#')
            row_run(&table, words[1], line, row);
    }
    (void)fclose(file);
    dk_batcher_destroy(table.batcher);
    dk_core_destroy(table.core);
    dk_buf_release(&table.text);
    printf("%d rows, %d failures\n", table.rows, table.failures);
    return table.failures == 0 && table.rows > 0 ? 0 : 1;
}
