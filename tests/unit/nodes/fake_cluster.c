/* fake_cluster.c - see fake_cluster.h */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "fake_cluster.h"
#include "net/http.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_SECONDS = 20 };

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- the query socket --- */

static void answer_orders(struct fake_cluster *fake, struct dk_http_exchange *exchange,
                          int64_t after)
{
    struct dk_buf body;

    dk_buf_init(&body, &dk_heap, 64 << 20);
    for (uint32_t i = 0; i < fake->order_count; i++) {
        const struct fake_order *order = &fake->orders[i];
        uint8_t size[4] = { (uint8_t)order->size, (uint8_t)(order->size >> 8),
                            (uint8_t)(order->size >> 16), 0 };

        if (order->seq <= after)
            continue;
        dk_buf_add(&body, size, 4);
        dk_buf_add(&body, order->bytes, order->size);
    }
    dk_http_answer(exchange, 200, "application/vnd.docket.orders", fake->seq, &body);
}

static bool has_after(const struct fake_cluster *fake, int64_t after)
{
    for (uint32_t i = 0; i < fake->order_count; i++)
        if (fake->orders[i].seq > after)
            return true;
    return false;
}

static void digest_of(struct dk_bytes bytes, uint8_t digest[32])
{
    struct dk_sha256 hash;

    dk_sha256_init(&hash);
    dk_sha256_add(&hash, bytes.data, bytes.size);
    dk_sha256_done(&hash, digest);
}

static void answer_blob(struct fake_cluster *fake, struct dk_http_exchange *exchange,
                        const char *hex)
{
    struct dk_buf body;

    assert_non_null(dk_http_param(exchange, "uid"));
    for (uint32_t i = 0; i < fake->blob_count; i++) {
        uint8_t digest[32];
        char own[65];

        digest_of(fake->blobs[i], digest);
        for (int at = 0; at < 32; at++)
            snprintf(own + 2 * at, 3, "%02x", digest[at]);
        if (strcmp(own, hex) != 0)
            continue;
        dk_buf_init(&body, &dk_heap, 64 << 20);
        dk_buf_add(&body, fake->blobs[i].data, fake->blobs[i].size);
        if (fake->lies)
            body.data[0] ^= 1;
        dk_http_answer(exchange, 200, "application/octet-stream", 0, &body);
        return;
    }
    dk_http_fail(exchange, 404, "NOT_FOUND", "no such blob");
}

static void query(void *context, struct dk_http_exchange *exchange)
{
    struct fake_cluster *fake = context;
    const char *path = dk_http_path(exchange);

    pthread_mutex_lock(&fake->lock);
    if (strncmp(path, "/v1/blobs/", 10) == 0) {
        answer_blob(fake, exchange, path + 10);
    } else if (strcmp(path, "/v1/dispatch") == 0) {
        int64_t after = strtoll(dk_http_param(exchange, "after"), NULL, 10);

        assert_string_equal(dk_http_param(exchange, "node"), "n1");
        if (fake->closing) {
            dk_http_fail(exchange, 503, "BUSY", "closing");
        } else if (after == 0 || has_after(fake, after)) {
            answer_orders(fake, exchange, after);
        } else {
            if (fake->kept != NULL) /* of an agent that was killed */
                answer_orders(fake, fake->kept, fake->kept_after);
            fake->kept = exchange;
            fake->kept_after = after;
        }
    } else {
        dk_http_fail(exchange, 404, "NOT_FOUND", "'%s'", path);
    }
    pthread_mutex_unlock(&fake->lock);
}

static void wake(struct fake_cluster *fake)
{
    if (fake->kept != NULL)
        answer_orders(fake, fake->kept, fake->kept_after);
    fake->kept = NULL;
}

/* --- the control socket --- */

static void copy_text(char *out, size_t size, struct dk_text text)
{
    snprintf(out, size, "%.*s", (int)text.size, text.data != NULL ? text.data : "");
}

static void take_report(struct fake_cluster *fake, const struct dk_request *request)
{
    const struct dk_report_end *end = &request->report_end;
    struct fake_report *report = &fake->reports[fake->report_count++];

    assert_true(fake->report_count < FAKE_MAX);
    assert_int_equal(request->meta.key.size, 16);
    *report = (struct fake_report){ .job = end->job,
                                    .started = end->started,
                                    .attempt = end->attempt,
                                    .exit_code = end->exit_code,
                                    .signal = end->signal,
                                    .state = end->state,
                                    .requeue = end->requeue,
                                    .has_usage = end->has_usage,
                                    .usage = end->usage };
    memcpy(report->key, request->meta.key.data, 16);
    copy_text(report->why, sizeof(report->why), end->why);
}

