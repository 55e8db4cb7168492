/* http.c - the server side of HTTP, an adapter over libmicrohttpd
 *
 * libmicrohttpd calls `take` again and again for one request: first with nothing, then with pieces
 * of the body, then with none left, which is when our handler runs. If it has not answered by the
 * time it returns, the connection is suspended: the library forgets it until dk_http_answer, in
 * whatever thread, resumes it; it then calls `take` once more, and that call queues the answer.
 * Both sides look at `answered` and `suspended` under the exchange's lock, so neither can be
 * missed. */
#define _GNU_SOURCE /* struct ucred */
#include "net/http.h"

#include "base/check.h"
#include "base/json.h"
#include "net/address.h"
#include "net/crowd.h"
#include "net/http_loop.h"
#include "net/journal.h"
#include "net/listen.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODY_MAX_DEFAULT ((uint64_t)16 << 20)
#define ANSWER_MAX ((size_t)1 << 30)
#define ANSWER_SMALL ((size_t)65536) /* not counted */

enum {
    CONNECTIONS_DEFAULT = 1024,
    DESCRIPTORS_OTHER = 256, /* for the files of whoever serves */
    BODIES_PER_USER = 2,     /* of the largest size, on their way in */
    SILENT_SECONDS_MAX = 30,
    REMARK_S = 60,
    REMOTES_MAX = 4,
    ADDRESS_SIZE = 320,
    KEEP_IDLE_S = 10, /* a TCP peer that has vanished is found out after 10 + 3 * 5 s */
    KEEP_EVERY_S = 5,
    KEEP_TRIES = 3
};

/* One socket that listens, with a crowd of its own: nobody on the network closes the Unix socket.
 */
struct door {
    struct dk_http_server *server;
    struct dk_http_loop *loop;
    struct dk_crowd *crowd;
    time_t remarked; /* when it was last said that somebody has too many connections */
    bool is_remote;
};

struct dk_http_server {
    struct dk_http_options options;
    struct door local, remotes[REMOTES_MAX];
    uint32_t remote_count;
    char *socket;
};

struct dk_http_exchange {
    const struct door *door;
    struct MHD_Connection *connection;
    const char *method;
    char *path, *target;
    struct dk_buf body;
    struct dk_peer peer;
    char address[INET6_ADDRSTRLEN]; /* of who is at the other end; "" on a Unix socket */
    dk_http_sealer *sealer;
    void *sealer_context;
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
    if (exchange->suspended) {
        MHD_resume_connection(exchange->connection);
        dk_http_loop_wake(exchange->door->loop);
    }
    DK_CHECK(pthread_mutex_unlock(&exchange->lock) == 0);
}

void dk_http_answer(struct dk_http_exchange *exchange, int status, const char *type, int64_t seq,
                    struct dk_buf *body)
{
    if (exchange->sealer != NULL)
        exchange->sealer(exchange->sealer_context, exchange, status, type, seq, body);
    else
        dk_http_answer_sealed(exchange, status, type, seq, body, NULL);
}

