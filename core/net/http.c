/* http.c - the server side of HTTP, an adapter over libmicrohttpd
 *
 * libmicrohttpd calls `take` again and again for one request: first with nothing, then with pieces
 * of the body, then with none left, which is when our handler runs. If it has not answered by the
 * time it returns, the connection is suspended: the library forgets it until dk_http_answer, in
 * whatever thread, resumes it; it then calls `take` once more, and that call queues the answer.
 * Both sides look at `answered` and `suspended` under the exchange's lock, so neither can be
 * missed. */
#define _GNU_SOURCE /* struct ucred, O_PATH */
#include "net/http.h"

#include "base/check.h"
#include "base/json.h"
#include "net/crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define BODY_MAX_DEFAULT ((uint64_t)16 << 20)
#define ANSWER_MAX ((size_t)1 << 30)
#define ANSWER_SMALL ((size_t)65536) /* not counted */

enum {
    CONNECTIONS_DEFAULT = 1024,
    DESCRIPTORS_OTHER = 256, /* for the files of whoever serves */
    BODIES_PER_USER = 2,     /* of the largest size, on their way in */
    SILENT_SECONDS_MAX = 30,
    BACKLOG = 512,
    PATH_MAX_BYTES = 4096
};

struct dk_http_server {
    struct dk_http_options options;
    struct MHD_Daemon *local, *remote;
    struct dk_crowd *crowd;
    char *socket;
};

struct dk_http_exchange {
    struct dk_http_server *server;
    struct MHD_Connection *connection;
    const char *method;
    char *path;
    struct dk_buf body;
    struct dk_peer peer;
    struct dk_crowd_place *place;
    size_t body_taken, answer_taken; /* bytes of the place's share */
    pthread_mutex_t lock;
    bool handled, suspended, answered, too_large, too_many;
    unsigned status;
    struct MHD_Response *response;
    uint32_t param_wanted, param_seen;
    const char *param_name;
};

/* --- answers --- */

static void free_bytes(void *bytes)
{
    struct dk_buf *buf = bytes;

    dk_buf_release(buf);
    free(buf);
}

static void answer_with(struct dk_http_exchange *exchange, unsigned status,
                        struct MHD_Response *response)
{
    DK_CHECK(pthread_mutex_lock(&exchange->lock) == 0);
    DK_CHECK(!exchange->answered);
    exchange->status = status;
    exchange->response = response;
    exchange->answered = true;
    if (exchange->suspended)
        MHD_resume_connection(exchange->connection);
    DK_CHECK(pthread_mutex_unlock(&exchange->lock) == 0);
}

void dk_http_answer(struct dk_http_exchange *exchange, int status, const char *type, int64_t seq,
                    struct dk_buf *body)
{
    struct dk_buf *kept;
    struct MHD_Response *response;
    char number[32];

    if (body->size > ANSWER_SMALL) {
        if (!dk_crowd_send(exchange->server->crowd, exchange->place, body->size)) {
            dk_buf_release(body);
            dk_http_fail(exchange, 503, "BUSY",
                         "%zu MiB of answers to user %d are not read yet; read them and ask again",
                         DK_CROWD_ANSWERS_MAX >> 20, exchange->peer.uid);
            return;
        }
        exchange->answer_taken = body->size;
    }
    kept = malloc(sizeof(*kept));
    DK_CHECK(kept != NULL);
    *kept = *body;
    body->data = NULL;
    body->size = body->capacity = 0;
    response = MHD_create_response_from_buffer_with_free_callback_cls(kept->size, kept->data,
                                                                      free_bytes, kept);
    DK_CHECK(response != NULL);
    (void)MHD_add_response_header(response, "Content-Type", type);
    if (seq != 0) {
        (void)snprintf(number, sizeof(number), "%lld", (long long)seq);
        (void)MHD_add_response_header(response, "Docket-Seq", number);
    }
    if (status == 503)
        (void)MHD_add_response_header(response, "Retry-After", "1");
    answer_with(exchange, (unsigned)status, response);
}

void dk_http_fail(struct dk_http_exchange *exchange, int status, const char *reason,
                  const char *format, ...)
{
    char text[DK_ERR_TEXT_MAX];
    struct dk_buf body;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    dk_buf_init(&body, &dk_heap, ANSWER_MAX);
    (void)dk_buf_add_text(&body, "{\"error\":{\"reason\":");
    (void)dk_json_text(&body, dk_text_of(reason));
    (void)dk_buf_add_text(&body, ",\"detail\":");
    (void)dk_json_text(&body, dk_text_of(text));
    (void)dk_buf_add_text(&body, "}}\n");
    dk_http_answer(exchange, status, "application/json", 0, &body);
}

