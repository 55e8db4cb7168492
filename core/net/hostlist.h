/* hostlist.h - lists of node names as people write them: n[1-3,07],m4
 *
 *     list    = name { ("," | blank) name }
 *     name    = { text | "[" range { "," range } "]" }        several brackets: all combinations,
 *     range   = number [ "-" number ]                         the first one outermost
 *
 * Leading zeros of a range's first number are its width: [08-10] is 08 09 10. Used without a
 * cluster, too (scontrol show hostnames).
 */
#ifndef DK_NET_HOSTLIST_H
#define DK_NET_HOSTLIST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define DK_HOSTLIST_MAX 131072

struct dk_hostlist {
    struct dk_arena arena; /* names live here */
    const char **names;
    uint32_t count, capacity;
};

void dk_hostlist_init(struct dk_hostlist *list);
void dk_hostlist_release(struct dk_hostlist *list);
void dk_hostlist_add(struct dk_hostlist *list, const char *name, size_t size);

/* Adds what `text` says. DK_INVALID: what is wrong with it; DK_TOO_LARGE: more than
 * DK_HOSTLIST_MAX names. */
enum dk_status dk_hostlist_expand(struct dk_hostlist *list, const char *text, struct dk_err *err);

/* By the text in front of the number, then by the number: n2 before n10. */
void dk_hostlist_sort(struct dk_hostlist *list);

/* Appends the shortest way to write the names in their order; neighbours of one prefix share a
 * bracket. */
void dk_hostlist_compress(const struct dk_hostlist *list, struct dk_buf *out);

#endif
