/* scontrol_site.c - scontrol show node and partition, and ping */
#include "cli/slurm/scontrol.h"
#include "cli/slurm/times.h"
#include "net/hostlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* --- nodes --- */

/* clang-format off */
enum { PING_MS = 5000, PING_ANSWER_MAX = 65536 };

#define NODE_COLUMN_MAP(X)                                                                         \
    X(name) X(host) X(state) X(condition) X(reason) X(reason_user) X(reason_time) X(cores)         \
    X(cores_used) X(memory) X(memory_used) X(gpus) X(gpus_used) X(features) X(partitions)          \
    X(sockets) X(threads_per_core) X(version) X(registered) X(last_beat)
/* clang-format on */

enum node_column {
#define X(name) NODE_##name,
    NODE_COLUMN_MAP(X)
#undef X
        NODE_COLUMNS
};

static const char node_fields[] =
#define X(name) "," #name
    NODE_COLUMN_MAP(X)
#undef X
    ;

struct site {
    struct scontrol *scontrol;
    struct dk_rows rows;
    uint32_t row;
    struct slurm_dates dates;
    struct dk_buf out;
    const char *machine; /* what this one is: clusters are of one kind */
};

static const char *text_of(const struct site *site, int column)
{
    return dk_cell(&site->rows, site->row, (uint32_t)column);
}

static long long number_of(const struct site *site, int column)
{
    return (long long)dk_cell_number(&site->rows, site->row, (uint32_t)column, 0);
}

#define TEXT(column) text_of(site, NODE_##column)
#define NUMBER(column) number_of(site, NODE_##column)

static void line(struct site *site)
{
    scontrol_add_line(site->scontrol, &site->out);
}

/* Slurm's base state and flags for docket's one word. */
static const char *node_state(const struct site *site)
{
    static const struct {
        const char *ours, *busy, *idle;
    } states[] = {
        { "IDLE", "IDLE", "IDLE" },
        { "MIXED", "MIXED", "MIXED" },
        { "ALLOCATED", "ALLOCATED", "ALLOCATED" },
        { "DRAINING", "MIXED+DRAIN", "IDLE+DRAIN" },
        { "DRAINED", "IDLE+DRAIN", "IDLE+DRAIN" },
        { "DOWN", "DOWN", "DOWN" },
        { "LOST", "DOWN+NOT_RESPONDING", "DOWN+NOT_RESPONDING" },
        { "UNKNOWN", "UNKNOWN+NOT_RESPONDING", "UNKNOWN+NOT_RESPONDING" },
    };
    const char *state = TEXT(state);

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(states[i].ours, state) == 0) {
            if (strcmp(state, "DRAINING") == 0 && NUMBER(cores_used) >= NUMBER(cores))
                return "ALLOCATED+DRAIN";
            return NUMBER(cores_used) > 0 ? states[i].busy : states[i].idle;
        }
    return state;
}

static void add_date(struct site *site, const char *key, long long time_us)
{
    (void)dk_buf_add_text(&site->out, key);
    if (time_us <= 0)
        (void)dk_buf_add_text(&site->out, "None");
    else
        slurm_add_date(&site->out, &site->dates, time_us);
}

static void add_tres(struct site *site, const char *key, long long cores, long long memory,
                     long long gpus)
{
    scontrol_add(&site->out, "%s", key);
    if (cores > 0)
        scontrol_add(&site->out, "cpu=%lld", cores);
    if (memory > 0) {
        (void)dk_buf_add_text(&site->out, cores > 0 ? ",mem=" : "mem=");
        scontrol_add_size(&site->out, memory);
    }
    if (gpus > 0)
        scontrol_add(&site->out, ",gres/gpu=%lld", gpus);
}

