/* shape.h - what this node is: an hwloc tree, made as small as the core wants it
 *
 * The machine's own tree, or one from a synthetic description or an XML file: an emulated node,
 * whose tasks are bound to nothing, because its cores are not there. A core is a core with all of
 * its hardware threads. Memory is the smallest of what the kernel says, what the agent's own cgroup
 * may use, and what was asked for; never hwloc's figure, which is wrong in virtual machines. GPUs
 * are found on the PCI bus: no vendor's library is loaded.
 *
 * Several agents on one machine: each is the K-th of N and takes its share of the cores in order.
 * With more cores promised than there are, nothing is bound (every node's first core would be the
 * same one), and `remark` says so.
 */
#ifndef DK_NODES_SHAPE_H
#define DK_NODES_SHAPE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct dk_shape_options {
    const char
        *topology; /* synthetic description or a file's name ending in .xml; NULL: this machine */
    int32_t share, share_of; /* K, N; 1, 1 for the only one */
    int32_t cores;           /* 0: as found */
    int64_t memory_mib;      /* 0: as found */
    int32_t gpus;            /* -1: as found */
};

struct dk_node_shape {
    int32_t cores, sockets, threads_per_core, gpus;
    int64_t memory_mib;
    char topology[8192]; /* hwloc's synthetic description; empty: it has none */
    char remark[256];    /* for people; empty: none */
    bool bound;          /* cores are real, and nobody else's */
    uint32_t *cpus;      /* hardware threads, core after core */
    uint32_t *core_cpus; /* cores + 1 places in cpus; NULL unless bound */
};

enum dk_status dk_node_shape_find(struct dk_node_shape *shape,
                                  const struct dk_shape_options *options, struct dk_err *err);
void dk_node_shape_release(struct dk_node_shape *shape);

/* MiB of this machine: MemTotal, or less when a cgroup at `own_cgroups` (/proc/self/cgroup)
 * limits it. */
int64_t dk_node_memory_mib(void);

#endif
