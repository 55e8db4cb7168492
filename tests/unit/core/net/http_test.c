/* http_test.c - the server and the client of HTTP, against each other and against bytes that are
 * neither */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/client.h"
#include "net/http.h"
#include "scratch.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { BODY_LIMIT = 1 << 20 };

static char folder[SCRATCH_MAX], path[SCRATCH_MAX + 32];
static struct dk_http_server *server;

/* /stop holds up the server's thread until it is posted. */
static sem_t stopped, go_on;

/* An exchange that was kept, to be answered by another thread. */
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dk_http_exchange *kept;

static void answer_text(struct dk_http_exchange *exchange, const char *text)
{
    struct dk_buf body;

    dk_buf_init(&body, &dk_heap, 64 << 20);
    assert_true(dk_buf_add_text(&body, text));
    dk_http_answer(exchange, 200, "text/plain", 42, &body);
}

static void handle(void *context, struct dk_http_exchange *exchange)
{
    char text[256];
    size_t size;
    const char *value, *name;

    (void)context;
    (void)dk_http_body(exchange, &size);
    if (strcmp(dk_http_path(exchange), "/keep") == 0) {
        assert_int_equal(pthread_mutex_lock(&kept_lock), 0);
        kept = exchange;
        assert_int_equal(pthread_mutex_unlock(&kept_lock), 0);
        return;
    }
    if (strcmp(dk_http_path(exchange), "/stop") == 0) {
        assert_int_equal(sem_post(&stopped), 0);
        while (sem_wait(&go_on) != 0) {
        }
    }
    if (strcmp(dk_http_path(exchange), "/large") == 0) {
        struct dk_buf body;

        dk_buf_init(&body, &dk_heap, 64 << 20);
        for (int i = 0; i < 400000; i++)
            assert_true(dk_buf_add_text(&body, "0123456789\n"));
        dk_http_answer(exchange, 200, "text/plain", 0, &body);
        return;
    }
    value = dk_http_param(exchange, "a");
    name = dk_http_param_name(exchange, 1);
    (void)snprintf(text, sizeof(text), "%s %s body=%zu a=%s second=%s uid=%d",
                   dk_http_method(exchange), dk_http_path(exchange), size,
                   value != NULL ? value : "-", name != NULL ? name : "-",
                   dk_http_peer(exchange).uid);
    if (strcmp(dk_http_path(exchange), "/fail") == 0)
        dk_http_fail(exchange, 503, "BUSY", "a \"quoted\" word, %d", 7);
    else
        answer_text(exchange, text);
}

static int begin(void **state)
{
    struct dk_http_options options = {
        .socket = path, .mode = 0666, .handler = handle, .body_max = BODY_LIMIT
    };
    struct dk_err err;

    (void)state;
    scratch_make(folder);
    (void)snprintf(path, sizeof(path), "%s/s.sock", folder);
    return dk_http_start(&server, &options, &err) == DK_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    dk_http_stop(server);
    scratch_remove(folder);
    return 0;
}

static void a_question_arrives_with_its_parameters_and_its_asker(void **state)
{
    char body[512], expected[512];

    (void)state;
    assert_int_equal(
        scratch_call(path, "GET", "/x?a=1%2C2%20%26&b=", NULL, NULL, body, sizeof(body)), 200);
    (void)snprintf(expected, sizeof(expected), "GET /x body=0 a=1,2 & second=b uid=%d",
                   (int)getuid());
    assert_string_equal(body, expected);
}

static void many_calls_go_over_one_connection(void **state)
{
    struct dk_client *client;
    struct dk_reply reply;
    char *large = calloc(1, 200001);

    (void)state;
    memset(large, 'x', 200000);
    dk_buf_init(&reply.body, &dk_heap, 64 << 20);
    assert_good(dk_client_open(&client, path, &good_err));
    for (int i = 0; i < 200; i++) {
        size_t size = (size_t)i * 1000;

        assert_good(dk_client_call(client, "POST", "/x", "text/plain", large, size, 5000, &reply,
                                   &good_err));
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.seq, 42);
        assert_string_equal(reply.type, "text/plain");
    }
    assert_good(dk_client_call(client, "GET", "/large", NULL, NULL, 0, 5000, &reply, &good_err));
    assert_int_equal(reply.body.size, 4400000);
    dk_client_close(client);
    dk_buf_release(&reply.body);
    free(large);
}

static bool is_kept(void *context)
{
    bool there;

    (void)context;
    assert_int_equal(pthread_mutex_lock(&kept_lock), 0);
    there = kept != NULL;
    assert_int_equal(pthread_mutex_unlock(&kept_lock), 0);
    return there;
}

static void *answer_kept(void *context)
{
    (void)context;
    if (scratch_wait(10, is_kept, NULL))
        answer_text(kept, "later");
    return NULL;
}

