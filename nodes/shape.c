/* shape.c - an hwloc tree to our node shape (shape.h), nothing else
 *
 * The tree is loaded once, at start, and freed: three milliseconds, ten with the PCI bus. */
#define _DEFAULT_SOURCE /* setenv */
#include "nodes/shape.h"

#include "base/check.h"

#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NVIDIA = 0x10de, AMD = 0x1002, INTEL = 0x8086, CORES_MAX = 1048576 };

static int64_t read_number(const char *path, const char *name)
{
    char line[256];
    FILE *file = fopen(path, "re");
    int64_t value = -1;

    while (file != NULL && value < 0 && fgets(line, sizeof(line), file) != NULL)
        if (name == NULL)
            value = line[0] >= '0' && line[0] <= '9' ? strtoll(line, NULL, 10) : INT64_MAX;
        else if (strncmp(line, name, strlen(name)) == 0)
            value = strtoll(line + strlen(name), NULL, 10);
    if (file != NULL)
        (void)fclose(file);
    return value;
}

/* The limit of our own cgroup in the hierarchy that /proc/self/cgroup calls `controller`. */
static int64_t cgroup_limit(const char *controller, const char *mount, const char *name)
{
    char line[4096], path[8192];
    FILE *file = fopen("/proc/self/cgroup", "re");
    int64_t limit = INT64_MAX;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *at = strchr(line, ':');
        size_t size = strlen(controller);
        int64_t found;

        if (at == NULL || strncmp(at + 1, controller, size) != 0 || at[1 + size] != ':')
            continue;
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(path, sizeof(path), "%s%s/%s", mount, at + 2 + size, name);
        found = read_number(path, NULL);
        if (found > 0)
            limit = found;
    }
    if (file != NULL)
        (void)fclose(file);
    return limit;
}

int64_t dk_node_memory_mib(void)
{
    int64_t bytes = read_number("/proc/meminfo", "MemTotal:") * 1024;
    int64_t v1 = cgroup_limit("memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes");
    int64_t v2 = cgroup_limit("", "/sys/fs/cgroup", "memory.max");

    if (v1 < bytes)
        bytes = v1;
    if (v2 < bytes)
        bytes = v2;
    return bytes > 0 ? bytes / 1048576 : 0;
}

static bool is_xml(const char *topology)
{
    size_t size = strlen(topology);

    return size > 4 && strcmp(topology + size - 4, ".xml") == 0;
}

static enum dk_status load(hwloc_topology_t *out, const char *wanted, struct dk_err *err)
{
    hwloc_topology_t tree = NULL;
    enum dk_status status = DK_OK;

