/* metrics.c - counting events, and writing what was counted (see metrics.h) */
#include "projections/metrics.h"

#include "base/fixed.h"
#include "base/json.h"

#include <stdio.h>

/* Upper bounds of waits. */
static const struct {
    int64_t us;
    const char *seconds;
} wait_bounds[DK_METRICS_WAIT_BOUNDS] = {
    { 10000, "0.01" },          { 100000, "0.1" },
    { 1000000, "1.0" },         { 10000000, "10.0" },
    { 60000000, "60.0" },       { 600000000, "600.0" },
    { 3600000000, "3600.0" },   { 21600000000, "21600.0" },
    { 86400000000, "86400.0" }, { 604800000000, "604800.0" },
};

/* --- counting --- */

static uint64_t array_size(const struct dk_job_spec *spec)
{
    uint64_t size = 0;

    for (uint32_t i = 0; spec->has_array && i < spec->array.ranges_count; i++) {
        const struct dk_index_range *range = &spec->array.ranges[i];

        if (range->step > 0 && range->last >= range->first)
            size += (uint64_t)((range->last - range->first) / range->step) + 1;
    }
    return size;
}

static void batch_closed(struct dk_metrics *metrics, const struct dk_event *event)
{
    metrics->recent[metrics->batches % DK_METRICS_WINDOW] = event->meta.time;
    metrics->batches++;
    metrics->batch_time = event->meta.time;
    metrics->batch_events = metrics->open_events;
    if (metrics->open_starts > 0) {
        metrics->start_time = event->meta.time;
        metrics->batch_starts = metrics->open_starts;
    }
    metrics->open_events = 0;
    metrics->open_starts = 0;
}

static void request_count(struct dk_metrics *metrics, const struct dk_event *event)
{
    if (event->meta.cause == 0 || event->meta.cause == metrics->cause_last)
        return;
    metrics->cause_last = event->meta.cause;
    metrics->requests++;
}

static void job_count(struct dk_metrics *metrics, const struct dk_event *event)
{
    switch ((int)event->type) {
    case DK_EVENT_JOB_SUBMITTED:
        metrics->jobs_submitted++;
        metrics->array_tasks_submitted += array_size(&event->job_submitted.spec);
        break;
    case DK_EVENT_JOB_UPDATED:
        metrics->jobs_updated++;
        break;
    case DK_EVENT_JOB_HELD:
        metrics->jobs_held++;
        break;
    case DK_EVENT_JOB_RELEASED:
        metrics->jobs_released++;
        break;
    case DK_EVENT_JOB_REQUEUED:
        metrics->jobs_requeued++;
        break;
    case DK_EVENT_JOB_PLACED:
        metrics->jobs_started++;
        metrics->open_starts++;
        break;
    case DK_EVENT_JOB_END_REQUESTED:
        metrics->ends_requested++;
        break;
    case DK_EVENT_JOB_SIGNALLED:
        metrics->signals_requested++;
        break;
    case DK_EVENT_JOB_ENDED:
        metrics->jobs_ended++;
        metrics->ended_by_state[event->job_ended.state]++;
        break;
    case DK_EVENT_STEP_STARTED:
        metrics->steps_started++;
        break;
    case DK_EVENT_STEP_ENDED:
        metrics->steps_ended++;
        break;
    default:
        break;
    }
}

static void site_count(struct dk_metrics *metrics, const struct dk_event *event)
{
    switch ((int)event->type) {
    case DK_EVENT_NODE_REGISTERED:
        metrics->nodes_registered++;
        break;
    case DK_EVENT_NODE_CONDITION_SET:
        metrics->node_conditions_set++;
        break;
    case DK_EVENT_NODES_BEAT:
        metrics->beats++;
        break;
    case DK_EVENT_CONFIGURATION_APPLIED:
        metrics->configurations_applied++;
        break;
    case DK_EVENT_CONTROLLER_STARTED:
        metrics->controllers_started++;
        break;
    case DK_EVENT_REQUEST_REJECTED:
        metrics->requests_rejected++;
        metrics->rejected_by_reason[event->request_rejected.reason]++;
        break;
    case DK_EVENT_BATCH_CLOSED:
        batch_closed(metrics, event);
        break;
    default:
        break;
    }
}