/* --- questions --- */

const char *dk_http_method(const struct dk_http_exchange *exchange)
{
    return exchange->method;
}

const char *dk_http_path(const struct dk_http_exchange *exchange)
{
    return exchange->path;
}

const uint8_t *dk_http_body(const struct dk_http_exchange *exchange, size_t *size)
{
    *size = exchange->body.size;
    return exchange->body.data;
}

struct dk_peer dk_http_peer(const struct dk_http_exchange *exchange)
{
    return exchange->peer;
}

const char *dk_http_param(struct dk_http_exchange *exchange, const char *name)
{
    const char *value = NULL;
    size_t size;

    if (MHD_lookup_connection_value_n(exchange->connection, MHD_GET_ARGUMENT_KIND, name,
                                      strlen(name), &value, &size) != MHD_YES)
        return NULL;
    return value != NULL ? value : "";
}

const char *dk_http_header(struct dk_http_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result count_param(void *context, enum MHD_ValueKind kind, const char *key,
                                   const char *value)
{
    struct dk_http_exchange *exchange = context;

    (void)kind;
    (void)value;
    if (exchange->param_seen++ != exchange->param_wanted)
        return MHD_YES;
    exchange->param_name = key;
    return MHD_NO;
}

const char *dk_http_param_name(struct dk_http_exchange *exchange, uint32_t index)
{
    exchange->param_wanted = index;
    exchange->param_seen = 0;
    exchange->param_name = NULL;
    (void)MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, count_param,
                                    exchange);
    return exchange->param_name;
}

/* --- what libmicrohttpd calls --- */

static struct dk_peer peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred credential;
    socklen_t size = sizeof(credential);

    if (info == NULL ||
        getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &credential, &size) != 0 ||
        credential.pid == 0)
        return (struct dk_peer){ -1, -1, -1 };
    return (struct dk_peer){ (int32_t)credential.uid, (int32_t)credential.gid, credential.pid };
}

/* A connection comes or goes. The library can't be told to refuse one here; hung up, it is closed
 * as if the client had done so. */
static void connected(void *context, struct MHD_Connection *connection, void **slot,
                      enum MHD_ConnectionNotificationCode code)
{
    const struct dk_http_server *server = context;
    const union MHD_ConnectionInfo *info;
    struct dk_crowd_place *place = *slot;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        dk_crowd_leave(server->crowd, place);
        return;
    }
    if (!dk_crowd_enter(server->crowd, peer_of(connection).uid, &place)) {
        info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (info != NULL)
            (void)shutdown(info->connect_fd, SHUT_RDWR);
    }
    *slot = place;
}

static struct dk_http_exchange *exchange_create(struct dk_http_server *server,
                                                struct MHD_Connection *connection, const char *path,
                                                const char *method)
{
    struct dk_http_exchange *exchange = calloc(1, sizeof(*exchange));
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    if (exchange == NULL)
        return NULL;
    exchange->place = info != NULL ? info->socket_context : NULL;
    exchange->server = server;
    exchange->connection = connection;
    exchange->method = method; /* the library keeps it as long as the request */
    exchange->path = strdup(path);
    dk_buf_init(&exchange->body, &dk_heap, server->options.body_max);
    DK_CHECK(pthread_mutex_init(&exchange->lock, NULL) == 0);
    exchange->peer = peer_of(connection);
    return exchange;
}

static enum MHD_Result queue_answer(struct dk_http_exchange *exchange)
{
    enum MHD_Result result =
        MHD_queue_response(exchange->connection, exchange->status, exchange->response);

    MHD_destroy_response(exchange->response);
    exchange->response = NULL;
    return result;
}

/* The request is complete: to the handler, and to sleep if that has not answered. */
static void handle(struct dk_http_exchange *exchange)
{
    exchange->handled = true;
    if (exchange->too_large)
        dk_http_fail(exchange, 413, "TOO_LARGE", "the body is larger than %llu bytes",
                     (unsigned long long)exchange->server->options.body_max);
    else if (exchange->too_many)
        dk_http_fail(
            exchange, 503, "BUSY",
            "%d bodies of the largest size are on their way from user %d already; try again",
            BODIES_PER_USER, exchange->peer.uid);
    else
        exchange->server->options.handler(exchange->server->options.context, exchange);
    DK_CHECK(pthread_mutex_lock(&exchange->lock) == 0);
    if (!exchange->answered) {
        exchange->suspended = true;
        MHD_suspend_connection(exchange->connection);
    }
    DK_CHECK(pthread_mutex_unlock(&exchange->lock) == 0);
}

