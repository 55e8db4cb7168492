/* listen.h - sockets that listen: a Unix socket by its path, or TCP (for http.c) */
#ifndef DK_NET_LISTEN_H
#define DK_NET_LISTEN_H

#include "base/err.h"

/* Each returns a descriptor, or -1 and fills *err. Not inherited, not blocking. */

/* A path of any length; a stale socket file is replaced. DK_BUSY: somebody listens there. */
int dk_listen_local(const char *path, unsigned mode, struct dk_err *err);

/* HOST:PORT (net/address.h); the first address of HOST. 0.0.0.0 and [::] are all of a kind. */
int dk_listen_remote(const char *address, struct dk_err *err);

#endif
