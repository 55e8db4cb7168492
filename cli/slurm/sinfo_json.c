/* sinfo_json.c - a node as sinfo --json of Slurm 22.05 writes it */
#include "cli/slurm/sinfo.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct writer {
    struct dk_buf *out;
    bool has_any;
};

static void key(struct writer *writer, const char *name)
{
    (void)dk_buf_add_text(writer->out, writer->has_any ? ",\n      " : "    {\n      ");
    writer->has_any = true;
    (void)dk_json_text(writer->out, dk_text_of(name));
    (void)dk_buf_add(writer->out, ": ", 2);
}

static void text(struct writer *writer, const char *name, const char *value)
{
    key(writer, name);
    (void)dk_json_text(writer->out, dk_text_of(value));
}

static void number(struct writer *writer, const char *name, int64_t value)
{
    key(writer, name);
    slurm_add_number(writer->out, value);
}

static void bare(struct writer *writer, const char *name, const char *value)
{
    key(writer, name);
    (void)dk_buf_add_text(writer->out, value);
}

static void partitions(struct writer *writer, const char *list)
{
    const char *divider = "[";

    key(writer, "partitions");
    while (*list != '\0') {
        size_t size = strcspn(list, ",");

        (void)dk_buf_add_text(writer->out, divider);
        (void)dk_json_text(writer->out, (struct dk_text){ list, (uint32_t)size });
        divider = ", ";
        list += size;
        if (*list == ',')
            list++;
    }
    (void)dk_buf_add_text(writer->out, *divider == '[' ? "[]" : "]");
}

static void gpus(char out[32], int64_t count)
{
    (void)snprintf(out, 32, "gpu:%" PRId64, count);
}

/* "cpu=2,mem=1000M,billing=2" */
static void tres(char out[128], int64_t cpus, int64_t memory, int64_t gpu_count, bool has_billing)
{
    int size = snprintf(out, 128, "cpu=%" PRId64, cpus);

    if (memory > 0)
        size += snprintf(out + size, (size_t)(128 - size), ",mem=%" PRId64 "M", memory);
    if (has_billing)
        size += snprintf(out + size, (size_t)(128 - size), ",billing=%" PRId64, cpus);
    if (gpu_count > 0)
        (void)snprintf(out + size, (size_t)(128 - size), ",gres/gpu=%" PRId64, gpu_count);
}

static void describe(struct writer *writer, const struct sinfo *sinfo, uint32_t node)
{
    int64_t measures[SINFO_MEASURE_COUNT];
    char gres[32];

    sinfo_measures(sinfo, node, measures);
    text(writer, "architecture", "");
    text(writer, "burstbuffer_network_address", "");
    number(writer, "boards", 1);
    number(writer, "boot_time", 0);
    text(writer, "comment", "");
    number(writer, "cores", measures[SINFO_CORES]);
    number(writer, "cpu_binding", 0);
    bare(writer, "cpu_load", "null");
    text(writer, "extra", "");
    bare(writer, "free_memory", "null");
    number(writer, "cpus", measures[SINFO_CPUS]);
    number(writer, "last_busy", 0);
    text(writer, "features", sinfo_node(sinfo, node, NODE_features));
    text(writer, "active_features", sinfo_node(sinfo, node, NODE_features));
    gpus(gres, sinfo_node_number(sinfo, node, NODE_gpus));
    text(writer, "gres", sinfo_node_number(sinfo, node, NODE_gpus) > 0 ? gres : "");
    text(writer, "gres_drained", "N/A");
    gpus(gres, sinfo_node_number(sinfo, node, NODE_gpus_used));
    text(writer, "gres_used", gres);
    text(writer, "mcs_label", "");
    text(writer, "name", sinfo_node(sinfo, node, NODE_name));
    text(writer, "next_state_after_reboot", "invalid");
    text(writer, "address", sinfo_node(sinfo, node, NODE_host));
    text(writer, "hostname", sinfo_node(sinfo, node, NODE_host));
}

static void condition(struct writer *writer, const struct sinfo *sinfo, uint32_t node)
{
    uint32_t state = sinfo_state_of(sinfo, node);
    bool is_drained = (state & SINFO_DRAIN) != 0, is_silent = (state & SINFO_NOT_RESPONDING) != 0;
    const char *flags = is_drained && is_silent ? "[\"DRAIN\", \"NOT_RESPONDING\"]"
                        : is_drained            ? "[\"DRAIN\"]"
                        : is_silent             ? "[\"NOT_RESPONDING\"]"
                                                : "[]";

    text(writer, "state", sinfo_state_word(state & 0xff, false));
    bare(writer, "state_flags", flags);
    bare(writer, "next_state_after_reboot_flags", "[]");
    text(writer, "operating_system", "");
    bare(writer, "owner", "null");
    partitions(writer, sinfo_node(sinfo, node, NODE_partitions));
}

static void resources(struct writer *writer, const struct sinfo *sinfo, uint32_t node)
{
    int64_t measures[SINFO_MEASURE_COUNT], used = sinfo_node_number(sinfo, node, NODE_cores_used);
    int64_t memory_used = sinfo_node_number(sinfo, node, NODE_memory_used);
    const char *reason = sinfo_node(sinfo, node, NODE_reason);
    char list[128];

    sinfo_measures(sinfo, node, measures);
    number(writer, "port", 0);
    number(writer, "real_memory", measures[SINFO_MEMORY]);
    text(writer, "reason", reason);
    number(writer, "reason_changed_at",
           *reason == '\0' ? 0
                           : sinfo_node_number(sinfo, node, NODE_reason_time) / SLURM_SECOND_US);
    if (*reason == '\0')
        bare(writer, "reason_set_by_user", "null");
    else
        text(writer, "reason_set_by_user", sinfo_node(sinfo, node, NODE_reason_user));
    number(writer, "slurmd_start_time",
           sinfo_node_number(sinfo, node, NODE_registered) / SLURM_SECOND_US);
    number(writer, "sockets", measures[SINFO_SOCKETS]);
    number(writer, "threads", measures[SINFO_THREADS]);
    number(writer, "temporary_disk", 0);
    number(writer, "weight", 1);
    tres(list, measures[SINFO_CPUS], measures[SINFO_MEMORY],
         sinfo_node_number(sinfo, node, NODE_gpus), true);
    text(writer, "tres", list);
    text(writer, "slurmd_version", sinfo_node(sinfo, node, NODE_version));
    number(writer, "alloc_memory", memory_used);
    number(writer, "alloc_cpus", used);
    number(writer, "idle_cpus", measures[SINFO_CPUS] - used);
    tres(list, used, memory_used, sinfo_node_number(sinfo, node, NODE_gpus_used), false);
    if (used == 0)
        bare(writer, "tres_used", "null");
    else
        text(writer, "tres_used", list);
    number(writer, "tres_weighted", used);
}

void sinfo_json_node(struct dk_buf *out, const struct sinfo *sinfo, uint32_t node)
{
    struct writer writer = { .out = out };

    describe(&writer, sinfo, node);
    condition(&writer, sinfo, node);
    resources(&writer, sinfo, node);
    (void)dk_buf_add_text(out, "\n    }");
}