/* What is refused is read to its end, so that the client reads why. */
static void take_body(struct dk_http_exchange *exchange, const char *data, size_t size)
{
    if (exchange->too_large || exchange->too_many)
        return;
    if (!dk_crowd_take(exchange->server->crowd, exchange->place, size)) {
        exchange->too_many = true;
        return;
    }
    exchange->body_taken += size;
    if (!dk_buf_add(&exchange->body, data, size))
        exchange->too_large = true;
}

static enum MHD_Result take(void *context, struct MHD_Connection *connection, const char *path,
                            const char *method, const char *version, const char *data, size_t *size,
                            void **slot)
{
    struct dk_http_exchange *exchange = *slot;
    bool answered;

    (void)version;
    if (exchange == NULL) {
        *slot = exchange = exchange_create(context, connection, path, method);
        return exchange != NULL ? MHD_YES : MHD_NO;
    }
    if (*size > 0) {
        take_body(exchange, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (!exchange->handled)
        handle(exchange);
    DK_CHECK(pthread_mutex_lock(&exchange->lock) == 0);
    answered = exchange->answered;
    DK_CHECK(pthread_mutex_unlock(&exchange->lock) == 0);
    return answered ? queue_answer(exchange) : MHD_YES;
}

static void completed(void *context, struct MHD_Connection *connection, void **slot,
                      enum MHD_RequestTerminationCode code)
{
    struct dk_http_exchange *exchange = *slot;

    (void)context;
    (void)connection;
    (void)code;
    if (exchange == NULL)
        return;
    /* Who asked may be gone when a kept exchange is answered: then this is called while the one who
     * answers is still in answer_with. He is let out first. */
    DK_CHECK(pthread_mutex_lock(&exchange->lock) == 0);
    DK_CHECK(pthread_mutex_unlock(&exchange->lock) == 0);
    if (exchange->response != NULL)
        MHD_destroy_response(exchange->response);
    dk_crowd_give_back(exchange->server->crowd, exchange->place, exchange->body_taken);
    dk_crowd_sent(exchange->server->crowd, exchange->place, exchange->answer_taken);
    dk_buf_release(&exchange->body);
    free(exchange->path);
    (void)pthread_mutex_destroy(&exchange->lock);
    free(exchange);
    *slot = NULL;
}

/* --- listening --- */

/* The address of a socket file whose path may be longer than sun_path: by its folder's descriptor,
 * which the caller closes. */
static int socket_address(const char *path, struct sockaddr_un *address, struct dk_err *err)
{
    char folder[PATH_MAX_BYTES];
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    int fd, size;

    (void)snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - path) : 1,
                   slash != NULL ? path : ".");
    fd = open(folder[0] != '\0' ? folder : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)dk_fail(err, DK_NOT_FOUND, "folder '%s': %s", folder, strerror(errno));
        return -1;
    }
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    size = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", fd, name);
    if (size < 0 || (size_t)size >= sizeof(address->sun_path)) {
        (void)close(fd);
        (void)dk_fail(err, DK_TOO_LARGE, "'%s' is too long for the name of a socket", name);
        return -1;
    }
    return fd;
}

/* Is somebody listening there? A socket file that nobody answers at is a left-over. */
static bool is_live(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool live = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

    if (fd >= 0)
        (void)close(fd);
    return live;
}

