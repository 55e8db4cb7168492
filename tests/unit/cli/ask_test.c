/* ask_test.c - a client against small servers that answer what a test says */
#define _GNU_SOURCE
#include "base/check.h"
#include "cli/ask.h"
#include "net/http.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <string.h>

/* What the server says next, and what it was last asked. */
struct fake {
    char dir[64], socket[2][96];
    struct dk_http_server *server;
    int status, refuse; /* HTTP; the first `refuse` calls are answered 503 */
    const char *answer;
    int64_t seq;
    int calls;
    char target[1024], keys[4][16];
    uint32_t requests;
    struct dk_session session;
};

static void note_requests(struct fake *fake, struct dk_http_exchange *exchange)
{
    size_t size;
    const uint8_t *at = dk_http_body(exchange, &size), *end = at + size;
    struct dk_arena arena;

    dk_arena_init(&arena, &dk_heap);
    for (fake->requests = 0; at < end; fake->requests++) {
        uint32_t one = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
        struct dk_request request;

        DK_CHECK(dk_request_decode(at + 4, one, &arena, &request, NULL) == DK_OK);
        DK_CHECK(request.meta.key.size == 16);
        if (fake->requests < 2) /* of the first and of the latest call */
            memcpy(fake->keys[fake->calls > 1 ? 2 + fake->requests : fake->requests],
                   request.meta.key.data, 16);
        at += 4 + one;
    }
    dk_arena_release(&arena);
}

static void handle(void *context, struct dk_http_exchange *exchange)
{
    struct fake *fake = context;
    struct dk_buf body;
    const char *name;

    fake->calls++;
    (void)snprintf(fake->target, sizeof(fake->target), "%s", dk_http_path(exchange));
    for (uint32_t i = 0; (name = dk_http_param_name(exchange, i)) != NULL; i++) {
        size_t used = strlen(fake->target);

        (void)snprintf(fake->target + used, sizeof(fake->target) - used, " %s=%s", name,
                       dk_http_param(exchange, name));
    }
    if (strcmp(dk_http_path(exchange), "/v1/requests") == 0)
        note_requests(fake, exchange);
    if (fake->calls <= fake->refuse) {
        dk_http_fail(exchange, 503, "BUSY", "%d requests are waiting", 1000);
    } else if (fake->status != 200) {
        dk_http_fail(exchange, fake->status, "INVALID", "%s", fake->answer);
    } else {
        dk_buf_init(&body, &dk_heap, 1 << 20);
        DK_CHECK(dk_buf_add_text(&body, fake->answer));
        dk_http_answer(exchange, 200, "text/plain", fake->seq, &body);
    }
}

static void start_server(struct fake *fake, int which)
{
    struct dk_http_options options = {
        .socket = fake->socket[which], .mode = 0600, .handler = handle, .context = fake
    };
    struct dk_err err;

    if (dk_http_start(&fake->server, &options, &err) != DK_OK)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    char run[80];

    DK_CHECK(fake != NULL);
    (void)snprintf(fake->dir, sizeof(fake->dir), "/tmp/docket-ask-XXXXXX");
    DK_CHECK(mkdtemp(fake->dir) != NULL);
    (void)snprintf(run, sizeof(run), "%s/run", fake->dir);
    DK_CHECK(mkdir(run, 0700) == 0);
    (void)snprintf(fake->socket[0], sizeof(fake->socket[0]), "%s/query.sock", run);
    (void)snprintf(fake->socket[1], sizeof(fake->socket[1]), "%s/control.sock", run);
    fake->status = 200;
    DK_CHECK(dk_session_open(&fake->session, fake->dir, NULL) == DK_OK);
    *state = fake;
    return 0;
}

