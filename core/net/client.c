/* client.c - HTTP/1.1 on a Unix socket or TCP, as much of it as our own servers speak
 *
 * One buffer is filled from the socket; head, sizes of chunks and bodies are taken from its front.
 */
#define _GNU_SOURCE /* O_PATH */
#include "net/client.h"

#include "base/check.h"
#include "net/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    INPUT_SIZE = 65536,
    HEAD_SIZE = 2048,
    PATH_MAX_BYTES = 4096,
    CONNECT_MS = 1500, /* a lost packet is sent again after one second */
    MUNGE_MS = 10000,
    MUNGE_PAUSE_MS = 200,
    KEEP_IDLE_S = 5, /* a server that has vanished is found out after 5 + 3 * 3 s */
    KEEP_EVERY_S = 3,
    KEEP_TRIES = 3,
    UNHEARD_MS = 15000 /* what was sent and nobody confirmed */
};

struct dk_client {
    int fd;
    char path[PATH_MAX_BYTES]; /* or HOST:PORT */
    bool is_remote, demands;
    struct dk_munge munge;
    size_t first, limit; /* what is in the buffer and not taken */
    uint8_t input[INPUT_SIZE];
};

struct call {
    struct dk_client *client;
    const char *method, *target, *type;
    const void *body;
    size_t size;
    char credential[DK_CREDENTIAL_SIZE_MAX]; /* of the call; "" over a Unix socket */
    char proof[DK_CREDENTIAL_SIZE_MAX];      /* and of its answer; "": none */
    int64_t deadline_ms;                     /* -1: none */
    struct dk_reply *reply;
    dk_client_sink sink;
    void *context;
    bool any; /* something of an answer has come */
    bool stays;
    int64_t length; /* of the body; -1: chunked, -2: until the end */
};

static int64_t now_ms(void)
{
    struct timespec now;

    DK_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void hang_up(struct dk_client *client)
{
    if (client->fd >= 0)
        (void)close(client->fd);
    client->fd = -1;
    client->first = client->limit = 0;
}

static enum dk_status dial_local(struct dk_client *client, struct dk_err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char folder[PATH_MAX_BYTES];
    const char *slash = strrchr(client->path, '/');
    int at = -1, size;
    enum dk_status status = DK_OK;

    if (strlen(client->path) < sizeof(address.sun_path)) {
        memcpy(address.sun_path, client->path, strlen(client->path) + 1);
    } else { /* by its folder's descriptor, which has a short name */
        (void)snprintf(folder, sizeof(folder), "%.*s",
                       slash != NULL ? (int)(slash - client->path) : 1,
                       slash != NULL ? client->path : ".");
        at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        size = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", at,
                        slash != NULL ? slash + 1 : client->path);
        if (at < 0 || size < 0 || (size_t)size >= sizeof(address.sun_path)) {
            status = dk_fail(err, DK_NOT_FOUND, "'%s' can't be reached", client->path);
            goto done;
        }
    }
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 ||
        connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        status =
            dk_fail(err, DK_NOT_FOUND, "nobody answers at '%s': %s", client->path, strerror(errno));
        hang_up(client);
    }
done:
    if (at >= 0)
        (void)close(at);
    return status;
}

/* Connected within CONNECT_MS, or errno says why not. */
static int connect_to(const struct addrinfo *at)
{
    const int on = 1, idle = KEEP_IDLE_S, every = KEEP_EVERY_S, tries = KEEP_TRIES,
              unheard = UNHEARD_MS;
    struct pollfd poll_fd = { .events = POLLOUT };
    socklen_t size = sizeof(int);
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard, sizeof(unheard));
    if (connect(fd, at->ai_addr, at->ai_addrlen) != 0)
        error = errno;
    poll_fd.fd = fd;
    if (error == EINPROGRESS) {
        int64_t until = now_ms() + CONNECT_MS, left = CONNECT_MS;
        int ready = 0;

        while (left > 0 && (ready = poll(&poll_fd, 1, (int)left)) < 0 && errno == EINTR)
            left = until - now_ms();
        if (ready <= 0)
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
    }
    if (error == 0)
        return fd;
    (void)close(fd);
    errno = error;
    return -1;
}

