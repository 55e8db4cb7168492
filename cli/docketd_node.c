/* docketd_node.c - docketd-node, the agent of one node (nodes/agent.h) */
#define _GNU_SOURCE
#include "cli/command.h"

#include "base/check.h"
#include "net/journal.h"
#include "nodes/agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct values {
    const char *dir, *name, *share, *topology, *features, *controllers, *projectors;
    int64_t cores, memory, gpus;
    int log_format, isolation;
};

#define AT(field) offsetof(struct values, field)

static const struct cli_option options[] = {
    { "--dir", CLI_TEXT, "DIR", AT(dir), NULL, 0, 0, "the cluster's folder" },
    { "--controllers", CLI_TEXT, "HOST:PORT,...", AT(controllers), NULL, 0, 0,
      "where to report; else as docket.conf says, else the folder's socket" },
    { "--projectors", CLI_TEXT, "HOST:PORT,...", AT(projectors), NULL, 0, 0,
      "where to ask for orders; likewise" },
    { "--name", CLI_TEXT, "NAME", AT(name), NULL, 0, 0, "of the node; this machine's without it" },
    { "--share", CLI_TEXT, "K/N", AT(share), "1/1", 0, 0,
      "this agent is the K-th of N on this machine and has its share of it" },
    { "--topology", CLI_TEXT, "TEXT|FILE.xml", AT(topology), NULL, 0, 0,
      "an emulated node: hwloc's synthetic description, or XML; jobs are then bound to no core" },
    { "--cores", CLI_NUMBER, "N", AT(cores), NULL, 0, 1048576, "cores to offer; 0: as found" },
    { "--memory", CLI_NUMBER, "MIB", AT(memory), NULL, 0, UINT32_MAX,
      "memory to offer; 0: as found" },
    { "--gpus", CLI_NUMBER, "N", AT(gpus), "-1", -1, 65536, "GPUs to offer; -1: as found" },
    { "--features", CLI_TEXT, "A,B", AT(features), NULL, 0, 0, "names for --constraint" },
    { "--isolation", CLI_CHOICE, "none|cgroup1|cgroup2", AT(isolation), "cgroup2", 0, 0,
      "the best level to try; what this machine does not have is passed over" },
    { "--log-format", CLI_CHOICE, "text|json", AT(log_format), "text", 0, 0,
      "of what is said on the standard error" },
    { NULL, CLI_FLAG, NULL, 0, NULL, 0, 0, NULL },
};

static int run(const struct cli_command *command, int argc, char **argv);

static const struct cli_command node = {
    "node",
    "",
    0,
    0,
    "the agent of one node: runs its jobs. SIGTERM: ends and leaves jobs running; SIGUSR1: ends "
    "them first",
    options,
    run,
};

/* docketd-task is installed beside this program. */
static bool find_task(char *out, size_t size)
{
    char self[4096];
    ssize_t got = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (got <= 0)
        return false;
    self[got] = '\0';
    slash = strrchr(self, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return (size_t)snprintf(out, size, "%s/docketd-task", self) < size;
}

/* "2/16" */
static bool read_share(const char *text, struct dk_shape_options *shape)
{
    char *end = NULL;
    int64_t share = strtoll(text, &end, 10), of = 0;

    if (end == text || *end != '/')
        return false;
    text = end + 1;
    of = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || share < 1 || of < share || of > 65536)
        return false;
    shape->share = (int32_t)share;
    shape->share_of = (int32_t)of;
    return true;
}

static int run(const struct cli_command *command, int argc, char **argv)
{
    struct values values = { 0 };
    struct dk_agent_options agent = { .level_max = DK_CONFINE_CGROUP2 };
    struct dk_place place;
    struct dk_err err = { 0 };
    char task[4200], host[256] = "";
    int operands, status = cli_parse(command, argc, argv, &values, &operands);

    if (status != CLI_GO_ON)
        return status;
    if (!read_share(values.share, &agent.shape))
        return cli_usage_error(command, "--share: '%s' is not K/N, such as 1/16", values.share);
    if (gethostname(host, sizeof(host) - 1) == 0)
        host[strcspn(host, ".")] = '\0';
    agent.place = &place;
    agent.name = values.name != NULL ? values.name : host;
    agent.version = DOCKET_VERSION;
    agent.features = values.features;
    agent.program = task;
    agent.shape.topology = values.topology;
    agent.shape.cores = (int32_t)values.cores;
    agent.shape.memory_mib = values.memory;
    agent.shape.gpus = (int32_t)values.gpus;
    agent.level_max = (enum dk_confine_level)values.isolation;
    dk_journal_start("node", values.log_format == 1);
    if (!find_task(task, sizeof(task)))
        (void)dk_fail(&err, DK_IO, "docketd-task is not beside this program");
    else if (dk_place_find(&place, values.dir, true, &err) == DK_OK &&
             dk_place_set(&place, "controllers", values.controllers, &err) == DK_OK &&
             dk_place_set(&place, "projectors", values.projectors, &err) == DK_OK)
        (void)dk_agent_run(&agent, &err);
    return err.status == DK_OK ? CLI_EXIT_OK : cli_fail(&err);
}

int main(int argc, char **argv)
{
    return node.run(&node, argc - 1, argv + 1);
}
