/* listen.c - sockets that listen (listen.h) */
#define _GNU_SOURCE /* O_PATH */
#include "net/listen.h"

#include "net/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 512, PATH_MAX_BYTES = 4096 };

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

int dk_listen_local(const char *path, unsigned mode, struct dk_err *err)
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

/* IPv6 alone where it says IPv6: [::] beside 0.0.0.0 works, and no peer has two spellings. */
static int listen_at(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        (at->ai_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
        bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    one = errno;
    (void)close(fd);
    errno = one;
    return -1;
}

int dk_listen_remote(const char *address, struct dk_err *err)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV },
                    *found = NULL;
    char host[DK_HOST_MAX], port[6];
    int error, fd;

    if (dk_address_split(address, host, port, err) != DK_OK)
        return -1;
    error = getaddrinfo(host, port, &hints, &found);
    if (error != 0) {
        (void)dk_fail(err, DK_INVALID, "'%s': %s", address, gai_strerror(error));
        return -1;
    }
    fd = listen_at(found);
    if (fd < 0)
        (void)dk_fail(err, errno == EADDRINUSE ? DK_BUSY : DK_IO, "'%s': %s", address,
                      strerror(errno));
    freeaddrinfo(found);
    return fd;
}