static void an_exchange_can_be_answered_later_by_another_thread(void **state)
{
    char body[64];
    pthread_t thread;

    (void)state;
    kept = NULL;
    assert_int_equal(pthread_create(&thread, NULL, answer_kept, NULL), 0);
    assert_int_equal(scratch_call(path, "GET", "/keep", NULL, NULL, body, sizeof(body)), 200);
    assert_string_equal(body, "later");
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static int connect_raw(const char *to)
{
    const struct timeval patience = { .tv_sec = 10 };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(to) < sizeof(address.sun_path));
    memcpy(address.sun_path, to, strlen(to) + 1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void ask_raw(int fd, const char *target)
{
    char text[128];
    int size = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);

    assert_int_equal(write(fd, text, (size_t)size), size);
}

static bool is_answered(int fd)
{
    char text[1024];

    return read(fd, text, sizeof(text)) > 12 && memcmp(text, "HTTP/1.1 200", 12) == 0;
}

/* libmicrohttpd's own loop takes 128 events at once, and then waits before it looks at them. */
static void as_many_calls_at_once_as_the_library_looks_at_are_answered(void **state)
{
    int busy = connect_raw(path), others[128], answered = 0;

    (void)state;
    assert_int_equal(sem_init(&stopped, 0, 0), 0);
    assert_int_equal(sem_init(&go_on, 0, 0), 0);
    for (int i = 0; i < 128; i++) { /* known to the server, and at rest */
        others[i] = connect_raw(path);
        ask_raw(others[i], "/x");
        assert_true(is_answered(others[i]));
    }
    ask_raw(busy, "/stop");
    while (sem_wait(&stopped) != 0) {
    }
    for (int i = 0; i < 128; i++)
        ask_raw(others[i], "/x");
    assert_int_equal(sem_post(&go_on), 0);
    while (answered < 128 && is_answered(others[answered]))
        answered++;
    assert_int_equal(answered, 128); /* and only then anything that would wake it: */
    assert_true(is_answered(busy));
    for (int i = 0; i < 128; i++)
        (void)close(others[i]);
    (void)close(busy);
}

/* It stops listening then, and has to be told that it may again. */
static void who_waits_for_a_place_has_it_when_another_leaves(void **state)
{
    char small[SCRATCH_MAX + 32];
    struct dk_http_options options = {
        .socket = small, .mode = 0600, .handler = handle, .connections_max = 4
    };
    struct dk_http_server *narrow;
    int held[4], waiting;

    (void)state;
    (void)snprintf(small, sizeof(small), "%s/small.sock", folder);
    assert_good(dk_http_start(&narrow, &options, &good_err));
    for (int i = 0; i < 4; i++) {
        held[i] = connect_raw(small);
        ask_raw(held[i], "/x");
        assert_true(is_answered(held[i]));
    }
    waiting = connect_raw(small);
    ask_raw(waiting, "/x");
    (void)close(held[0]);
    assert_true(is_answered(waiting));
    for (int i = 1; i < 4; i++)
        (void)close(held[i]);
    (void)close(waiting);
    dk_http_stop(narrow);
}

static void a_call_that_takes_too_long_is_given_up_by_the_client(void **state)
{
    struct dk_client *client;
    struct dk_reply reply;
    struct dk_err err;

    (void)state;
    kept = NULL;
    dk_buf_init(&reply.body, &dk_heap, 1 << 20);
    assert_good(dk_client_open(&client, path, &good_err));
    assert_int_equal(dk_client_call(client, "GET", "/keep", NULL, NULL, 0, 50, &reply, &err),
                     DK_AGAIN);
    dk_client_close(client);
    assert_true(scratch_wait(10, is_kept, NULL));
    answer_text(kept, "to nobody"); /* the server lives on */
    dk_buf_release(&reply.body);
}

/* The asker leaves, and the answer comes then: again and again, for the race between the two. */
static void who_left_is_answered_without_harm(void **state)
{
    static const char request[] = "GET /keep HTTP/1.1\r\nHost: x\r\n\r\n";
    char body[256];

    (void)state;
    for (int i = 0; i < 300; i++) {
        int fd = scratch_connect(path);

        kept = NULL;
        assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
        assert_true(scratch_wait(10, is_kept, NULL));
        (void)close(fd);
        answer_text(kept, "to nobody");
    }
    assert_int_equal(scratch_call(path, "GET", "/x", NULL, NULL, body, sizeof(body)), 200);
}

static void a_failure_is_json_with_a_word_and_a_text(void **state)
{
    char body[256];

    (void)state;
    assert_int_equal(scratch_call(path, "GET", "/fail", NULL, NULL, body, sizeof(body)), 503);
    assert_string_equal(
        body, "{\"error\":{\"reason\":\"BUSY\",\"detail\":\"a \\\"quoted\\\" word, 7\"}}\n");
}

static void a_body_beyond_the_limit_is_refused(void **state)
{
    char *large = calloc(1, BODY_LIMIT + 2), body[256];

    (void)state;
    memset(large, 'x', BODY_LIMIT + 1);
    assert_int_equal(scratch_call(path, "POST", "/x", "text/plain", large, body, sizeof(body)),
                     413);
    assert_says(body, "TOO_LARGE");
    large[BODY_LIMIT] = '\0';
    assert_int_equal(scratch_call(path, "POST", "/x", "text/plain", large, body, sizeof(body)),
                     200);
    free(large);
}

static void what_is_not_http_harms_nobody(void **state)
{
    static const char *const inputs[] = {
        "\0\1\2\3garbage\r\n\r\n",
        "GET\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /x?%zz=%&=&&=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    };
    char answer[4096], body[256];

    (void)state;
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
        (void)scratch_raw(path, inputs[i], i == 0 ? 15 : strlen(inputs[i]), answer, sizeof(answer));
    assert_int_equal(scratch_call(path, "GET", "/x", NULL, NULL, body, sizeof(body)), 200);
}

static void a_second_server_is_refused_and_a_stale_socket_is_replaced(void **state)
{
    struct dk_http_options options = { .socket = path, .mode = 0600, .handler = handle };
    struct dk_http_server *second;
    struct dk_err err;
    char stale[SCRATCH_MAX + 32];
    struct stat about;

    (void)state;
    assert_int_equal(dk_http_start(&second, &options, &err), DK_BUSY);
    assert_null(second);
    (void)snprintf(stale, sizeof(stale), "%s/stale.sock", folder);
    fclose(fopen(stale, "w"));
    options.socket = stale;
    assert_good(dk_http_start(&second, &options, &good_err));
    assert_int_equal(stat(stale, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    dk_http_stop(second);
}

static void a_socket_may_have_a_path_longer_than_an_address(void **state)
{
    struct dk_http_options options = { .mode = 0666, .handler = handle };
    struct dk_http_server *deep_server;
    char deep[2 * SCRATCH_MAX], body[256];
    size_t size = strlen(folder);

    (void)state;
    memcpy(deep, folder, size + 1);
    for (int i = 0; i < 3; i++) {
        memset(deep + size, 'd', 60);
        deep[size] = '/';
        deep[size + 60] = '\0';
        assert_int_equal(mkdir(deep, 0700), 0);
        size += 60;
    }
    memcpy(deep + size, "/s.sock", 8);
    options.socket = deep;
    assert_good(dk_http_start(&deep_server, &options, &good_err));
    assert_int_equal(scratch_call(deep, "GET", "/x", NULL, NULL, body, sizeof(body)), 200);
    dk_http_stop(deep_server);
}

static void nobody_there_is_said_at_once(void **state)
{
    struct dk_client *client;
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_client_open(&client, "/nowhere/s.sock", &err), DK_NOT_FOUND);
    assert_says(err.text, "/nowhere/s.sock");
}

static void names_are_escaped_for_a_target(void **state)
{
    struct dk_buf out;

    (void)state;
    dk_buf_init(&out, &dk_heap, 1024);
    assert_true(dk_client_escape(&out, "a b&c=\xC3\xA9-._~"));
    assert_int_equal(out.size, strlen("a%20b%26c%3D%C3%A9-._~"));
    assert_memory_equal(out.data, "a%20b%26c%3D%C3%A9-._~", out.size);
    dk_buf_release(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_arrives_with_its_parameters_and_its_asker),
        cmocka_unit_test(many_calls_go_over_one_connection),
        cmocka_unit_test(an_exchange_can_be_answered_later_by_another_thread),
        cmocka_unit_test(as_many_calls_at_once_as_the_library_looks_at_are_answered),
        cmocka_unit_test(who_waits_for_a_place_has_it_when_another_leaves),
        cmocka_unit_test(a_call_that_takes_too_long_is_given_up_by_the_client),
        cmocka_unit_test(who_left_is_answered_without_harm),
        cmocka_unit_test(a_failure_is_json_with_a_word_and_a_text),
        cmocka_unit_test(a_body_beyond_the_limit_is_refused),
        cmocka_unit_test(what_is_not_http_harms_nobody),
        cmocka_unit_test(a_second_server_is_refused_and_a_stale_socket_is_replaced),
        cmocka_unit_test(a_socket_may_have_a_path_longer_than_an_address),
        cmocka_unit_test(nobody_there_is_said_at_once),
        cmocka_unit_test(names_are_escaped_for_a_target),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