void dk_http_answer_sealed(struct dk_http_exchange *exchange, int status, const char *type,
                           int64_t seq, struct dk_buf *body, const char *credential)
{
    struct dk_buf *kept;
    struct MHD_Response *response;
    char number[32];

    exchange->sealer = NULL;
    if (body->size > ANSWER_SMALL) {
        if (!dk_crowd_send(exchange->door->crowd, exchange->place, body->size)) {
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
    if (credential != NULL)
        (void)MHD_add_response_header(response, "Docket-Credential", credential);
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

void dk_http_set_peer(struct dk_http_exchange *exchange, struct dk_peer peer)
{
    exchange->peer = peer;
}

bool dk_http_is_remote(const struct dk_http_exchange *exchange)
{
    return exchange->door->is_remote;
}

const char *dk_http_address(const struct dk_http_exchange *exchange)
{
    return exchange->address;
}

const char *dk_http_target(const struct dk_http_exchange *exchange)
{
    return exchange->target;
}

void dk_http_seal(struct dk_http_exchange *exchange, dk_http_sealer *sealer, void *context)
{
    exchange->sealer = sealer;
    exchange->sealer_context = context;
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

/* Who is at the other end of TCP, for shares: an IPv4 address, or the network of an IPv6 one, of
 * which one host may have all addresses. */
static uint64_t share_of(const struct sockaddr_storage *address)
{
    uint64_t share = 0;

    if (address->ss_family == AF_INET)
        return UINT64_C(1) << 32 |
               ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr;
    if (address->ss_family == AF_INET6)
        memcpy(&share, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
               sizeof(share));
    return share;
}

static bool enter(const struct door *door, struct MHD_Connection *connection, int fd,
                  struct dk_crowd_place **place)
{
    const int on = 1, idle = KEEP_IDLE_S, every = KEEP_EVERY_S, tries = KEEP_TRIES;
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof(address);

    if (!door->is_remote)
        return dk_crowd_enter_user(door->crowd, peer_of(connection).uid, place);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
    if (getpeername(fd, (struct sockaddr *)&address, &size) != 0)
        return false;
    return dk_crowd_enter(door->crowd, share_of(&address), place);
}

/* Who runs many agents behind one address, or a script without end, has to find out why they are
 * hung up on. */
static void remark_refused(struct door *door, struct MHD_Connection *connection, int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof(address);
    char who[NI_MAXHOST];
    time_t now = time(NULL);

    (void)snprintf(who, sizeof(who), "user %d", (int)peer_of(connection).uid);
    if (now - door->remarked < REMARK_S ||
        (door->is_remote && (getpeername(fd, (struct sockaddr *)&address, &size) != 0 ||
                             getnameinfo((struct sockaddr *)&address, size, who, sizeof(who), NULL,
                                         0, NI_NUMERICHOST) != 0)))
        return;
    door->remarked = now;
    dk_journal(
        DK_JOURNAL_WARNING,
        dk_crowd_is_full(door->crowd)
            ? "%s is hung up on: of the %u connections that there are, three quarters are taken"
            : "%s is hung up on: it has a quarter of the %u connections that there are",
        who, door->server->options.connections_max);
}

/* A connection comes or goes. The library can't be told to refuse one here; hung up, it is closed
 * as if the client had done so. */
static void connected(void *context, struct MHD_Connection *connection, void **slot,
                      enum MHD_ConnectionNotificationCode code)
{
    struct door *door = context;
    const union MHD_ConnectionInfo *info;
    struct dk_crowd_place *place = *slot;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        dk_crowd_leave(door->crowd, place);
        dk_http_loop_again(door->loop);
        return;
    }
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != NULL && !enter(door, connection, info->connect_fd, &place)) {
        remark_refused(door, connection, info->connect_fd);
        (void)shutdown(info->connect_fd, SHUT_RDWR);
    }
    *slot = place;
}

static void note_address(struct dk_http_exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *at = info != NULL ? info->client_addr : NULL;
    const char *text = NULL;

    if (at != NULL && at->sa_family == AF_INET)
        text = inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)at)->sin_addr,
                         exchange->address, sizeof(exchange->address));
    else if (at != NULL && at->sa_family == AF_INET6)
        text = inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr,
                         exchange->address, sizeof(exchange->address));
    if (text == NULL)
        (void)snprintf(exchange->address, sizeof(exchange->address), "?");
}

/* The first that is heard of a request: its target as it was sent, before it is taken apart. */
static void *exchange_create(void *context, const char *target, struct MHD_Connection *connection)
{
    struct dk_http_exchange *exchange = calloc(1, sizeof(*exchange));
    const struct door *door = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    DK_CHECK(exchange != NULL);
    exchange->place = info != NULL ? info->socket_context : NULL;
    exchange->door = door;
    exchange->connection = connection;
    exchange->target = strdup(target);
    DK_CHECK(exchange->target != NULL);
    dk_buf_init(&exchange->body, &dk_heap, door->server->options.body_max);
    DK_CHECK(pthread_mutex_init(&exchange->lock, NULL) == 0);
    exchange->peer = (struct dk_peer){ -1, -1, -1 };
    if (door->is_remote)
        note_address(exchange);
    else
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
                     (unsigned long long)exchange->door->server->options.body_max);
    else if (exchange->too_many)
        dk_http_fail(
            exchange, 503, "BUSY",
            "%d bodies of the largest size are on their way from user %d already; try again",
            BODIES_PER_USER, exchange->peer.uid);
    else
        exchange->door->server->options.handler(exchange->door->server->options.context, exchange);
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
    if (!dk_crowd_take(exchange->door->crowd, exchange->place, size)) {
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

    (void)context;
    (void)connection;
    (void)version;
    if (exchange->path == NULL) {  /* its head is complete */
        exchange->method = method; /* the library keeps it as long as the request */
        exchange->path = strdup(path);
        return exchange->path != NULL ? MHD_YES : MHD_NO;
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
    dk_crowd_give_back(exchange->door->crowd, exchange->place, exchange->body_taken);
    dk_crowd_sent(exchange->door->crowd, exchange->place, exchange->answer_taken);
    dk_buf_release(&exchange->body);
    free(exchange->path);
    free(exchange->target);
    (void)pthread_mutex_destroy(&exchange->lock);
    free(exchange);
    *slot = NULL;
}

/* --- listening --- */

static bool start(struct door *door, int fd)
{
    const struct dk_http_options *options = &door->server->options;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, take, door,
                         MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)options->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
                         (unsigned)SILENT_SECONDS_MAX, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
                         MHD_OPTION_NOTIFY_CONNECTION, connected, door, MHD_OPTION_URI_LOG_CALLBACK,
                         exchange_create, door, MHD_OPTION_END);

    if (daemon == NULL)
        return false;
    dk_http_loop_start(&door->loop, daemon, options->nice);
    return true;
}

