/* sinfo.h - nodes of a kind, as sinfo lists them: what its files share
 *
 * A line of sinfo is a group: the nodes of one partition (or of all, if the format shows nothing
 * of a partition) that look alike in what the format shows. Sizes need not be alike (100+ is the
 * least of them), except with -e. */
#ifndef DK_CLI_SLURM_SINFO_H
#define DK_CLI_SLURM_SINFO_H

#include "cli/slurm/format.h"
#include "cli/slurm/times.h"
#include "net/hostlist.h"

/* clang-format off */
#define SINFO_NODE_COLUMN_MAP(X)                                                                    \
    X(name) X(host) X(state) X(condition) X(reason) X(reason_user) X(reason_time) X(cores)          \
    X(cores_used) X(memory) X(memory_used) X(gpus) X(gpus_used) X(features) X(partitions)           \
    X(sockets) X(threads_per_core) X(version) X(registered)
#define SINFO_PART_COLUMN_MAP(X)                                                                    \
    X(name) X(default) X(state) X(limit_max) X(limit_default) X(nodes_max) X(priority) X(tier)
/* clang-format on */

enum {
#define X(name) NODE_##name,
    SINFO_NODE_COLUMN_MAP(X)
#undef X
        NODE_COLUMN_COUNT
};
enum {
#define X(name) PART_##name,
    SINFO_PART_COLUMN_MAP(X)
#undef X
        PART_COLUMN_COUNT
};

enum sinfo_flag { SINFO_NOT_RESPONDING = 0x400, SINFO_DRAIN = 0x200 };

/* As Slurm numbers them: the order of -S t. */
enum sinfo_base { SINFO_UNKNOWN, SINFO_DOWN, SINFO_IDLE, SINFO_ALLOCATED, SINFO_MIXED = 5 };

enum sinfo_measure {
    SINFO_CPUS,
    SINFO_MEMORY,
    SINFO_SOCKETS,
    SINFO_CORES,
    SINFO_THREADS,
    SINFO_MEASURE_COUNT
};

struct sinfo_group {
    const struct sinfo *sinfo;
    uint32_t partition;       /* its first one */
    uint32_t node, node_last; /* the first one, whose texts stand for all; the latest */
    uint32_t node_count;      /* 0: a partition of which no node is listed */
    uint32_t member;          /* head of a list in sinfo->members, newest first */
    uint32_t state;
    int64_t cpus_allocated, cpus_idle, cpus_other;
    uint32_t nodes_allocated, nodes_idle, nodes_other;
    int64_t least[SINFO_MEASURE_COUNT], most[SINFO_MEASURE_COUNT];
};

struct sinfo_member {
    uint32_t node, next;
};

struct sinfo {
    const char *format, *format_long, *nodes, *partitions, *sort, *states, *clusters;
    long iterate_s;
    bool is_dead, is_exact, is_headless, is_json, is_long, is_node, is_reasons, is_responding;
    bool is_reservation, is_summary, is_verbose;
    bool is_part_order; /* partitions by their order in the configuration, not by name */
    struct dk_session session;
    struct slurm_dates dates;
    struct slurm_format columns;
    struct slurm_sort order;
    struct dk_rows node_rows, part_rows;
    struct dk_hostlist hosts; /* of -n */
    uint32_t *by_name, *rank; /* rows of nodes in the order of their names, and the way back */
    struct sinfo_group *groups;
    uint32_t group_count, group_capacity;
    struct sinfo_member *members;
    uint32_t member_count, member_capacity;
};

extern const struct slurm_field sinfo_fields[];
extern const size_t sinfo_field_count;

/* Flags of its fields: SLURM_MARK is a field that nodes of one line have alike; SINFO_SIZE one
 * that they have alike only with -e; SINFO_PART one of the partition alone. */
enum { SINFO_SIZE = 8, SINFO_PART = 16 };

void sinfo_from_environment(struct sinfo *sinfo);
int sinfo_parse(struct sinfo *sinfo, int argc, char **argv); /* exit status, or -1: go on */

const char *sinfo_node(const struct sinfo *sinfo, uint32_t node, int column);
int64_t sinfo_node_number(const struct sinfo *sinfo, uint32_t node, int column);
const char *sinfo_part(const struct sinfo *sinfo, uint32_t part, int column);
int64_t sinfo_part_number(const struct sinfo *sinfo, uint32_t part, int column);

uint32_t sinfo_state_of(const struct sinfo *sinfo, uint32_t node);
const char *sinfo_state_word(uint32_t state, bool is_short); /* without its star */

/* Does it pass -t? False in *is_valid: a word of the list is no state. */
bool sinfo_state_passes(const char *list, uint32_t state, bool *is_valid);

void sinfo_measures(const struct sinfo *sinfo, uint32_t node, int64_t out[SINFO_MEASURE_COUNT]);
void sinfo_json_node(struct dk_buf *out, const struct sinfo *sinfo, uint32_t node);

/* All that was asked and gathered for one list, again empty. */
void sinfo_forget(struct sinfo *sinfo);
void sinfo_order(struct sinfo *sinfo);  /* by_name and rank */
void sinfo_gather(struct sinfo *sinfo); /* groups from the rows */

#endif