static int tear_down(void **state)
{
    struct fake *fake = *state;
    char path[96];

    dk_session_close(&fake->session);
    dk_http_stop(fake->server);
    (void)unlink(fake->socket[0]);
    (void)unlink(fake->socket[1]);
    (void)snprintf(path, sizeof(path), "%s/run/docketd.pid", fake->dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/run", fake->dir);
    (void)rmdir(path);
    DK_CHECK(rmdir(fake->dir) == 0);
    free(fake);
    return 0;
}

/* --- questions --- */

static void rows_come_apart_in_place(void **state)
{
    struct fake *fake = *state;
    struct dk_question question;
    struct dk_rows rows;
    struct dk_err err;

    start_server(fake, 0);
    fake->answer = "1\tfirst\t\n2\ta\\tb\\nc\\\\d\tx\n";
    fake->seq = 42;
    dk_question_init(&question, "/v1/jobs");
    dk_question_add(&question, "user", "anna,b c&d=e");
    dk_question_add_number(&question, "tasks", 1);
    assert_int_equal(dk_ask_rows(&fake->session, &question, "id,name,state", &rows, &err), DK_OK);
    assert_string_equal(fake->target, "/v1/jobs user=anna,b c&d=e tasks=1 fields=id,name,state "
                                      "format=tsv");
    assert_int_equal(rows.rows, 2);
    assert_int_equal(rows.columns, 3);
    assert_int_equal(rows.seq, 42);
    assert_string_equal(dk_cell(&rows, 0, 1), "first");
    assert_string_equal(dk_cell(&rows, 0, 2), "");
    assert_string_equal(dk_cell(&rows, 1, 1), "a\tb\nc\\d");
    assert_int_equal(dk_cell_number(&rows, 1, 0, -1), 2);
    assert_int_equal(dk_cell_number(&rows, 0, 2, -1), -1);
    dk_rows_release(&rows);
    dk_question_release(&question);
}

static void no_rows_are_an_answer_and_a_wrong_width_is_none(void **state)
{
    static const char *const wrong[] = { "1\n", "1\t2\t3\n", "1\t2", "1\t2\n3\n", "\n" };
    struct fake *fake = *state;
    struct dk_question question;
    struct dk_rows rows;
    struct dk_err err;

    start_server(fake, 0);
    fake->answer = "";
    dk_question_init(&question, "/v1/nodes");
    assert_int_equal(dk_ask_rows(&fake->session, &question, "name,state", &rows, &err), DK_OK);
    assert_int_equal(rows.rows, 0);
    dk_rows_release(&rows);
    dk_question_release(&question);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fake->answer = wrong[i];
        dk_question_init(&question, "/v1/nodes");
        assert_int_equal(dk_ask_rows(&fake->session, &question, "name,state", &rows, &err),
                         DK_INVALID);
        assert_int_equal(rows.rows, 0);
        dk_rows_release(&rows);
        dk_question_release(&question);
    }
}

static void what_the_server_says_of_a_mistake_is_the_error(void **state)
{
    static const struct {
        int http;
        enum dk_status status;
    } cases[] = {
        { 400, DK_INVALID }, { 404, DK_NOT_FOUND }, { 413, DK_TOO_LARGE }, { 500, DK_IO }
    };
    struct fake *fake = *state;
    struct dk_question question;
    struct dk_rows rows;
    struct dk_err err;

    start_server(fake, 0);
    fake->answer = "unknown column 'colour'";
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake->status = cases[i].http;
        dk_question_init(&question, "/v1/jobs");
        assert_int_equal(dk_ask_rows(&fake->session, &question, "colour", &rows, &err),
                         cases[i].status);
        assert_string_equal(err.text, "unknown column 'colour'");
        dk_rows_release(&rows);
        dk_question_release(&question);
    }
}

static void other_answers_come_as_they_are(void **state)
{
    struct fake *fake = *state;
    struct dk_question question;
    struct dk_buf body;
    int64_t seq;

    start_server(fake, 0);
    fake->answer = "{\"seq\":7}";
    fake->seq = 7;
    dk_buf_init(&body, &dk_heap, 1 << 20);
    dk_question_init(&question, "/v1/stats");
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(dk_ask_body(&fake->session, &question, NULL, &body, &seq, NULL), DK_OK);
        assert_int_equal(body.size, strlen(fake->answer) * (size_t)i);
        assert_int_equal(seq, 7);
    }
    assert_memory_equal(body.data, "{\"seq\":7}{\"seq\":7}", body.size);
    dk_question_release(&question);
    dk_buf_release(&body);
}

static void a_folder_without_a_cluster_is_said_at_once(void **state)
{
    struct fake *fake = *state;
    struct dk_request request = { .type = DK_REQUEST_CANCEL_JOB };
    struct dk_outcome outcome;
    struct dk_question question;
    struct dk_rows rows;
    struct dk_err err;

    dk_question_init(&question, "/v1/jobs");
    assert_int_equal(dk_ask_rows(&fake->session, &question, "id", &rows, &err), DK_NOT_FOUND);
    assert_non_null(strstr(err.text, "no cluster runs in '/tmp/docket-ask-"));
    dk_rows_release(&rows);
    dk_question_release(&question);
    assert_int_equal(dk_send(&fake->session, &request, 1, &outcome, 0, &err), DK_NOT_FOUND);
    assert_non_null(strstr(err.text, "no cluster runs in"));
}

/* --- requests --- */

#define TWO_RESULTS                                                                                \
    "{\"seq\":90,\"results\":[{\"result\":\"accepted\",\"seq\":88,\"event\":\"JobEnded\","         \
    "\"job\":17},{\"result\":\"rejected\",\"seq\":90,\"reason\":\"NOT_FOUND\","                    \
    "\"detail\":\"no job \\\"18\\\"\"}]}"

