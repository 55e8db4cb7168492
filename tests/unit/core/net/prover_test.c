/* prover_test.c - servers on TCP that prove who calls, clients that prove theirs, and lists of them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "munged.h"
#include "net/address.h"
#include "net/endpoints.h"
#include "net/prover.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char folder[SCRATCH_MAX];
static struct munged munged, foreign;

/* A daemon: says who called it and which one it is. */
struct daemon {
    char address[64];
    struct dk_http_server *server;
    struct dk_who *who;
    struct dk_prover *prover;
    _Atomic int calls, mode;
};
enum { ANSWERS, STANDS_BY, SILENT }; /* modes */

static struct dk_http_exchange *_Atomic kept;

static void answer(void *context, struct dk_http_exchange *exchange, const struct dk_proven *proven)
{
    struct daemon *daemon = context;
    struct dk_buf body;
    char text[512];

    daemon->calls++;
    if (proven->proof != DK_PROOF_GOOD) {
        assert_int_equal(dk_http_peer(exchange).uid, -1);
        dk_http_fail(exchange, 401, dk_proof_reason(proven->proof), "%s", proven->why);
        return;
    }
    if (daemon->mode == STANDS_BY) {
        dk_http_fail(exchange, 503, "NOT_LEADING", "another one leads");
        return;
    }
    if (daemon->mode == SILENT) {
        kept = exchange;
        return;
    }
    snprintf(text, sizeof(text), "%s %d %s %s", daemon->address, dk_http_peer(exchange).uid,
             proven->user, dk_http_address(exchange));
    dk_buf_init(&body, &dk_heap, 4096);
    assert_true(dk_buf_add_text(&body, text));
    dk_http_answer(exchange, 200, "text/plain", 42, &body);
}

static void handle(void *context, struct dk_http_exchange *exchange)
{
    struct daemon *daemon = context;

    assert_true(dk_http_is_remote(exchange));
    dk_prover_prove(daemon->prover, exchange, answer, daemon);
}

/* A port that nobody has: taken and given back. */
static void free_address(char address[64], const char *host)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    close(fd);
    snprintf(address, 64, "%s:%d", host, ntohs(at.sin_port));
}

static void start_with(struct daemon *daemon, const struct dk_munge *munge)
{
    struct dk_http_options options = { .handler = handle, .context = daemon };

    memset(daemon, 0, sizeof(*daemon));
    free_address(daemon->address, "127.0.0.1");
    daemon->who = dk_who_create();
    daemon->prover =
        dk_prover_create(&(struct dk_prover_options){ .munge = munge, .who = daemon->who });
    options.tcp = daemon->address;
    assert_good(dk_http_start(&daemon->server, &options, &good_err));
}

static void start(struct daemon *daemon)
{
    start_with(daemon, &munged.munge);
}

static void stop(struct daemon *daemon)
{
    dk_prover_stop(daemon->prover);
    dk_http_stop(daemon->server);
    dk_prover_destroy(daemon->prover);
    dk_who_destroy(daemon->who);
    daemon->server = NULL;
}

static int begin(void **state)
{
    (void)state;
    scratch_make(folder);
    return munged_start(&munged, folder, "ours") && munged_start(&foreign, folder, "foreign") ? 0
                                                                                              : -1;
}

static int end(void **state)
{
    (void)state;
    munged_stop(&munged);
    munged_stop(&foreign);
    scratch_remove(folder);
    return 0;
}

static struct dk_endpoints *list_of(const struct daemon *one, const struct daemon *other,
                                    bool demands)
{
    char list[160];

    snprintf(list, sizeof(list), "%s, %s", one->address, other->address);
    return dk_endpoints_create(list, &munged.munge, demands);
}

static enum dk_status call(struct dk_endpoints *endpoints, int timeout_ms, struct dk_reply *reply,
                           struct dk_err *err)
{
    return dk_endpoints_call(endpoints, "POST", "/x?a=%20b&c", "text/plain", "body", 4, timeout_ms,
                             reply, err);
}

static void assert_by(struct dk_endpoints *endpoints, const struct daemon *daemon)
{
    struct dk_reply reply;
    char expected[80];

    dk_buf_init(&reply.body, &dk_heap, 1 << 20);
    assert_good(call(endpoints, 20000, &reply, &good_err));
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.seq, 42);
    snprintf(expected, sizeof(expected), "%s %d ", daemon->address, (int)getuid());
    assert_memory_equal(reply.body.data, expected, strlen(expected));
    dk_buf_release(&reply.body);
}

