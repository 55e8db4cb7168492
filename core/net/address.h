/* address.h - where a daemon listens: a Unix socket by its path, or HOST:PORT
 *
 *     /var/lib/docket/run/control.sock    10.0.0.1:7801    [fd00::1]:7801    node7:7801
 *
 * What has a slash is a path. A list is apart by commas or spaces; one that begins with a slash is
 * one path, whatever is in it.
 */
#ifndef DK_NET_ADDRESS_H
#define DK_NET_ADDRESS_H

#include "base/err.h"

#include <stddef.h>

#define DK_HOST_MAX 254 /* with its end */

bool dk_address_is_path(const char *address);

/* DK_INVALID: it is no HOST:PORT. */
enum dk_status dk_address_split(const char *address, char host[DK_HOST_MAX], char port[6],
                                struct dk_err *err);

/* The address at *list, into `out`, and *list behind it; false: there is none left. What is longer
 * than `size` is cut. */
bool dk_address_next(const char **list, char *out, size_t size);

#endif