static enum dk_status dial_remote(struct dk_client *client, struct dk_err *err)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV },
                    *found = NULL;
    char host[DK_HOST_MAX], port[6];
    enum dk_status status = dk_address_split(client->path, host, port, err);
    int error;

    if (status != DK_OK)
        return status;
    error = getaddrinfo(host, port, &hints, &found);
    if (error != 0)
        return dk_fail(err, DK_NOT_FOUND, "nobody answers at '%s': %s", client->path,
                       gai_strerror(error));
    for (const struct addrinfo *at = found; client->fd < 0 && at != NULL; at = at->ai_next)
        client->fd = connect_to(at);
    if (client->fd < 0)
        status =
            dk_fail(err, DK_NOT_FOUND, "nobody answers at '%s': %s", client->path, strerror(errno));
    freeaddrinfo(found);
    return status;
}

static enum dk_status dial(struct dk_client *client, struct dk_err *err)
{
    return client->is_remote ? dial_remote(client, err) : dial_local(client, err);
}

enum dk_status dk_client_open(struct dk_client **out, const char *path, struct dk_err *err)
{
    struct dk_client *client = malloc(sizeof(*client));
    enum dk_status status;

    DK_CHECK(client != NULL);
    *out = NULL;
    client->fd = -1;
    client->first = client->limit = 0;
    client->is_remote = !dk_address_is_path(path);
    client->demands = false;
    client->munge = (struct dk_munge){ .socket = "" };
    if (strlen(path) >= sizeof(client->path)) {
        free(client);
        return dk_fail(err, DK_TOO_LARGE, "the path of the socket is too long");
    }
    memcpy(client->path, path, strlen(path) + 1);
    status = dial(client, err);
    if (status != DK_OK) {
        free(client);
        return status;
    }
    *out = client;
    return DK_OK;
}

void dk_client_prove(struct dk_client *client, const struct dk_munge *munge, bool demands)
{
    client->munge = munge != NULL ? *munge : (struct dk_munge){ .socket = "" };
    client->demands = demands && client->is_remote;
}

void dk_client_close(struct dk_client *client)
{
    if (client == NULL)
        return;
    hang_up(client);
    free(client);
}

/* --- sending --- */

static enum dk_status await(struct call *call, short events, struct dk_err *err)
{
    struct pollfd poll_fd = { .fd = call->client->fd, .events = events };

    for (;;) {
        int64_t left = call->deadline_ms < 0 ? -1 : call->deadline_ms - now_ms();
        int ready;

        if (call->deadline_ms >= 0 && left < 0)
            left = 0;
        ready = poll(&poll_fd, 1, (int)left);
        if (ready > 0)
            return DK_OK;
        if (ready == 0)
            return dk_fail(err, DK_AGAIN, "no answer in time from '%s'", call->client->path);
        if (errno != EINTR)
            return dk_fail(err, DK_IO, "poll: %s", strerror(errno));
    }
}

static enum dk_status send_all(struct call *call, struct iovec *parts, int count,
                               struct dk_err *err)
{
    while (count > 0) {
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = (size_t)count };
        ssize_t sent = sendmsg(call->client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            enum dk_status status = await(call, POLLOUT, err);

            if (status != DK_OK)
                return status;
            continue;
        }
        if (sent < 0)
            return dk_fail(err, DK_IO, "'%s': %s", call->client->path, strerror(errno));
        while (count > 0 && (size_t)sent >= parts->iov_len) {
            sent -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + sent;
            parts->iov_len -= (size_t)sent;
        }
    }
    return DK_OK;
}

/* --- receiving --- */