static void take_request(struct fake_cluster *fake, const struct dk_request *request)
{
    const struct dk_node_spec *spec = &request->register_node.spec;

    if (request->type == DK_REQUEST_REPORT_END) {
        take_report(fake, request);
    } else if (request->type == DK_REQUEST_BEAT_NODES) {
        fake->beat_count++;
    } else if (request->type == DK_REQUEST_REGISTER_NODE) {
        fake->register_count++;
        fake->cores = spec->cores;
        copy_text(fake->isolation, sizeof(fake->isolation), spec->isolation);
        copy_text(fake->topology, sizeof(fake->topology), spec->topology);
    }
}

static void control(void *context, struct dk_http_exchange *exchange)
{
    struct fake_cluster *fake = context;
    size_t size, at = 0;
    const uint8_t *data = dk_http_body(exchange, &size);
    struct dk_arena arena;
    struct dk_buf answer;

    assert_string_equal(dk_http_path(exchange), "/v1/requests");
    pthread_mutex_lock(&fake->lock);
    fake->call_count++;
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&answer, &dk_heap, 1 << 20);
    dk_buf_add_text(&answer, "{\"seq\":1,\"results\":[");
    while (at < size) {
        struct dk_request request;
        uint32_t length;

        memcpy(&length, data + at, 4);
        assert_int_equal(dk_request_decode(data + at + 4, length, &arena, &request, NULL), DK_OK);
        take_request(fake, &request);
        dk_buf_add_text(&answer, at == 0 ? "" : ",");
        dk_buf_add_text(&answer, "{\"result\":\"accepted\",\"seq\":1,\"event\":\"x\"}");
        at += 4 + (size_t)length;
    }
    dk_buf_add_text(&answer, "]}");
    dk_arena_release(&arena);
    pthread_mutex_unlock(&fake->lock);
    dk_http_answer(exchange, 200, "application/json", 1, &answer);
}

void fake_control(struct fake_cluster *fake, bool up)
{
    struct dk_http_options options = {
        .socket = fake->place.control, .mode = 0666, .handler = control, .context = fake
    };

    dk_http_stop(fake->control);
    fake->control = NULL;
    if (up)
        assert_good(dk_http_start(&fake->control, &options, &good_err));
}

void fake_query(struct fake_cluster *fake, bool up)
{
    struct dk_http_options options = {
        .socket = fake->place.query, .mode = 0666, .handler = query, .context = fake
    };

    pthread_mutex_lock(&fake->lock);
    fake->closing = true;
    wake(fake);
    pthread_mutex_unlock(&fake->lock);
    dk_http_stop(fake->query);
    fake->query = NULL;
    fake->closing = false;
    if (up)
        assert_good(dk_http_start(&fake->query, &options, &good_err));
}

/* --- its life --- */

void fake_begin(struct fake_cluster *fake)
{
    char dir[SCRATCH_MAX + 16];

    memset(fake, 0, sizeof(*fake));
    scratch_make(fake->root);
    assert_int_equal(chmod(fake->root, 0755), 0); /* other users' jobs pass through it */
    snprintf(dir, sizeof(dir), "%s/cluster", fake->root);
    snprintf(fake->work, sizeof(fake->work), "%s/work", fake->root);
    assert_int_equal(mkdir(fake->work, 0777), 0);
    assert_int_equal(chmod(fake->work, 0777), 0);
    assert_good(dk_place_find(&fake->place, dir, true, &good_err));
    assert_good(dk_place_make(&fake->place, &good_err));
    pthread_mutex_init(&fake->lock, NULL);
    fake->epoch = 1;
    fake->seq = 10;
    fake->kill_wait_ms = 500;
    fake->beat_us = 10000000;
    fake_control(fake, true);
    fake_query(fake, true);
    fake_settings(fake);
}

static bool registered(void *context)
{
    const struct fake_cluster *fake = context;

    return fake->register_count > fake->register_before;
}

void fake_end(struct fake_cluster *fake)
{
    if (fake->agent > 0) {
        for (uint32_t i = 0; i < fake->order_count; i++)
            if (fake->orders[i].type == DK_ORDER_RUN_JOB)
                fake->orders[i].type = DK_ORDER_TYPE_COUNT;
        (void)scratch_wait(WAIT_SECONDS, registered, fake); /* it heeds signals by then */
        fake_agent_kill(fake, SIGUSR1);                     /* ends what still runs */
    }
    fake_control(fake, false);
    fake_query(fake, false);
    for (uint32_t i = 0; i < fake->order_count; i++)
        free(fake->orders[i].bytes);
    for (uint32_t i = 0; i < fake->blob_count; i++)
        free((void *)(uintptr_t)fake->blobs[i].data);
    pthread_mutex_destroy(&fake->lock);
    scratch_remove(fake->root);
}