    /* Plug-ins for OpenCL and GL load vendors' libraries, which take long and may fail. */
    (void)setenv("HWLOC_COMPONENTS", "-gl,-opencl", 0);
    if (hwloc_topology_init(&tree) != 0)
        return dk_fail(err, DK_IO, "hwloc can't be started: %s", strerror(errno));
    (void)hwloc_topology_set_io_types_filter(tree, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    if (wanted != NULL && is_xml(wanted)) {
        if (hwloc_topology_set_xml(tree, wanted) != 0)
            status = dk_fail(err, DK_INVALID, "topology '%s' can't be read: %s", wanted,
                             strerror(errno));
    } else if (wanted != NULL && hwloc_topology_set_synthetic(tree, wanted) != 0) {
        status = dk_fail(err, DK_INVALID,
                         "topology '%s' is neither a file ending in .xml nor a description such as "
                         "'pack:2 core:8 pu:2'",
                         wanted);
    }
    if (status == DK_OK && hwloc_topology_load(tree) != 0)
        status = dk_fail(err, DK_INVALID, "topology '%s' can't be loaded",
                         wanted != NULL ? wanted : "of this machine");
    if (status != DK_OK) {
        hwloc_topology_destroy(tree);
        return status;
    }
    *out = tree;
    return DK_OK;
}

static int32_t count_gpus(hwloc_topology_t tree)
{
    hwloc_obj_t device = NULL;
    int32_t count = 0;

    while ((device = hwloc_get_next_pcidev(tree, device)) != NULL) {
        unsigned vendor = device->attr->pcidev.vendor_id, class = device->attr->pcidev.class_id;

        if ((class == 0x0300 || class == 0x0302 || class == 0x0380) &&
            (vendor == NVIDIA || vendor == AMD))
            count++;
        if ((class == 0x0302 || class == 0x0380) && vendor == INTEL) /* 0300 is a desktop's own */
            count++;
    }
    return count;
}

/* Cores; on a machine whose tree has none (some virtual ones), hardware threads. */
static hwloc_obj_type_t core_type(hwloc_topology_t tree)
{
    return hwloc_get_nbobjs_by_type(tree, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
}

static int64_t tree_memory_mib(hwloc_topology_t tree)
{
    return (int64_t)(hwloc_get_root_obj(tree)->total_memory / 1048576);
}

/* Cores first to first + shape->cores - 1 of the tree. */
static void take_cpus(struct dk_node_shape *shape, hwloc_topology_t tree, int32_t first)
{
    uint32_t used = 0, capacity = (uint32_t)hwloc_get_nbobjs_by_type(tree, HWLOC_OBJ_PU);

    DK_CHECK(shape->cores > 0);
    shape->cpus = malloc((capacity + (size_t)1) * sizeof(*shape->cpus));
    shape->core_cpus = malloc(((size_t)shape->cores + 1) * sizeof(*shape->core_cpus));
    DK_CHECK(shape->cpus != NULL && shape->core_cpus != NULL);
    for (int32_t i = 0; i < shape->cores; i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(tree, core_type(tree), (unsigned)(first + i));
        int cpu = -1;

        shape->core_cpus[i] = used;
        while (core != NULL && used < capacity && (cpu = hwloc_bitmap_next(core->cpuset, cpu)) >= 0)
            shape->cpus[used++] = (uint32_t)cpu;
    }
    shape->core_cpus[shape->cores] = used;
}

static enum dk_status divide(struct dk_node_shape *shape, hwloc_topology_t tree,
                             const struct dk_shape_options *options, struct dk_err *err)
{
    int32_t there = hwloc_get_nbobjs_by_type(tree, core_type(tree));
    int32_t first = (int32_t)((int64_t)there * (options->share - 1) / options->share_of);
    int32_t limit = (int32_t)((int64_t)there * options->share / options->share_of);
    int64_t memory = options->topology != NULL ? tree_memory_mib(tree) : dk_node_memory_mib();

    if (there < 1 || there > CORES_MAX)
        return dk_fail(err, DK_INVALID, "the topology has %d cores, not 1 to %d", there, CORES_MAX);
    shape->cores = options->cores > 0 ? options->cores : limit > first ? limit - first : 1;
    shape->memory_mib = options->memory_mib > 0 ? options->memory_mib : memory / options->share_of;
    shape->gpus = options->gpus >= 0 ? options->gpus : count_gpus(tree) / options->share_of;
    shape->bound = options->topology == NULL &&
                   (options->cores > 0 ? (int64_t)options->cores * options->share_of <= there
                                       : options->share_of <= there);
    if (options->cores > 0)
        first = (options->share - 1) * options->cores;
    if (shape->bound)
        take_cpus(shape, tree, first);
    else if (options->topology != NULL)
        (void)snprintf(shape->remark, sizeof(shape->remark),
                       "an emulated node: its jobs are bound to no core of this machine");
    else
        (void)snprintf(
            shape->remark, sizeof(shape->remark),
            "%d agents promise more cores than the %d of this machine: several share one, and "
            "jobs are not bound",
            options->share_of, there);
    return DK_OK;
}

static void describe(struct dk_node_shape *shape, hwloc_topology_t tree)
{
    int cores = hwloc_get_nbobjs_by_type(tree, core_type(tree));
    int threads = hwloc_get_nbobjs_by_type(tree, HWLOC_OBJ_PU);
    int sockets = hwloc_get_nbobjs_by_type(tree, HWLOC_OBJ_PACKAGE);
    int size;

    shape->sockets = sockets > 0 ? sockets : 1;
    shape->threads_per_core = cores > 0 && threads > cores ? threads / cores : 1;
    size = hwloc_topology_export_synthetic(tree, shape->topology, sizeof(shape->topology),
                                           HWLOC_TOPOLOGY_EXPORT_SYNTHETIC_FLAG_NO_ATTRS);
    if (size < 0 || (size_t)size >= sizeof(shape->topology)) /* not symmetric */
        shape->topology[0] = '\0';
}

enum dk_status dk_node_shape_find(struct dk_node_shape *shape,
                                  const struct dk_shape_options *options, struct dk_err *err)
{
    hwloc_topology_t tree = NULL;
    enum dk_status status;

    memset(shape, 0, sizeof(*shape));
    if (options->share < 1 || options->share_of < 1 || options->share > options->share_of)
        return dk_fail(err, DK_INVALID, "share %d/%d is not one of 1/1, 1/2, 2/2...",
                       options->share, options->share_of);
    status = load(&tree, options->topology, err);
    if (status != DK_OK)
        return status;
    describe(shape, tree);
    status = divide(shape, tree, options, err);
    hwloc_topology_destroy(tree);
    return status;
}

void dk_node_shape_release(struct dk_node_shape *shape)
{
    free(shape->cpus);
    free(shape->core_cpus);
    memset(shape, 0, sizeof(*shape));
}