static void outcomes_belong_to_their_requests_and_later_questions_wait_for_them(void **state)
{
    struct fake *fake = *state;
    struct dk_request requests[2] = { { .type = DK_REQUEST_CANCEL_JOB, .cancel_job.job = 17 },
                                      { .type = DK_REQUEST_CANCEL_JOB, .cancel_job.job = 18 } };
    struct dk_outcome outcomes[2];
    struct dk_question question;
    struct dk_rows rows;
    struct dk_err err;

    start_server(fake, 1);
    fake->answer = TWO_RESULTS;
    assert_int_equal(dk_send(&fake->session, requests, 2, outcomes, 0, &err), DK_OK);
    assert_int_equal(fake->requests, 2);
    assert_memory_not_equal(fake->keys[0], fake->keys[1], 16);
    assert_int_equal(outcomes[0].kind, DK_OUTCOME_ACCEPTED);
    assert_int_equal(outcomes[0].seq, 88);
    assert_int_equal(outcomes[0].job, 17);
    assert_int_equal(outcomes[1].kind, DK_OUTCOME_REJECTED);
    assert_string_equal(outcomes[1].reason, "NOT_FOUND");
    assert_string_equal(outcomes[1].detail, "no job \"18\"");
    assert_int_equal(outcomes[1].job, 0);
    assert_int_equal(requests[0].meta.key.size, 0);
    dk_http_stop(fake->server);
    start_server(fake, 0);
    fake->answer = "";
    dk_question_init(&question, "/v1/jobs");
    assert_int_equal(dk_ask_rows(&fake->session, &question, "id", &rows, &err), DK_OK);
    assert_non_null(strstr(fake->target, " after_seq=90"));
    dk_rows_release(&rows);
    dk_question_release(&question);
}

static void a_busy_controller_is_asked_again_with_the_same_keys(void **state)
{
    struct fake *fake = *state;
    struct dk_request requests[2] = { { .type = DK_REQUEST_HOLD_JOB, .hold_job.job = 17 },
                                      { .type = DK_REQUEST_HOLD_JOB, .hold_job.job = 18 } };
    struct dk_outcome outcomes[2];
    struct dk_err err;

    start_server(fake, 1);
    fake->answer = TWO_RESULTS;
    fake->refuse = 3;
    assert_int_equal(dk_send(&fake->session, requests, 2, outcomes, 0, &err), DK_OK);
    assert_int_equal(fake->calls, 4);
    assert_memory_equal(fake->keys[0], fake->keys[2], 16);
    assert_memory_equal(fake->keys[1], fake->keys[3], 16);
}

static void patience_ends(void **state)
{
    struct fake *fake = *state;
    struct dk_request request = { .type = DK_REQUEST_HOLD_JOB, .hold_job.job = 17 };
    struct dk_outcome outcome;
    struct dk_err err;

    start_server(fake, 1);
    fake->refuse = 1000;
    assert_int_equal(dk_send(&fake->session, &request, 1, &outcome, 100, &err), DK_BUSY);
    assert_string_equal(err.text, "1000 requests are waiting");
    assert_true(fake->calls > 2);
}

static void *start_later(void *context)
{
    (void)usleep(150000);
    start_server(context, 1);
    return NULL;
}

static void a_controller_that_is_being_started_again_is_waited_for(void **state)
{
    struct fake *fake = *state;
    struct dk_request requests[2] = { { .type = DK_REQUEST_HOLD_JOB },
                                      { .type = DK_REQUEST_HOLD_JOB } };
    struct dk_outcome outcomes[2];
    struct dk_err err;
    pthread_t thread;
    char path[96];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/run/docketd.pid", fake->dir);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "%d\n", (int)getpid());
    (void)fclose(file);
    fake->answer = TWO_RESULTS;
    assert_int_equal(pthread_create(&thread, NULL, start_later, fake), 0);
    assert_int_equal(dk_send(&fake->session, requests, 2, outcomes, 0, &err), DK_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(outcomes[0].job, 17);
}

static void a_full_disk_or_a_short_answer_is_an_error(void **state)
{
    struct fake *fake = *state;
    struct dk_request requests[3] = { { .type = DK_REQUEST_HOLD_JOB },
                                      { .type = DK_REQUEST_HOLD_JOB },
                                      { .type = DK_REQUEST_HOLD_JOB } };
    struct dk_outcome outcomes[3];
    struct dk_err err;

    start_server(fake, 1);
    fake->answer = TWO_RESULTS;
    assert_int_equal(dk_send(&fake->session, requests, 3, outcomes, 0, &err), DK_IO);
    assert_string_equal(err.text, "the controller answers 2 of 3 requests");
    fake->answer = "the log's device is full";
    fake->status = 507;
    assert_int_equal(dk_send(&fake->session, requests, 1, outcomes, 0, &err), DK_FULL);
    assert_string_equal(err.text, fake->answer);
}

#define with_fake(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_fake(rows_come_apart_in_place),
        with_fake(no_rows_are_an_answer_and_a_wrong_width_is_none),
        with_fake(what_the_server_says_of_a_mistake_is_the_error),
        with_fake(other_answers_come_as_they_are),
        with_fake(a_folder_without_a_cluster_is_said_at_once),
        with_fake(outcomes_belong_to_their_requests_and_later_questions_wait_for_them),
        with_fake(a_busy_controller_is_asked_again_with_the_same_keys),
        with_fake(patience_ends),
        with_fake(a_controller_that_is_being_started_again_is_waited_for),
        with_fake(a_full_disk_or_a_short_answer_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