/* Connections must not take the descriptors that the log or the views need. */
static uint32_t fitting(uint32_t connections_max, uint32_t doors)
{
    const rlim_t wanted = (rlim_t)connections_max * doors + DESCRIPTORS_OTHER;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return connections_max;
    limit.rlim_cur = limit.rlim_max > wanted ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= wanted)
        return connections_max;
    return limit.rlim_cur > 2 * DESCRIPTORS_OTHER
               ? ((uint32_t)limit.rlim_cur - DESCRIPTORS_OTHER) / doors
               : DESCRIPTORS_OTHER / doors;
}

/* `fd` listens, or is -1 and *err says why not. */
static enum dk_status open_door(struct dk_http_server *server, struct door *door, int fd,
                                const char *where, struct dk_err *err)
{
    const struct dk_http_options *options = &server->options;

    if (fd < 0)
        return err != NULL ? err->status : DK_IO;
    door->server = server;
    door->crowd =
        dk_crowd_create(options->connections_max, (size_t)options->body_max * BODIES_PER_USER);
    if (start(door, fd))
        return DK_OK;
    (void)close(fd);
    return dk_fail(err, DK_IO, "'%s': the server does not start", where);
}

static enum dk_status open_remotes(struct dk_http_server *server, struct dk_err *err)
{
    const char *list = server->options.tcp != NULL ? server->options.tcp : "";
    char address[ADDRESS_SIZE];
    enum dk_status status = DK_OK;

    while (status == DK_OK && dk_address_next(&list, address, sizeof(address))) {
        struct door *door = &server->remotes[server->remote_count];

        if (server->remote_count == REMOTES_MAX)
            return dk_fail(err, DK_INVALID, "'%s': more than %d addresses to listen at",
                           server->options.tcp, REMOTES_MAX);
        server->remote_count++;
        door->is_remote = true;
        status = open_door(server, door, dk_listen_remote(address, err), address, err);
    }
    return status;
}

enum dk_status dk_http_start(struct dk_http_server **out, const struct dk_http_options *options,
                             struct dk_err *err)
{
    struct dk_http_server *server = calloc(1, sizeof(*server));
    const char *list = options->tcp != NULL ? options->tcp : "";
    char address[ADDRESS_SIZE];
    uint32_t doors = 1;
    enum dk_status status = DK_OK;

    DK_CHECK(server != NULL);
    *out = NULL;
    server->options = *options;
    if (server->options.connections_max == 0)
        server->options.connections_max = CONNECTIONS_DEFAULT;
    if (server->options.body_max == 0)
        server->options.body_max = BODY_MAX_DEFAULT;
    while (dk_address_next(&list, address, sizeof(address)))
        doors++;
    server->options.connections_max = fitting(server->options.connections_max, doors);
    if (options->socket != NULL) {
        int fd = dk_listen_local(options->socket, options->mode, err);

        if (fd >= 0)
            server->socket = strdup(options->socket);
        status = open_door(server, &server->local, fd, options->socket, err);
    }
    if (status == DK_OK)
        status = open_remotes(server, err);
    if (status == DK_OK)
        *out = server;
    else
        dk_http_stop(server);
    return status;
}

static void close_door(struct door *door)
{
    dk_http_loop_stop(door->loop);
    dk_crowd_destroy(door->crowd);
}

void dk_http_stop(struct dk_http_server *server)
{
    if (server == NULL)
        return;
    if (server->socket != NULL)
        (void)unlink(server->socket);
    close_door(&server->local);
    for (uint32_t i = 0; i < server->remote_count; i++)
        close_door(&server->remotes[i]);
    free(server->socket);
    free(server);
}