static void add_node(struct site *site)
{
    struct dk_buf *out = &site->out;
    long long sockets = NUMBER(sockets) > 0 ? NUMBER(sockets) : 1;

    scontrol_add(out, "NodeName=%s Arch=%s CoresPerSocket=%lld ", TEXT(name), site->machine,
                 NUMBER(cores) / sockets);
    line(site);
    scontrol_add(out, "CPUAlloc=%lld CPUEfctv=%lld CPUTot=%lld CPULoad=N/A", NUMBER(cores_used),
                 NUMBER(cores), NUMBER(cores));
    line(site);
    scontrol_add(out, "AvailableFeatures=%s", scontrol_or_null(TEXT(features)));
    line(site);
    scontrol_add(out, "ActiveFeatures=%s", scontrol_or_null(TEXT(features)));
    line(site);
    if (NUMBER(gpus) > 0)
        scontrol_add(out, "Gres=gpu:%lld", NUMBER(gpus));
    else
        (void)dk_buf_add_text(out, "Gres=(null)");
    if (site->scontrol->details > 0 && NUMBER(gpus) > 0) {
        line(site);
        scontrol_add(out, "GresUsed=gpu:%lld", NUMBER(gpus_used));
    }
    line(site);
    scontrol_add(out, "NodeAddr=%s NodeHostName=%s Version=%s",
                 *TEXT(host) == 0 ? TEXT(name) : TEXT(host),
                 *TEXT(host) == 0 ? TEXT(name) : TEXT(host), TEXT(version));
    line(site);
    scontrol_add(out, "RealMemory=%lld AllocMem=%lld FreeMem=N/A Sockets=%lld Boards=1",
                 NUMBER(memory), NUMBER(memory_used), sockets);
    line(site);
    scontrol_add(out, "State=%s ThreadsPerCore=%lld TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A",
                 node_state(site), NUMBER(threads_per_core) > 0 ? NUMBER(threads_per_core) : 1);
    line(site);
    scontrol_add(out, "Partitions=%s ", TEXT(partitions));
    line(site);
    add_date(site, "BootTime=None SlurmdStartTime=", NUMBER(registered));
    line(site);
    add_date(site, "LastBusyTime=", NUMBER(last_beat));
    line(site);
    add_tres(site, "CfgTRES=", NUMBER(cores), NUMBER(memory), NUMBER(gpus));
    scontrol_add(out, ",billing=%lld", NUMBER(cores));
    line(site);
    add_tres(site, "AllocTRES=", NUMBER(cores_used), NUMBER(memory_used), NUMBER(gpus_used));
    line(site);
    (void)dk_buf_add_text(out, "CapWatts=n/a");
    line(site);
    (void)dk_buf_add_text(out, "CurrentWatts=0 AveWatts=0");
    line(site);
    (void)dk_buf_add_text(out, "ExtSensorsJoules=n/s ExtSensorsWatts=0 ExtSensorsTemp=n/s");
    if (*TEXT(reason) != 0) {
        line(site);
        scontrol_add(out, "Reason=%s [%s@", TEXT(reason),
                     *TEXT(reason_user) == 0 ? "docket" : TEXT(reason_user));
        add_date(site, "", NUMBER(reason_time));
        (void)dk_buf_add_text(out, "]");
    }
    (void)dk_buf_add_text(out, site->scontrol->is_oneline ? "\n" : "\n\n");
}

static bool has_name(const struct site *site, const char *name)
{
    for (uint32_t row = 0; row < site->rows.rows; row++)
        if (strcmp(dk_cell(&site->rows, row, 0), name) == 0)
            return true;
    return false;
}

/* Prints the nodes of the list, in its order; those that there are not are said. */
static int add_named_nodes(struct site *site, const char *text)
{
    struct dk_hostlist list;
    struct dk_err err;
    int status = 0;

    dk_hostlist_init(&list);
    if (dk_hostlist_expand(&list, text, &err) != DK_OK)
        status = scontrol_error("Invalid hostlist: %s", err.text);
    for (uint32_t i = 0; i < list.count && status == 0; i++) {
        if (!has_name(site, list.names[i])) {
            scontrol_print(&site->out);
            dk_buf_clear(&site->out);
            (void)fflush(stdout);
            (void)fprintf(stderr, "Node %s not found\n", list.names[i]);
            status = 1;
            break;
        }
        for (site->row = 0; site->row < site->rows.rows; site->row++)
            if (strcmp(TEXT(name), list.names[i]) == 0)
                add_node(site);
    }
    dk_hostlist_release(&list);
    return status;
}

int scontrol_show_node(struct scontrol *scontrol, int argc, char **argv)
{
    struct site storage = { .scontrol = scontrol }, *site = &storage;
    struct dk_question question;
    struct utsname here;
    int status = 0;

    site->machine = uname(&here) == 0 ? here.machine : "unknown";
    slurm_dates_init(&site->dates, slurm_now_us());
    dk_buf_init(&site->out, &dk_heap, (size_t)1 << 30);
    dk_question_init(&question, "/v1/nodes");
    if (!scontrol_ask(scontrol, "slurm_load_node", &question, node_fields + 1, &site->rows))
        status = 1;
    else if (argc > 0)
        status = add_named_nodes(site, argv[0]);
    else if (site->rows.rows == 0)
        (void)puts("No nodes in the system");
    else
        for (site->row = 0; site->row < site->rows.rows; site->row++)
            add_node(site);
    scontrol_print(&site->out);
    dk_rows_release(&site->rows);
    dk_buf_release(&site->out);
    return status;
}

/* --- partitions --- */

#undef TEXT
#undef NUMBER
#define TEXT(column) text_of(site, PART_##column)
#define NUMBER(column) number_of(site, PART_##column)

#define PART_COLUMN_MAP(X)                                                                         \
    X(name)                                                                                        \
    X(default)                                                                                     \
    X(state)                                                                                       \
    X(limit_max)                                                                                   \
    X(limit_default) X(nodes_max) X(priority) X(tier) X(nodes) X(cores) X(gpus) X(node_list)

enum part_column {
#define X(name) PART_##name,
    PART_COLUMN_MAP(X)
#undef X
        PART_COLUMNS
};

static const char part_fields[] =
#define X(name) "," #name
    PART_COLUMN_MAP(X)