/* More into the buffer, which is moved to its front. DK_IO at the end of the stream. */
static enum dk_status fill(struct call *call, struct dk_err *err)
{
    struct dk_client *client = call->client;
    ssize_t got;

    if (client->first > 0) {
        memmove(client->input, client->input + client->first, client->limit - client->first);
        client->limit -= client->first;
        client->first = 0;
    }
    if (client->limit == INPUT_SIZE)
        return dk_fail(err, DK_INVALID, "'%s' answers with too long a line", client->path);
    for (;;) {
        got = recv(client->fd, client->input + client->limit, INPUT_SIZE - client->limit,
                   MSG_DONTWAIT);
        if (got > 0) {
            client->limit += (size_t)got;
            call->any = true;
            return DK_OK;
        }
        if (got == 0)
            return dk_fail(err, DK_IO, "'%s' closed the connection", client->path);
        if (errno == EAGAIN || errno == EINTR) {
            enum dk_status status = await(call, POLLIN, err);

            if (status != DK_OK)
                return status;
            continue;
        }
        return dk_fail(err, DK_IO, "'%s': %s", client->path, strerror(errno));
    }
}

/* One line without its end, NUL-terminated in the buffer; good until the next call. */
static enum dk_status take_line(struct call *call, char **line, struct dk_err *err)
{
    struct dk_client *client = call->client;
    size_t looked = 0;

    for (;;) {
        uint8_t *start = client->input + client->first;
        uint8_t *end = memchr(start + looked, '\n', client->limit - client->first - looked);
        enum dk_status status;

        if (end != NULL) {
            client->first = (size_t)(end + 1 - client->input);
            if (end > start && end[-1] == '\r')
                end--;
            *end = '\0';
            *line = (char *)start;
            return DK_OK;
        }
        looked = client->limit - client->first;
        status = fill(call, err);
        if (status != DK_OK)
            return status;
    }
}

static enum dk_status take_header(struct call *call, char *line, struct dk_err *err)
{
    char *value = strchr(line, ':');

    if (value == NULL)
        return dk_fail(err, DK_INVALID, "'%s' does not answer in HTTP", call->client->path);
    *value++ = '\0';
    value += strspn(value, " \t");
    if (strcasecmp(line, "content-length") == 0) {
        call->length = strtoll(value, NULL, 10);
        if (call->length < 0)
            return dk_fail(err, DK_INVALID, "'%s' answers with a negative length",
                           call->client->path);
    } else if (strcasecmp(line, "transfer-encoding") == 0 && strcasecmp(value, "chunked") == 0) {
        call->length = -1;
    } else if (strcasecmp(line, "connection") == 0 && strcasecmp(value, "close") == 0) {
        call->stays = false;
    } else if (strcasecmp(line, "docket-seq") == 0) {
        call->reply->seq = strtoll(value, NULL, 10);
    } else if (strcasecmp(line, "docket-credential") == 0) {
        (void)snprintf(call->proof, sizeof(call->proof), "%s", value);
    } else if (strcasecmp(line, "content-type") == 0) {
        (void)snprintf(call->reply->type, sizeof(call->reply->type), "%.*s",
                       (int)strcspn(value, ";"), value);
    }
    return DK_OK;
}

static enum dk_status take_head(struct call *call, struct dk_err *err)
{
    char *line;
    enum dk_status status = take_line(call, &line, err);

    if (status != DK_OK)
        return status;
    if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12)
        return dk_fail(err, DK_INVALID, "'%s' does not answer in HTTP", call->client->path);
    call->reply->status = (int)strtol(line + 9, NULL, 10);
    call->length = -2;
    call->stays = true;
    for (;;) {
        status = take_line(call, &line, err);
        if (status != DK_OK || line[0] == '\0')
            return status;
        status = take_header(call, line, err);
        if (status != DK_OK)
            return status;
    }
}