void dk_metrics_event(struct dk_metrics *metrics, const struct dk_event *event)
{
    if (metrics->since == 0)
        metrics->since = event->meta.time;
    metrics->seq = event->meta.seq;
    metrics->time = event->meta.time;
    metrics->epoch = event->meta.epoch;
    metrics->events++;
    metrics->open_events++;
    request_count(metrics, event);
    job_count(metrics, event);
    site_count(metrics, event);
}

void dk_metrics_started(struct dk_metrics *metrics, int64_t wait_us)
{
    int bound = 0;

    wait_us = dk_max(wait_us, 0);
    while (bound < DK_METRICS_WAIT_BOUNDS && wait_us > wait_bounds[bound].us)
        bound++;
    metrics->waits[bound]++;
    metrics->wait_count++;
    metrics->wait_us_sum = dk_add_saturated(metrics->wait_us_sum, wait_us);
}

/* How many a minute, of those that are remembered. */
static uint64_t batches_a_minute(const struct dk_metrics *metrics, int64_t now)
{
    uint64_t count = metrics->batches < DK_METRICS_WINDOW ? metrics->batches : DK_METRICS_WINDOW;
    int64_t oldest = metrics->recent[(metrics->batches - count) % DK_METRICS_WINDOW];

    if (count == 0 || now <= oldest)
        return 0;
    return count * UINT64_C(60000000) / (uint64_t)(now - oldest);
}

static int64_t behind(const struct dk_metrics *metrics, const struct dk_gauges *gauges)
{
    return gauges->seq_log > metrics->seq ? gauges->seq_log - metrics->seq : 0;
}

/* --- OpenMetrics --- */

struct writer {
    struct dk_buf *out;
    bool full;
};

__attribute__((format(printf, 2, 3))) static void say(struct writer *writer, const char *format,
                                                      ...)
{
    char line[512];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof(line) || !dk_buf_add(writer->out, line, (size_t)size))
        writer->full = true;
}