#undef X
    ;

static void add_limit(struct site *site, const char *key, long long limit_us, const char *none)
{
    (void)dk_buf_add_text(&site->out, key);
    if (limit_us <= 0 || limit_us >= INT64_C(36525) * 86400 * SLURM_SECOND_US)
        (void)dk_buf_add_text(&site->out, none);
    else
        slurm_add_clock(&site->out, limit_us / SLURM_SECOND_US);
}

static void add_partition(struct site *site)
{
    struct dk_buf *out = &site->out;
    const char *is_default = TEXT(default);
    bool is_yes = strcmp(is_default, "1") == 0 || strcmp(is_default, "true") == 0;

    scontrol_add(out, "PartitionName=%s", TEXT(name));
    line(site);
    (void)dk_buf_add_text(out, "AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL");
    line(site);
    scontrol_add(out, "AllocNodes=ALL Default=%s QoS=N/A", is_yes ? "YES" : "NO");
    line(site);
    add_limit(site, "DefaultTime=", NUMBER(limit_default), "NONE");
    (void)dk_buf_add_text(out, " DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden=NO");
    line(site);
    if (NUMBER(nodes_max) > 0)
        scontrol_add(out, "MaxNodes=%lld", NUMBER(nodes_max));
    else
        (void)dk_buf_add_text(out, "MaxNodes=UNLIMITED");
    add_limit(site, " MaxTime=", NUMBER(limit_max), "UNLIMITED");
    (void)dk_buf_add_text(out, " MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED");
    line(site);
    scontrol_add(out, "Nodes=%s", scontrol_or_null(TEXT(node_list)));
    line(site);
    scontrol_add(out,
                 "PriorityJobFactor=%lld PriorityTier=%lld RootOnly=NO ReqResv=NO OverSubscribe=NO",
                 NUMBER(priority), NUMBER(tier));
    line(site);
    (void)dk_buf_add_text(out, "OverTimeLimit=NONE PreemptMode=OFF");
    line(site);
    scontrol_add(out, "State=%s TotalCPUs=%lld TotalNodes=%lld SelectTypeParameters=NONE",
                 strcmp(TEXT(state), "DRAINED") == 0 ? "DRAIN" : TEXT(state), NUMBER(cores),
                 NUMBER(nodes));
    line(site);
    (void)dk_buf_add_text(out, "JobDefaults=(null)");
    line(site);
    (void)dk_buf_add_text(out, "DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED");
    line(site);
    scontrol_add(out, "TRES=cpu=%lld,node=%lld,billing=%lld", NUMBER(cores), NUMBER(nodes),
                 NUMBER(cores));
    if (NUMBER(gpus) > 0)
        scontrol_add(out, ",gres/gpu=%lld", NUMBER(gpus));
    (void)dk_buf_add_text(out, site->scontrol->is_oneline ? "\n" : "\n\n");
}

int scontrol_show_partition(struct scontrol *scontrol, int argc, char **argv)
{
    struct site storage = { .scontrol = scontrol }, *site = &storage;
    struct dk_question question;
    int status = 0;

    dk_buf_init(&site->out, &dk_heap, (size_t)1 << 30);
    dk_question_init(&question, "/v1/partitions");
    if (!scontrol_ask(scontrol, "slurm_load_partitions", &question, part_fields + 1, &site->rows)) {
        status = 1;
    } else if (argc > 0 && !has_name(site, argv[0])) {
        (void)fprintf(stderr, "Partition %s not found\n", argv[0]);
        status = 1;
    } else {
        for (site->row = 0; site->row < site->rows.rows; site->row++)
            if (argc == 0 || strcmp(TEXT(name), argv[0]) == 0)
                add_partition(site);
    }
    scontrol_print(&site->out);
    dk_rows_release(&site->rows);
    dk_buf_release(&site->out);
    return status;
}

/* --- ping --- */

int scontrol_ping(struct scontrol *scontrol, int argc, char **argv)
{
    const struct dk_place *place = &scontrol->session.place;
    struct dk_endpoints *controllers;
    struct dk_reply reply = { 0 };
    char host[256] = "localhost";
    bool is_up;

    (void)argc;
    (void)argv;
    if (!scontrol_connect(scontrol, "slurm_ping"))
        return 1;
    controllers = dk_endpoints_create(
        place->controllers[0] != '\0' ? place->controllers : place->control, &place->munge, false);
    dk_buf_init(&reply.body, &dk_heap, PING_ANSWER_MAX);
    is_up = dk_endpoints_call(controllers, "GET", "/v1/status", NULL, NULL, 0, PING_MS, &reply,
                              NULL) == DK_OK &&
            reply.status == 200;
    dk_buf_release(&reply.body);
    dk_endpoints_destroy(controllers);
    (void)gethostname(host, sizeof(host) - 1);
    (void)printf("Slurmctld(primary) at %s is %s\n", host, is_up ? "UP" : "DOWN");
    return is_up ? 0 : 1;
}