static void a_call_is_of_who_made_it(void **state)
{
    struct daemon daemon;
    struct dk_endpoints *plain, *proven;

    (void)state;
    start(&daemon);
    plain = dk_endpoints_create(daemon.address, &munged.munge, false);
    proven = dk_endpoints_create(daemon.address, &munged.munge, true);
    for (int i = 0; i < 20; i++) { /* over one connection each */
        assert_by(plain, &daemon);
        assert_by(proven, &daemon);
    }
    assert_int_equal(daemon.calls, 40);
    dk_endpoints_destroy(plain);
    dk_endpoints_destroy(proven);
    stop(&daemon);
}

static void the_one_that_works_is_kept_and_a_dead_one_left(void **state)
{
    struct daemon one, other;
    struct dk_endpoints *endpoints;

    (void)state;
    start(&one);
    start(&other);
    endpoints = list_of(&one, &other, false);
    assert_by(endpoints, &one);
    stop(&one);
    assert_by(endpoints, &other);
    assert_by(endpoints, &other);
    assert_string_equal(dk_endpoints_now(endpoints), other.address);
    one.mode = ANSWERS;
    stop(&other);
    start(&one);
    dk_endpoints_destroy(endpoints);
    endpoints = list_of(&other, &one, false);
    assert_by(endpoints, &one);
    dk_endpoints_destroy(endpoints);
    stop(&one);
}

static void one_that_does_not_lead_is_left_at_once(void **state)
{
    struct daemon one, other;
    struct dk_endpoints *endpoints;
    struct dk_reply reply;

    (void)state;
    start(&one);
    start(&other);
    one.mode = STANDS_BY;
    endpoints = list_of(&one, &other, false);
    assert_by(endpoints, &other);
    assert_by(endpoints, &other);
    assert_int_equal(one.calls, 1);
    one.mode = ANSWERS;
    other.mode = STANDS_BY; /* they changed places */
    assert_by(endpoints, &one);
    one.mode = STANDS_BY; /* nobody leads: each is asked once */
    one.calls = other.calls = 0;
    dk_buf_init(&reply.body, &dk_heap, 1 << 20);
    assert_good(call(endpoints, 20000, &reply, &good_err));
    assert_int_equal(reply.status, 503);
    assert_int_equal(one.calls + other.calls, 2);
    dk_buf_release(&reply.body);
    dk_endpoints_destroy(endpoints);
    stop(&one);
    stop(&other);
}

static void a_silent_one_is_left_after_the_call(void **state)
{
    struct daemon one, other;
    struct dk_endpoints *endpoints;
    struct dk_reply reply;
    struct dk_buf body;
    struct dk_err err;

    (void)state;
    start(&one);
    start(&other);
    one.mode = SILENT;
    endpoints = list_of(&one, &other, false);
    dk_buf_init(&reply.body, &dk_heap, 1 << 20);
    assert_int_equal(call(endpoints, 300, &reply, &err), DK_AGAIN);
    dk_endpoints_leave(endpoints); /* as agents do after any failure: the silent one was left */
    assert_by(endpoints, &other);
    dk_buf_init(&body, &dk_heap, 16);
    dk_http_answer(kept, 200, "text/plain", 0, &body);
    dk_buf_release(&reply.body);
    dk_endpoints_destroy(endpoints);
    stop(&one);
    stop(&other);
}

static int remarks;

static void remark(const char *text)
{
    assert_says(text, "does not prove its answer");
    remarks++;
}

/* Somebody with another key in a daemon's place, who does not care who asks and answers as a daemon
 * would: without a proof, and with one that is worth nothing. */
static void believe(void *context, struct dk_http_exchange *exchange)
{
    static const uint8_t digest[DK_DIGEST_SIZE];
    struct daemon *daemon = context;
    char proof[DK_CREDENTIAL_SIZE_MAX];
    struct dk_buf body;

    assert_good(dk_credential_make(foreign.munge.socket, digest, proof, &good_err));
    dk_buf_init(&body, &dk_heap, 4096);
    assert_true(dk_buf_add_text(&body, daemon->address));
    dk_http_answer_sealed(exchange, 200, "text/plain", 42, &body,
                          daemon->calls++ > 0 ? proof : NULL);
}

static void who_can_not_prove_an_answer_is_left_and_spoken_of(void **state)
{
    struct daemon stranger = { 0 }, other, last;
    struct dk_http_options options = { .handler = believe, .context = &stranger };
    struct dk_endpoints *endpoints, *alone;
    struct dk_reply reply;
    struct dk_err err;

    (void)state;
    free_address(stranger.address, "127.0.0.1");
    options.tcp = stranger.address;
    assert_good(dk_http_start(&stranger.server, &options, &good_err));
    start(&other);
    start_with(&last, &foreign.munge); /* it takes us for strangers: 401 */
    alone = dk_endpoints_create(stranger.address, &munged.munge, true);
    dk_endpoints_remark(alone, remark);
    dk_buf_init(&reply.body, &dk_heap, 4096);
    for (int i = 0; i < 2; i++)
        assert_int_equal(call(alone, 20000, &reply, &err), DK_NOT_PERMITTED);
    assert_int_equal(remarks, 2);
    endpoints = list_of(&stranger, &other, true);
    assert_by(endpoints, &other);
    dk_endpoints_destroy(endpoints);
    endpoints = list_of(&last, &other, false);
    assert_by(endpoints, &other);
    assert_int_equal(last.calls, 1);
    dk_endpoints_destroy(endpoints);
    dk_endpoints_destroy(alone);
    dk_buf_release(&reply.body);
    dk_http_stop(stranger.server);
    stop(&other);
    stop(&last);
}

