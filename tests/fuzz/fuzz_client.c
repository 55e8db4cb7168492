/* fuzz_client.c - whatever a server answers: a reply or a refusal, and never more than was sent
 *
 * Nobody sits behind the socket: what the answer is going to be lies in it before the client asks,
 * and a time limit of zero ends what would wait for more. The first byte says whether the body is
 * streamed, and whether the server hangs up; a second call finds what the first has left. */
#define _GNU_SOURCE /* accept4 */
#include "fuzz_folder.h"
#include "net/client.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAMS = 1, HANGS_UP = 2, BODY_MAX = 4096, SENT_MAX = 65536 };

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int listener = -1;

static void start(void)
{
    fuzz_folder_make();
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", fuzz_folder);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    DK_CHECK(listener >= 0);
    DK_CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    DK_CHECK(listen(listener, 16) == 0);
}

static bool take(void *context, const uint8_t *data, size_t size)
{
    size_t *taken = context;

    (void)data;
    *taken += size;
    return *taken < BODY_MAX;
}

static void call(struct dk_client *client, bool streams, size_t size)
{
    struct dk_err err = { .status = DK_OK };
    struct dk_reply reply;
    size_t taken = 0;
    enum dk_status status;

    dk_buf_init(&reply.body, &dk_heap, BODY_MAX);
    if (streams)
        status = dk_client_stream(client, "/v1/events", 0, take, &taken, &reply, &err);
    else
        status = dk_client_call(client, "POST", "/v1/requests", "text/plain", "body", 4, 0, &reply,
                                &err);
    DK_CHECK(status == DK_OK || (err.status == status && err.text[0] != '\0'));
    DK_CHECK(reply.body.size + taken <= size);
    DK_CHECK(memchr(reply.type, 0, sizeof(reply.type)) != NULL);
    dk_buf_release(&reply.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_client *client;
    int server, other;

    if (size < 2 || size > SENT_MAX) /* what fits the socket */
        return 0;
    if (listener < 0)
        start();
    DK_CHECK(dk_client_open(&client, address.sun_path, NULL) == DK_OK);
    server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    DK_CHECK(server >= 0 && send(server, data + 1, size - 1, 0) == (ssize_t)size - 1);
    if (data[0] & HANGS_UP)
        DK_CHECK(shutdown(server, SHUT_WR) == 0);
    call(client, data[0] & STREAMS, size - 1);
    call(client, data[0] & STREAMS, size - 1);
    dk_client_close(client);
    while ((other = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) /* it tried once more */
        (void)close(other);
    (void)close(server);
    return 0;
}