static void family(struct writer *writer, const char *name, const char *type, const char *help)
{
    say(writer, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void gauge(struct writer *writer, const char *name, const char *help, int64_t value)
{
    family(writer, name, "gauge", help);
    say(writer, "%s %lld\n", name, (long long)value);
}

/* Microseconds as seconds. */
static void gauge_seconds(struct writer *writer, const char *name, const char *help, int64_t us)
{
    family(writer, name, "gauge", help);
    say(writer, "%s %lld.%06lld\n", name, (long long)(us / 1000000),
        (long long)(us < 0 ? 0 : us % 1000000));
}

static void lower(const char *word, char *out, size_t size)
{
    size_t i = 0;

    for (; word[i] != '\0' && i + 1 < size; i++)
        out[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + ('a' - 'A') : word[i]);
    out[i] = '\0';
}

static void counters_write(const struct dk_metrics *metrics, struct writer *writer)
{
#define X(name, help)                                                                              \
    family(writer, "docket_" #name, "counter", help);                                              \
    say(writer, "docket_" #name "_total %llu\n", (unsigned long long)metrics->name);
    DK_COUNTER_MAP(X)
#undef X
    family(writer, "docket_jobs_ended_by_state", "counter", "jobs that ended, by how");
    for (int i = 0; i < DK_END_STATE_COUNT; i++) {
        char state[32];

        lower(dk_end_state_name((enum dk_end_state)i), state, sizeof(state));
        say(writer, "docket_jobs_ended_by_state_total{state=\"%s\"} %llu\n", state,
            (unsigned long long)metrics->ended_by_state[i]);
    }
    family(writer, "docket_requests_rejected_by_reason", "counter", "requests refused, by why");
    for (int i = 0; i < DK_REJECT_REASON_COUNT; i++) {
        char reason[32];

        lower(dk_reject_reason_name((enum dk_reject_reason)i), reason, sizeof(reason));
        say(writer, "docket_requests_rejected_by_reason_total{reason=\"%s\"} %llu\n", reason,
            (unsigned long long)metrics->rejected_by_reason[i]);
    }
}

static void waits_write(const struct dk_metrics *metrics, struct writer *writer)
{
    uint64_t below = 0;

    family(writer, "docket_job_wait_seconds", "histogram",
           "how long runs had been eligible before they started");
    say(writer, "# UNIT docket_job_wait_seconds seconds\n");
    for (int i = 0; i < DK_METRICS_WAIT_BOUNDS; i++) {
        below += metrics->waits[i];
        say(writer, "docket_job_wait_seconds_bucket{le=\"%s\"} %llu\n", wait_bounds[i].seconds,
            (unsigned long long)below);
    }
    say(writer, "docket_job_wait_seconds_bucket{le=\"+Inf\"} %llu\n",
        (unsigned long long)metrics->wait_count);
    say(writer, "docket_job_wait_seconds_sum %lld.%06lld\n",
        (long long)(metrics->wait_us_sum / 1000000), (long long)(metrics->wait_us_sum % 1000000));
    say(writer, "docket_job_wait_seconds_count %llu\n", (unsigned long long)metrics->wait_count);
}

static void log_write(const struct dk_metrics *metrics, const struct dk_gauges *gauges,
                      struct writer *writer)
{
    gauge(writer, "docket_seq", "seq of the last event that the views have", metrics->seq);
    gauge(writer, "docket_seq_behind", "events in the log that the views do not have yet",
          behind(metrics, gauges));
    gauge(writer, "docket_epoch", "epoch of the controller that wrote the last event",
          metrics->epoch);
    gauge_seconds(writer, "docket_last_batch_timestamp_seconds", "when the last batch was closed",
                  metrics->batch_time);
    gauge(writer, "docket_last_batch_events", "events of that batch", metrics->batch_events);
    gauge_seconds(writer, "docket_last_start_timestamp_seconds",
                  "when the last batch that started a job was closed", metrics->start_time);
    gauge(writer, "docket_last_start_jobs", "jobs that it started", metrics->batch_starts);
    gauge_seconds(writer, "docket_counting_since_timestamp_seconds",
                  "when the first event was that the counters count", metrics->since);
    gauge_seconds(writer, "docket_projector_start_timestamp_seconds", "when the projector started",
                  gauges->started);
    gauge(writer, "docket_history_seq", "seq up to which accounting is kept", gauges->history_seq);
    gauge(writer, "docket_history_rows", "runs that accounting keeps",
          (int64_t)gauges->history_rows);
    gauge(writer, "docket_history_bytes", "size of accounting on disk",
          (int64_t)gauges->history_bytes);
    gauge(writer, "docket_orders", "orders to nodes that are outstanding", (int64_t)gauges->orders);
    family(writer, "docket_questions", "counter", "questions answered");
    say(writer, "docket_questions_total %llu\n", (unsigned long long)gauges->http_requests);
    family(writer, "docket_questions_failed", "counter", "questions refused or failed");
    say(writer, "docket_questions_failed_total %llu\n", (unsigned long long)gauges->http_failed);
    gauge(writer, "docket_questions_waiting", "long polls that wait",
          (int64_t)gauges->http_waiting);
    family(writer, "docket_credentials", "counter",
           "calls over TCP, by what their credential proved");
    say(writer, "docket_credentials_total{result=\"good\"} %llu\n",
        (unsigned long long)gauges->credentials.good);
    say(writer, "docket_credentials_total{result=\"refused\"} %llu\n",
        (unsigned long long)gauges->credentials.refused);
    say(writer, "docket_credentials_total{result=\"unavailable\"} %llu\n",
        (unsigned long long)gauges->credentials.unavailable);
}

static void now_write(const struct dk_gauges *gauges, struct writer *writer)
{
    family(writer, "docket_jobs", "gauge", "jobs of the queue's list, by state");
    for (int i = 0; i < DK_ROW_STATE_COUNT; i++) {
        char state[32];

        lower(dk_row_state_word((enum dk_row_state)i), state, sizeof(state));
        say(writer, "docket_jobs{state=\"%s\"} %llu\n", state, (unsigned long long)gauges->jobs[i]);
    }
    family(writer, "docket_nodes", "gauge", "nodes, by state");
#define X(name)                                                                                    \
    say(writer, "docket_nodes{state=\"" #name "\"} %llu\n", (unsigned long long)gauges->nodes.name);
    DK_GAUGE_NODE_MAP(X)
#undef X
    gauge(writer, "docket_cores", "cores of all nodes", gauges->cores);
    gauge(writer, "docket_cores_used", "cores that jobs hold", gauges->cores_used);
    gauge(writer, "docket_gpus", "GPUs of all nodes", gauges->gpus);
    gauge(writer, "docket_gpus_used", "GPUs that jobs hold", gauges->gpus_used);
    gauge(writer, "docket_memory_mib", "memory of all nodes", gauges->memory_mib);
    gauge(writer, "docket_memory_mib_used", "memory that jobs hold", gauges->memory_mib_used);
}

/* A label's value. */
static void label(struct writer *writer, struct dk_text text)
{
    for (uint32_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\\' || text.data[i] == '"')
            say(writer, "\\%c", text.data[i]);
        else if (text.data[i] == '\n')
            say(writer, "\\n");
        else
            say(writer, "%c", text.data[i]);
    }
}

static void partition_write(const struct dk_gauges *gauges, struct writer *writer, const char *name,
                            const char *help, int64_t (*value)(const struct dk_gauges_partition *))
{
    family(writer, name, "gauge", help);
    for (uint32_t i = 0; i < gauges->partition_count; i++) {
        say(writer, "%s{partition=\"", name);
        label(writer, gauges->partitions[i].name);
        say(writer, "\"} %lld\n", (long long)value(&gauges->partitions[i]));
    }
}

static int64_t partition_used(const struct dk_gauges_partition *partition)
{
    return partition->cores_used;
}

static int64_t partition_idle(const struct dk_gauges_partition *partition)
{
    return partition->cores - partition->cores_used;
}

static int64_t partition_cores(const struct dk_gauges_partition *partition)
{
    return partition->cores;
}

static int64_t partition_pending(const struct dk_gauges_partition *partition)
{
    return (int64_t)partition->jobs_pending;
}

static int64_t partition_running(const struct dk_gauges_partition *partition)
{
    return (int64_t)partition->jobs_running;
}

/* The names that dashboards for Slurm know. */
static void slurm_write(const struct dk_gauges *gauges, struct writer *writer)
{
    gauge(writer, "slurm_cpus_alloc", "cores that jobs hold", gauges->cores_used);
    gauge(writer, "slurm_cpus_idle", "cores that no job holds", gauges->cores - gauges->cores_used);
    gauge(writer, "slurm_cpus_total", "cores of all nodes", gauges->cores);
    gauge(writer, "slurm_nodes_alloc", "nodes that are full", (int64_t)gauges->nodes.allocated);
    gauge(writer, "slurm_nodes_mix", "nodes that are partly used", (int64_t)gauges->nodes.mixed);
    gauge(writer, "slurm_nodes_idle", "nodes without jobs", (int64_t)gauges->nodes.idle);
    gauge(writer, "slurm_nodes_drain", "nodes that take no jobs",
          (int64_t)(gauges->nodes.draining + gauges->nodes.drained));
    gauge(writer, "slurm_nodes_down", "nodes that do not answer or were set down",
          (int64_t)(gauges->nodes.down + gauges->nodes.lost + gauges->nodes.unknown));
    gauge(writer, "slurm_queue_pending", "jobs that wait", (int64_t)gauges->jobs[DK_ROW_PENDING]);
    gauge(writer, "slurm_queue_running", "jobs that run", (int64_t)gauges->jobs[DK_ROW_RUNNING]);
    gauge(writer, "slurm_queue_suspended", "jobs that are suspended",
          (int64_t)gauges->jobs[DK_ROW_SUSPENDED]);
    gauge(writer, "slurm_queue_completing", "jobs that are being ended",
          (int64_t)gauges->jobs[DK_ROW_COMPLETING]);
    gauge(writer, "slurm_queue_completed", "jobs of the list that completed",
          (int64_t)gauges->jobs[DK_ROW_COMPLETED]);
    gauge(writer, "slurm_queue_cancelled", "jobs of the list that were cancelled",
          (int64_t)gauges->jobs[DK_ROW_CANCELLED]);
    gauge(writer, "slurm_queue_failed", "jobs of the list that failed",
          (int64_t)gauges->jobs[DK_ROW_FAILED]);
    gauge(writer, "slurm_queue_timeout", "jobs of the list that ran out of time",
          (int64_t)gauges->jobs[DK_ROW_TIMEOUT]);
    gauge(writer, "slurm_queue_preempted", "jobs of the list that were preempted",
          (int64_t)gauges->jobs[DK_ROW_PREEMPTED]);
    gauge(writer, "slurm_queue_node_fail", "jobs of the list whose node failed",
          (int64_t)gauges->jobs[DK_ROW_NODE_FAIL]);
    partition_write(gauges, writer, "slurm_partition_cpus_allocated", "cores that jobs hold",
                    partition_used);
    partition_write(gauges, writer, "slurm_partition_cpus_idle", "cores that no job holds",
                    partition_idle);
    partition_write(gauges, writer, "slurm_partition_cpus_total", "cores", partition_cores);
    partition_write(gauges, writer, "slurm_partition_jobs_pending", "jobs that wait",
                    partition_pending);
    partition_write(gauges, writer, "slurm_partition_jobs_running", "jobs that run",
                    partition_running);
}

bool dk_metrics_write(const struct dk_metrics *metrics, const struct dk_gauges *gauges,
                      struct dk_buf *out)
{
    struct writer writer = { out, false };

    counters_write(metrics, &writer);
    waits_write(metrics, &writer);
    log_write(metrics, gauges, &writer);
    now_write(gauges, &writer);
    slurm_write(gauges, &writer);
    say(&writer, "# EOF\n");
    return !writer.full;
}

/* --- JSON --- */

static void pair(struct writer *writer, const char *name, int64_t value, bool more)
{
    say(writer, "\"%s\":%lld%s", name, (long long)value, more ? "," : "");
}

static void two(struct writer *writer, const char *name, int64_t total, int64_t used)
{
    say(writer, "\"%s\":{\"total\":%lld,\"used\":%lld},", name, (long long)total, (long long)used);
}

static void counters_stats(const struct dk_metrics *metrics, struct writer *writer)
{
    const char *comma = "";

    say(writer, "\"counters\":{");
#define X(name, help)                                                                              \
    say(writer, "%s\"" #name "\":%llu", comma, (unsigned long long)metrics->name);                 \
    comma = ",";
    DK_COUNTER_MAP(X)
#undef X
    say(writer, "},\"ended\":{");
    for (int i = 0; i < DK_END_STATE_COUNT; i++)
        pair(writer, dk_end_state_name((enum dk_end_state)i), (int64_t)metrics->ended_by_state[i],
             i + 1 < DK_END_STATE_COUNT);
    say(writer, "},\"rejected\":{");
    for (int i = 0; i < DK_REJECT_REASON_COUNT; i++)
        pair(writer, dk_reject_reason_name((enum dk_reject_reason)i),
             (int64_t)metrics->rejected_by_reason[i], i + 1 < DK_REJECT_REASON_COUNT);
    say(writer, "},");
}

static void gauges_stats(const struct dk_gauges *gauges, struct writer *writer)
{
    const char *comma = "";

    say(writer, "\"jobs\":{");
    for (int i = 0; i < DK_ROW_STATE_COUNT; i++)
        pair(writer, dk_row_state_word((enum dk_row_state)i), (int64_t)gauges->jobs[i],
             i + 1 < DK_ROW_STATE_COUNT);
    say(writer, "},\"nodes\":{");
#define X(name)                                                                                    \
    say(writer, "%s\"" #name "\":%llu", comma, (unsigned long long)gauges->nodes.name);            \
    comma = ",";
    DK_GAUGE_NODE_MAP(X)
#undef X
    say(writer, "},");
    two(writer, "cores", gauges->cores, gauges->cores_used);
    two(writer, "gpus", gauges->gpus, gauges->gpus_used);
    two(writer, "memory_mib", gauges->memory_mib, gauges->memory_mib_used);
    say(writer, "\"partitions\":[");
    for (uint32_t i = 0; i < gauges->partition_count; i++) {
        const struct dk_gauges_partition *partition = &gauges->partitions[i];

        say(writer, "%s{\"name\":", i > 0 ? "," : "");
        if (!dk_json_text(writer->out, partition->name))
            writer->full = true;
        say(writer, ",");
        pair(writer, "jobs_pending", (int64_t)partition->jobs_pending, true);
        pair(writer, "jobs_running", (int64_t)partition->jobs_running, true);
        pair(writer, "cores", partition->cores, true);
        pair(writer, "cores_used", partition->cores_used, false);
        say(writer, "}");
    }
    say(writer, "],\"history\":{");
    pair(writer, "seq", gauges->history_seq, true);
    pair(writer, "rows", (int64_t)gauges->history_rows, true);
    pair(writer, "bytes", (int64_t)gauges->history_bytes, false);
    say(writer, "},\"http\":{");
    pair(writer, "questions", (int64_t)gauges->http_requests, true);
    pair(writer, "failed", (int64_t)gauges->http_failed, true);
    pair(writer, "waiting", (int64_t)gauges->http_waiting, false);
    say(writer, "},\"credentials\":{");
    pair(writer, "good", (int64_t)gauges->credentials.good, true);
    pair(writer, "refused", (int64_t)gauges->credentials.refused, true);
    pair(writer, "unavailable", (int64_t)gauges->credentials.unavailable, false);
    say(writer, "},");
    pair(writer, "orders", (int64_t)gauges->orders, false);
}

bool dk_stats_write(const struct dk_metrics *metrics, const struct dk_gauges *gauges,
                    struct dk_buf *out)
{
    struct writer writer = { out, false };

    say(&writer, "{");
    pair(&writer, "seq", metrics->seq, true);
    pair(&writer, "time", metrics->time, true);
    pair(&writer, "now", gauges->now, true);
    pair(&writer, "since", metrics->since, true);
    pair(&writer, "started", gauges->started, true);
    pair(&writer, "epoch", metrics->epoch, true);
    pair(&writer, "behind", behind(metrics, gauges), true);
    counters_stats(metrics, &writer);
    say(&writer, "\"batch\":{");
    pair(&writer, "last", metrics->batch_time, true);
    pair(&writer, "events_last", metrics->batch_events, true);
    pair(&writer, "last_start", metrics->start_time, true);
    pair(&writer, "starts_last", metrics->batch_starts, true);
    pair(&writer, "a_minute", (int64_t)batches_a_minute(metrics, gauges->now), false);
    say(&writer, "},\"wait\":{");
    pair(&writer, "jobs", (int64_t)metrics->wait_count, true);
    pair(&writer, "mean_us",
         metrics->wait_count > 0 ? metrics->wait_us_sum / (int64_t)metrics->wait_count : 0, false);
    say(&writer, "},");
    gauges_stats(gauges, &writer);
    say(&writer, "}\n");
    return !writer.full;
}