static void a_list_without_addresses_or_with_bad_ones_is_refused(void **state)
{
    static const char *const lists[] = { "", " , ", "nohost", "h:", ":7801", "h:70000", "h:78x" };
    struct dk_reply reply;
    struct dk_err err;

    (void)state;
    dk_buf_init(&reply.body, &dk_heap, 4096);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct dk_endpoints *endpoints = dk_endpoints_create(lists[i], NULL, false);

        assert_int_equal(call(endpoints, 1000, &reply, &err), DK_INVALID);
        dk_endpoints_destroy(endpoints);
    }
    dk_buf_release(&reply.body);
}

static void addresses_are_hosts_and_ports(void **state)
{
    static const struct {
        const char *address, *host, *port;
    } cases[] = { { "10.0.0.1:7801", "10.0.0.1", "7801" },
                  { "[fd00::1]:0", "fd00::1", "0" },
                  { "n7.site:65535", "n7.site", "65535" } };
    const char *list = " a:1,b:2\tc:3 ", *path = "/tmp/a, b/s.sock";
    char host[DK_HOST_MAX], port[6], address[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_good(dk_address_split(cases[i].address, host, port, &good_err));
        assert_string_equal(host, cases[i].host);
        assert_string_equal(port, cases[i].port);
    }
    assert_int_equal(dk_address_split("fd00::1:7801", host, port, NULL), DK_INVALID);
    for (const char *expected = "a:1\0b:2\0c:3\0"; *expected != '\0'; expected += 4) {
        assert_true(dk_address_next(&list, address, sizeof(address)));
        assert_string_equal(address, expected);
    }
    assert_false(dk_address_next(&list, address, sizeof(address)));
    assert_true(dk_address_next(&path, address, sizeof(address)));
    assert_string_equal(address, "/tmp/a, b/s.sock");
}

struct asked {
    const struct daemon *daemon;
    struct dk_reply reply;
    enum dk_status status;
};

static void *ask(void *context)
{
    struct asked *asked = context;
    struct dk_endpoints *endpoints =
        dk_endpoints_create(asked->daemon->address, &munged.munge, false);

    asked->status = call(endpoints, 60000, &asked->reply, NULL);
    dk_endpoints_destroy(endpoints);
    return NULL;
}

static bool waits(void *context)
{
    struct dk_prover_stats stats;

    dk_prover_stats(((struct daemon *)context)->prover, &stats);
    return stats.waiting > 0;
}

/* munged is away: six calls for four workers wait, and a prover that stops answers them all. */
static void who_waits_for_munged_is_answered_when_the_daemon_stops(void **state)
{
    struct daemon daemon;
    struct asked asked[6] = { 0 };
    pthread_t threads[6];
    struct timespec before, after;

    (void)state;
    start_with(&daemon, &(struct dk_munge){ .socket = "/nowhere/munge.socket" });
    for (int i = 0; i < 6; i++) {
        asked[i].daemon = &daemon;
        dk_buf_init(&asked[i].reply.body, &dk_heap, 4096);
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &asked[i]), 0);
    }
    assert_true(scratch_wait(10, waits, &daemon));
    clock_gettime(CLOCK_MONOTONIC, &before);
    dk_prover_stop(daemon.prover);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec < 5);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(asked[i].status, DK_OK);
        assert_int_equal(asked[i].reply.status, 503);
        dk_buf_release(&asked[i].reply.body);
    }
    assert_int_equal(daemon.calls, 0);
    stop(&daemon);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_of_who_made_it),
        cmocka_unit_test(the_one_that_works_is_kept_and_a_dead_one_left),
        cmocka_unit_test(one_that_does_not_lead_is_left_at_once),
        cmocka_unit_test(a_silent_one_is_left_after_the_call),
        cmocka_unit_test(who_can_not_prove_an_answer_is_left_and_spoken_of),
        cmocka_unit_test(a_list_without_addresses_or_with_bad_ones_is_refused),
        cmocka_unit_test(addresses_are_hosts_and_ports),
        cmocka_unit_test(who_waits_for_munged_is_answered_when_the_daemon_stops),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
