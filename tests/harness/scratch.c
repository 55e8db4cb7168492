/* scratch.c - a folder of a test's own (scratch.h) */
#define _GNU_SOURCE
#include "scratch.h"

#include "base/check.h"
#include "net/client.h"

#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CALL_MS = 20000, RAW_MS = 2000, BODY_MAX = 64 << 20 };

void scratch_make(char folder[SCRATCH_MAX])
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(folder, SCRATCH_MAX, "%s/docket-test-XXXXXX", base != NULL ? base : "/tmp");
    DK_CHECK(mkdtemp(folder) != NULL);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)type;
    (void)where;
    (void)remove(path);
    return 0;
}

void scratch_remove(const char *folder)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int scratch_call(const char *socket, const char *method, const char *target, const char *type,
                 const char *text, char *body, size_t body_size)
{
    struct dk_client *client;
    struct dk_reply reply;
    struct dk_err err;
    int status = 0;

    if (body_size > 0)
        body[0] = '\0';
    if (dk_client_open(&client, socket, &err) != DK_OK)
        return 0;
    dk_buf_init(&reply.body, &dk_heap, BODY_MAX);
    if (dk_client_call(client, method, target, type, text, text != NULL ? strlen(text) : 0, CALL_MS,
                       &reply, &err) == DK_OK) {
        status = reply.status;
        (void)snprintf(body, body_size, "%.*s", (int)reply.body.size,
                       reply.body.size > 0 ? (const char *)reply.body.data : "");
    }
    dk_buf_release(&reply.body);
    dk_client_close(client);
    return status;
}

int scratch_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    DK_CHECK(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path) + 1);
    DK_CHECK(connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

size_t scratch_raw(const char *path, const void *bytes, size_t size, char *answer,
                   size_t answer_size)
{
    struct pollfd fd = { .fd = scratch_connect(path), .events = POLLIN };
    size_t got = 0;
    ssize_t more;

    (void)send(fd.fd, bytes, size, MSG_NOSIGNAL);
    while (got + 1 < answer_size && poll(&fd, 1, RAW_MS) > 0) {
        more = recv(fd.fd, answer + got, answer_size - 1 - got, 0);
        if (more <= 0)
            break;
        got += (size_t)more;
    }
    answer[got] = '\0';
    (void)close(fd.fd);
    return got;
}

bool scratch_wait(int seconds, bool (*ready)(void *context), void *context)
{
    for (int tries = seconds * 500; tries > 0; tries--) {
        if (ready(context))
            return true;
        (void)nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    }
    return false;
}