static enum dk_status give(struct call *call, const uint8_t *data, size_t size, struct dk_err *err)
{
    if (call->sink != NULL && call->reply->status == 200) {
        if (call->sink(call->context, data, size))
            return DK_OK;
        return dk_fail(err, DK_END, "the reader wants no more");
    }
    if (!dk_buf_add(&call->reply->body, data, size))
        return dk_fail(err, DK_TOO_LARGE, "'%s' answers with more than %zu bytes",
                       call->client->path, call->reply->body.size_max);
    return DK_OK;
}

static enum dk_status take_bytes(struct call *call, int64_t size, struct dk_err *err)
{
    struct dk_client *client = call->client;

    while (size != 0) {
        size_t there = client->limit - client->first;
        enum dk_status status;

        if (size > 0 && there > (uint64_t)size)
            there = (size_t)size;
        status =
            there > 0 ? give(call, client->input + client->first, there, err) : fill(call, err);
        if (status == DK_IO && size < 0)
            return DK_OK; /* until the end: this was it */
        if (status != DK_OK)
            return status;
        client->first += there;
        if (size > 0)
            size -= (int64_t)there;
    }
    return DK_OK;
}

static enum dk_status take_chunks(struct call *call, struct dk_err *err)
{
    for (;;) {
        char *line, *end;
        int64_t size;
        enum dk_status status = take_line(call, &line, err);

        if (status != DK_OK)
            return status;
        size = strtoll(line, &end, 16);
        if (end == line || size < 0)
            return dk_fail(err, DK_INVALID, "'%s' answers with a bad chunk", call->client->path);
        status = take_bytes(call, size, err);
        if (status == DK_OK)
            status = take_line(call, &line, err);
        if (status != DK_OK || size == 0)
            return status;
    }
}

/* --- proof --- */

static enum dk_status make_credential(struct call *call, struct dk_err *err)
{
    const struct timespec pause = { .tv_nsec = MUNGE_PAUSE_MS * 1000000 };
    const struct dk_client *client = call->client;
    int64_t until = now_ms() + MUNGE_MS;
    uint8_t digest[DK_DIGEST_SIZE];
    enum dk_status status;

    if (call->deadline_ms >= 0 && call->deadline_ms < until)
        until = call->deadline_ms;
    dk_digest_call(&client->munge, call->method, call->target, call->body, call->size, digest);
    for (;;) {
        status = dk_credential_make(client->munge.socket, digest, call->credential, err);
        if (status != DK_BUSY || now_ms() >= until)
            break;
        (void)nanosleep(&pause, NULL);
    }
    if (status != DK_OK && err != NULL)
        err->status = DK_END;
    return status == DK_OK ? DK_OK : DK_END;
}

/* Whoever answers without proof, or with another's, may be anybody. */
static enum dk_status check_proof(const struct call *call, struct dk_err *err)
{
    const struct dk_client *client = call->client;
    const struct dk_reply *reply = call->reply;
    struct dk_credential credential;
    uint8_t digest[DK_DIGEST_SIZE];

    dk_digest_answer(call->credential, reply->status, reply->seq, reply->body.data,
                     reply->body.size, digest);
    dk_credential_look(client->munge.socket, call->proof[0] != '\0' ? call->proof : NULL, digest,
                       &credential);
    if (credential.proof == DK_PROOF_UNAVAILABLE)
        return dk_fail(err, DK_END, "%s", credential.why);
    if (credential.proof != DK_PROOF_GOOD)
        return dk_fail(err, DK_NOT_PERMITTED, "'%s' does not prove its answer: %s", client->path,
                       credential.why);
    if (credential.uid != 0 && credential.uid != (int32_t)getuid())
        return dk_fail(err, DK_NOT_PERMITTED, "'%s' is of user %d, neither root nor our own",
                       client->path, credential.uid);
    return DK_OK;
}

/* --- a call --- */