static int listen_local(const char *path, unsigned mode, struct dk_err *err)
{
    struct sockaddr_un address;
    int folder = socket_address(path, &address, err), fd = -1;

    if (folder < 0)
        return -1;
    if (is_live(&address)) {
        (void)dk_fail(err, DK_BUSY, "'%s': another server listens there", path);
        goto done;
    }
    (void)unlink(address.sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(address.sun_path, mode) != 0 || listen(fd, BACKLOG) != 0) {
        (void)dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
done:
    (void)close(folder);
    return fd;
}

/* "127.0.0.1:8080" */
static int listen_remote(const char *where, struct dk_err *err)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    char host[INET_ADDRSTRLEN];
    const char *colon = strchr(where, ':');
    char *end = NULL;
    unsigned long port = colon != NULL ? strtoul(colon + 1, &end, 10) : 0;
    size_t size = colon != NULL ? (size_t)(colon - where) : 0;
    int one = 1, fd;

    if (size > 0 && size < sizeof(host)) {
        memcpy(host, where, size);
        host[size] = '\0';
    }
    if (size == 0 || size >= sizeof(host) || colon[1] < '0' || colon[1] > '9' || *end != '\0' ||
        port > 65535 || inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        (void)dk_fail(err, DK_INVALID, "'%s' is no address like 127.0.0.1:8080", where);
        return -1;
    }
    address.sin_port = htons((uint16_t)port);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, BACKLOG) != 0) {
        (void)dk_fail(err, DK_IO, "'%s': %s", where, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    return fd;
}

/* Threads inherit the niceness of the one that starts them. */
static struct MHD_Daemon *start_daemon(struct dk_http_server *server, int fd)
{
    const struct dk_http_options *options = &server->options;
    pid_t self = (pid_t)syscall(SYS_gettid);
    int before = getpriority(PRIO_PROCESS, (id_t)self);
    struct MHD_Daemon *daemon;
    struct MHD_OptionItem pool[] = { { MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)options->threads,
                                       NULL },
                                     { MHD_OPTION_END, 0, NULL } };

    if (options->threads < 2)
        pool[0].option = MHD_OPTION_END;
    if (options->nice > 0)
        (void)setpriority(PRIO_PROCESS, (id_t)self, before + options->nice);
    daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        take, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)options->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)SILENT_SECONDS_MAX, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, connected, server, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
    if (options->nice > 0) /* lowering it again needs a right: root has it, others stay nice */
        (void)setpriority(PRIO_PROCESS, (id_t)self, before);
    return daemon;
}

/* Connections must not take the descriptors that the log or the views need. */
static uint32_t fitting(uint32_t connections_max)
{
    const rlim_t wanted = (rlim_t)connections_max + DESCRIPTORS_OTHER;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return connections_max;
    limit.rlim_cur = limit.rlim_max > wanted ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= wanted)
        return connections_max;
    return limit.rlim_cur > 2 * DESCRIPTORS_OTHER ? (uint32_t)limit.rlim_cur - DESCRIPTORS_OTHER
                                                  : DESCRIPTORS_OTHER;
}

enum dk_status dk_http_start(struct dk_http_server **out, const struct dk_http_options *options,
                             struct dk_err *err)
{
    struct dk_http_server *server = calloc(1, sizeof(*server));
    int fd;

    DK_CHECK(server != NULL);
    *out = NULL;
    server->options = *options;
    if (server->options.connections_max == 0)
        server->options.connections_max = CONNECTIONS_DEFAULT;
    if (server->options.body_max == 0)
        server->options.body_max = BODY_MAX_DEFAULT;
    server->options.connections_max = fitting(server->options.connections_max);
    server->crowd = dk_crowd_create(server->options.connections_max,
                                    (size_t)server->options.body_max * BODIES_PER_USER);
    if (options->socket != NULL) {
        fd = listen_local(options->socket, options->mode, err);
        if (fd < 0)
            goto failed;
        server->socket = strdup(options->socket);
        server->local = start_daemon(server, fd);
        if (server->local == NULL) {
            (void)close(fd);
            (void)dk_fail(err, DK_IO, "'%s': the server does not start", options->socket);
            goto failed;
        }
    }
    if (options->tcp != NULL) {
        fd = listen_remote(options->tcp, err);
        if (fd < 0)
            goto failed;
        server->remote = start_daemon(server, fd);
        if (server->remote == NULL) {
            (void)close(fd);
            (void)dk_fail(err, DK_IO, "'%s': the server does not start", options->tcp);
            goto failed;
        }
    }
    *out = server;
    return DK_OK;
failed:
    dk_http_stop(server);
    return err != NULL ? err->status : DK_IO;
}

void dk_http_stop(struct dk_http_server *server)
{
    if (server == NULL)
        return;
    if (server->socket != NULL)
        (void)unlink(server->socket);
    if (server->local != NULL)
        MHD_stop_daemon(server->local);
    if (server->remote != NULL)
        MHD_stop_daemon(server->remote);
    dk_crowd_destroy(server->crowd);
    free(server->socket);
    free(server);
}