void fake_agent(struct fake_cluster *fake, const char *const *more)
{
    const char *arguments[32] = { "docketd-node", "--dir", fake->place.dir, "--name", "n1" };
    int count = 5;

    while (more != NULL && *more != NULL)
        arguments[count++] = *more++;
    fake->register_before = fake->register_count;
    fake->agent = fork();
    if (fake->agent == 0) {
        char log[SCRATCH_MAX + 32];
        int fd;

        snprintf(log, sizeof(log), "%s/agent.log", fake->root);
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* no agent outlives a test that fails */
        execv(DOCKETD_NODE, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    assert_true(fake->agent > 0);
}

void fake_agent_kill(struct fake_cluster *fake, int signal)
{
    int status = 0;

    assert_int_equal(kill(fake->agent, signal), 0);
    assert_int_equal(waitpid(fake->agent, &status, 0), fake->agent);
    if (signal != SIGKILL) /* leaks and the like are an exit status, too */
        assert_int_equal(status, 0);
    fake->agent = 0;
}

/* --- orders --- */

int64_t fake_give(struct fake_cluster *fake, struct dk_order *order)
{
    struct dk_buf bytes;
    struct fake_order *place;

    pthread_mutex_lock(&fake->lock);
    assert_true(fake->order_count < FAKE_MAX);
    place = &fake->orders[fake->order_count++];
    order->meta.seq = ++fake->seq;
    if (order->meta.epoch == 0)
        order->meta.epoch = fake->epoch;
    order->meta.time = now_us();
    dk_buf_init(&bytes, &dk_heap, 1 << 20);
    assert_good(dk_order_encode(order, &bytes, &good_err));
    *place = (struct fake_order){ order->meta.seq, 0, order->type, malloc(bytes.size),
                                  (uint32_t)bytes.size };
    memcpy(place->bytes, bytes.data, bytes.size);
    dk_buf_release(&bytes);
    if (order->type == DK_ORDER_RUN_JOB)
        place->job = order->run_job.job;
    if (order->type == DK_ORDER_END_JOB)
        place->job = order->end_job.job;
    wake(fake);
    pthread_mutex_unlock(&fake->lock);
    return place->seq;
}

void fake_withdraw(struct fake_cluster *fake, int64_t job)
{
    uint32_t kept = 0;

    pthread_mutex_lock(&fake->lock);
    for (uint32_t i = 0; i < fake->order_count; i++) {
        if (fake->orders[i].job == job)
            free(fake->orders[i].bytes);
        else
            fake->orders[kept++] = fake->orders[i];
    }
    fake->order_count = kept;
    pthread_mutex_unlock(&fake->lock);
}

void fake_settings(struct fake_cluster *fake)
{
    struct dk_order order = { .type = DK_ORDER_SETTINGS };

    order.settings.cluster = dk_text_of("testing");
    order.settings.kill_wait_us = fake->kill_wait_ms * 1000;
    order.settings.beat_us = fake->beat_us;
    order.settings.prolog = dk_text_of(fake->prolog);
    order.settings.epilog = dk_text_of(fake->epilog);
    fake_give(fake, &order);
}

struct dk_bytes fake_blob(struct fake_cluster *fake, const void *bytes, uint32_t size,
                          uint8_t digest[32])
{
    uint32_t index = 0;

    while (index < fake->blob_count &&
           (fake->blobs[index].size != size || memcmp(fake->blobs[index].data, bytes, size) != 0))
        index++;
    if (index == fake->blob_count) {
        uint8_t *copy = malloc(size + 1);

        assert_true(fake->blob_count < 64);
        memcpy(copy, bytes, size);
        fake->blobs[fake->blob_count++] = (struct dk_bytes){ copy, size };
    }
    digest_of(fake->blobs[index], digest);
    return (struct dk_bytes){ digest, 32 };
}

void fake_run(struct fake_cluster *fake, int64_t job, const char *script,
              void (*change)(struct dk_run_job *run))
{
    static const char environment[] = "COLOUR=green\0SLURM_JOB_ID=9999\0HOME=/tmp";
    static const char arguments[] = "first\0second one";
    uint8_t digests[3][32];
    struct dk_node_share share = { dk_text_of("n1"), 1, 1, 0 };
    struct dk_span core = { 0, 1 };
    struct dk_order order = { .type = DK_ORDER_RUN_JOB };
    struct dk_run_job *run = &order.run_job;

    run->job = job;
    run->attempt = 1;
    run->task = -1;
    run->spec.name = dk_text_of("a job");
    run->spec.partition = dk_text_of("main");
    run->spec.work_dir = dk_text_of(fake->work);
    run->spec.tasks = run->spec.cpus_per_task = 1;
    run->spec.limit_us = 3600000000;
    run->spec.has_launch = true;
    run->spec.launch.umask = 022;
    pthread_mutex_lock(&fake->lock);
    run->spec.script = fake_blob(fake, script, (uint32_t)strlen(script), digests[0]);
    run->spec.launch.environment = fake_blob(fake, environment, sizeof(environment), digests[1]);
    run->spec.launch.arguments = fake_blob(fake, arguments, sizeof(arguments), digests[2]);
    pthread_mutex_unlock(&fake->lock);
    run->actor = (struct dk_actor){ (int32_t)getuid(), (int32_t)getgid(), dk_text_of("tester"),
                                    dk_text_of("here") };
    run->nodes = &share;
    run->nodes_count = 1;
    run->cores = &core;
    run->cores_count = 1;
    if (change != NULL)
        change(run);
    fake_give(fake, &order);
}

void fake_end_job(struct fake_cluster *fake, int64_t job, enum dk_end_state state)
{
    struct dk_order order = { .type = DK_ORDER_END_JOB };

    order.end_job.job = job;
    order.end_job.attempt = 1;
    order.end_job.state = state;
    order.end_job.kill_wait_us = fake->kill_wait_ms * 1000;
    fake_give(fake, &order);
}

void fake_forget(struct fake_cluster *fake, int64_t job)
{
    struct dk_order order = { .type = DK_ORDER_FORGET_JOB };

    fake_withdraw(fake, job);
    order.forget_job.job = job;
    order.forget_job.attempt = 1;
    fake_give(fake, &order);
}

/* --- waiting --- */

struct wish {
    struct fake_cluster *fake;
    int64_t job;
    struct fake_report report;
    const char *name, *text;
};

static bool reported(void *context)
{
    struct wish *wish = context;
    bool found = false;

    pthread_mutex_lock(&wish->fake->lock);
    for (uint32_t i = 0; !found && i < wish->fake->report_count; i++) {
        found = wish->fake->reports[i].job == wish->job;
        if (found)
            wish->report = wish->fake->reports[i];
    }
    pthread_mutex_unlock(&wish->fake->lock);
    return found;
}

bool fake_has_report(struct fake_cluster *fake, int64_t job)
{
    struct wish wish = { .fake = fake, .job = job };

    return reported(&wish);
}

static void show_log(struct fake_cluster *fake)
{
    char command[SCRATCH_MAX + 64];

    snprintf(command, sizeof(command), "cat %s/agent.log >&2", fake->root);
    if (system(command) != 0)
        fprintf(stderr, "no log\n");
}

struct fake_report fake_report(struct fake_cluster *fake, int64_t job)
{
    struct wish wish = { .fake = fake, .job = job };

    if (!scratch_wait(WAIT_SECONDS, reported, &wish)) {
        show_log(fake);
        fail_msg("no report of job %lld", (long long)job);
    }
    return wish.report;
}

void fake_text(struct fake_cluster *fake, const char *name, char *out, size_t size)
{
    char path[SCRATCH_MAX + 256];
    ssize_t got = 0;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", fake->work, name);
    fd = open(path, O_RDONLY);
    if (fd >= 0) {
        got = read(fd, out, size - 1);
        close(fd);
    }
    out[got > 0 ? got : 0] = '\0';
}

static bool holds(void *context)
{
    struct wish *wish = context;
    char text[4096];

    fake_text(wish->fake, wish->name, text, sizeof(text));
    return strstr(text, wish->text) != NULL;
}

void fake_wait_text(struct fake_cluster *fake, const char *name, const char *text)
{
    struct wish wish = { .fake = fake, .name = name, .text = text };
    char now[4096];

    if (scratch_wait(WAIT_SECONDS, holds, &wish))
        return;
    show_log(fake);
    fake_text(fake, name, now, sizeof(now));
    fail_msg("'%s' is not in '%s', which holds '%s'", text, name, now);
}