static bool add_head(const struct call *call, struct dk_buf *head)
{
    char line[HEAD_SIZE];

    (void)snprintf(line, sizeof(line), " HTTP/1.1\r\nHost: docket\r\n%s%s%sContent-Length: %zu\r\n",
                   call->type != NULL ? "Content-Type: " : "", call->type != NULL ? call->type : "",
                   call->type != NULL ? "\r\n" : "", call->size);
    return dk_buf_add_text(head, call->method) && dk_buf_add_text(head, " ") &&
           dk_buf_add_text(head, call->target) && dk_buf_add_text(head, line) &&
           (call->credential[0] == '\0' ||
            (dk_buf_add_text(head, "Docket-Credential: ") &&
             dk_buf_add_text(head, call->credential) && dk_buf_add_text(head, "\r\n"))) &&
           (!call->client->demands || dk_buf_add_text(head, "Docket-Prove: 1\r\n")) &&
           dk_buf_add_text(head, "\r\n");
}

static enum dk_status send_call(struct call *call, struct dk_err *err)
{
    struct dk_buf head;
    struct iovec parts[2];
    enum dk_status status;

    dk_buf_init(&head, &dk_heap, (size_t)1 << 20);
    if (add_head(call, &head)) {
        parts[0] = (struct iovec){ head.data, head.size };
        parts[1] = (struct iovec){ (void *)(uintptr_t)call->body, call->size };
        status = send_all(call, parts, call->size > 0 ? 2 : 1, err);
    } else {
        status = dk_fail(err, DK_TOO_LARGE, "the target is longer than a megabyte");
    }
    dk_buf_release(&head);
    return status;
}

static enum dk_status try_once(struct call *call, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (call->client->fd < 0)
        status = dial(call->client, err);
    if (status == DK_OK && call->client->is_remote)
        status = make_credential(call, err);
    if (status == DK_OK)
        status = send_call(call, err);
    if (status == DK_OK)
        status = take_head(call, err);
    if (status == DK_OK)
        status = call->length == -1 ? take_chunks(call, err) : take_bytes(call, call->length, err);
    if (status == DK_OK && call->client->demands && call->sink == NULL &&
        call->reply->status == 200)
        status = check_proof(call, err);
    return status;
}

static enum dk_status run(struct call *call, int timeout_ms, struct dk_err *err)
{
    bool was_open = call->client->fd >= 0;
    enum dk_status status;

    call->reply->status = 0;
    call->reply->seq = 0;
    call->reply->type[0] = '\0';
    call->deadline_ms = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
    status = try_once(call, err);
    if (status == DK_IO && was_open && !call->any) { /* it had been closed while we were away */
        hang_up(call->client);
        status = try_once(call, err);
    }
    if (status != DK_OK || !call->stays || call->length == -2)
        hang_up(call->client);
    return status;
}

enum dk_status dk_client_call(struct dk_client *client, const char *method, const char *target,
                              const char *type, const void *body, size_t size, int timeout_ms,
                              struct dk_reply *reply, struct dk_err *err)
{
    struct call call = { .client = client,
                         .method = method,
                         .target = target,
                         .type = type,
                         .body = body,
                         .size = size,
                         .reply = reply };

    dk_buf_clear(&reply->body);
    return run(&call, timeout_ms, err);
}

enum dk_status dk_client_stream(struct dk_client *client, const char *target, int timeout_ms,
                                dk_client_sink sink, void *context, struct dk_reply *reply,
                                struct dk_err *err)
{
    struct call call = { .client = client,
                         .method = "GET",
                         .target = target,
                         .reply = reply,
                         .sink = sink,
                         .context = context };

    dk_buf_clear(&reply->body);
    return run(&call, timeout_ms, err);
}

bool dk_client_escape(struct dk_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        char escaped[4] = { (char)c };

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr("-._~,", c) != NULL))
            (void)snprintf(escaped, sizeof(escaped), "%%%02X", c);
        if (!dk_buf_add_text(out, escaped))
            return false;
    }
    return true;
}
