/* sinfo_options.c - what sinfo may be told, by options and by the environment */
#include "cli/slurm/options.h"
#include "cli/slurm/sinfo.h"
#include "cli/slurm/slurm.h"

#include <stdio.h>
#include <stdlib.h>

enum option {
    OPT_CLUSTERS = 1,
    OPT_DEAD,
    OPT_EXACT,
    OPT_FORMAT,
    OPT_FORMAT_LONG,
    OPT_HELP,
    OPT_ITERATE,
    OPT_JSON,
    OPT_LONG,
    OPT_NODE,
    OPT_NODES,
    OPT_NOHEADER,
    OPT_NOTHING,
    OPT_PARTITION,
    OPT_REASONS,
    OPT_RESERVATION,
    OPT_RESPONDING,
    OPT_SORT,
    OPT_STATES,
    OPT_SUMMARY,
    OPT_USAGE,
    OPT_VERBOSE,
    OPT_VERSION
};

/* OPT_NOTHING: no partition is hidden, a cluster stands alone, and sizes are plain numbers. */
static const struct slurm_option option_table[] = {
    { "all", 'a', SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "cluster", 'M', SLURM_ARGUMENT, OPT_CLUSTERS },
    { "clusters", 0, SLURM_ARGUMENT, OPT_CLUSTERS },
    { "dead", 'd', SLURM_NO_ARGUMENT, OPT_DEAD },
    { "exact", 'e', SLURM_NO_ARGUMENT, OPT_EXACT },
    { "federation", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "format", 'o', SLURM_ARGUMENT, OPT_FORMAT },
    { "Format", 'O', SLURM_ARGUMENT, OPT_FORMAT_LONG },
    { "help", 0, SLURM_NO_ARGUMENT, OPT_HELP },
    { "hide", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "iterate", 'i', SLURM_ARGUMENT, OPT_ITERATE },
    { "json", 0, SLURM_NO_ARGUMENT, OPT_JSON },
    { "list-reasons", 'R', SLURM_NO_ARGUMENT, OPT_REASONS },
    { "local", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "long", 'l', SLURM_NO_ARGUMENT, OPT_LONG },
    { "noconvert", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "Node", 'N', SLURM_NO_ARGUMENT, OPT_NODE },
    { "nodes", 'n', SLURM_ARGUMENT, OPT_NODES },
    { "noheader", 'h', SLURM_NO_ARGUMENT, OPT_NOHEADER },
    { "partition", 'p', SLURM_ARGUMENT, OPT_PARTITION },
    { "reservation", 'T', SLURM_NO_ARGUMENT, OPT_RESERVATION },
    { "responding", 'r', SLURM_NO_ARGUMENT, OPT_RESPONDING },
    { "sort", 'S', SLURM_ARGUMENT, OPT_SORT },
    { "states", 't', SLURM_ARGUMENT, OPT_STATES },
    { "summarize", 's', SLURM_NO_ARGUMENT, OPT_SUMMARY },
    { "usage", 0, SLURM_NO_ARGUMENT, OPT_USAGE },
    { "verbose", 'v', SLURM_NO_ARGUMENT, OPT_VERBOSE },
    { "version", 'V', SLURM_NO_ARGUMENT, OPT_VERSION },
    { "yaml", 0, SLURM_NO_ARGUMENT, OPT_JSON },
    { NULL, 0, SLURM_NO_ARGUMENT, 0 },
};

static const char usage[] =
    "Usage: sinfo [-abdelNRrsTv] [-i seconds] [-t states] [-p partition] [-n nodes]\n"
    "             [-S fields] [-o format] [-O Format] [--federation] [--local]\n";

static const char help[] =
    "Usage: sinfo [OPTIONS]\n"
    "  -a, --all                  hidden partitions too (none is hidden)\n"
    "  -d, --dead                 only nodes that do not respond\n"
    "  -e, --exact                one line only for nodes that are alike in size, too\n"
    "      --federation, --local  a docket cluster stands alone\n"
    "  -h, --noheader             no heading\n"
    "      --hide                 no hidden partitions (none is hidden)\n"
    "  -i, --iterate=seconds      again and again\n"
    "      --json                 JSON, in the shape of Slurm 22.05\n"
    "  -l, --long                 more columns\n"
    "  -M, --clusters=name        the cluster to ask\n"
    "  -n, --nodes=nodes          these nodes: n[1-3,7]\n"
    "      --noconvert            sizes in the unit they have (as always)\n"
    "  -N, --Node                 one line for each node and partition\n"
    "  -o, --format=format        columns by letters: \"%P %.6D %t %N\"\n"
    "  -O, --Format=format        columns by names: Partition:10,NodeList\n"
    "  -p, --partition=names      these partitions\n"
    "  -r, --responding           only nodes that respond\n"
    "  -R, --list-reasons         why nodes are down or drained\n"
    "  -s, --summarize            one line for each partition\n"
    "  -S, --sort=fields          by letters of -o; default #P,-t\n"
    "  -t, --states=states        nodes in these states\n"
    "  -T, --reservation          reservations (there is none)\n"
    "  -v, --verbose              say what is asked\n"
    "  -V, --version              the version of Slurm whose face this is\n"
    "      --yaml                 the same as --json, which is YAML too\n"
    "\nHelp options:\n"
    "  --help                     show this help message\n"
    "  --usage                    a brief summary\n";

void sinfo_from_environment(struct sinfo *sinfo)
{
    sinfo->format = getenv("SINFO_FORMAT");
    sinfo->partitions = getenv("SINFO_PARTITION");
    sinfo->sort = getenv("SINFO_SORT");
    sinfo->clusters = getenv("SLURM_CLUSTERS");
}

/* Flags; false: it is another option. */
static bool take_flag(struct sinfo *sinfo, int id)
{
    switch (id) {
    case OPT_DEAD:
        return sinfo->is_dead = true;
    case OPT_EXACT:
        return sinfo->is_exact = true;
    case OPT_JSON:
        return sinfo->is_json = true;
    case OPT_LONG:
        return sinfo->is_long = true;
    case OPT_NODE:
        return sinfo->is_node = true;
    case OPT_NOHEADER:
        return sinfo->is_headless = true;
    case OPT_REASONS:
        return sinfo->is_reasons = true;
    case OPT_RESERVATION:
        return sinfo->is_reservation = true;
    case OPT_RESPONDING:
        return sinfo->is_responding = true;
    case OPT_SUMMARY:
        return sinfo->is_summary = true;
    case OPT_VERBOSE:
        return sinfo->is_verbose = true;
    case OPT_NOTHING:
        return true;
    default:
        return false;
    }
}

static int take(struct sinfo *sinfo, int id, const char *value)
{
    char *end;

    switch (id) {
    case OPT_CLUSTERS:
        sinfo->clusters = value;
        break;
    case OPT_FORMAT:
        sinfo->format = value;
        sinfo->format_long = NULL;
        break;
    case OPT_FORMAT_LONG:
        sinfo->format_long = value;
        sinfo->format = NULL;
        break;
    case OPT_ITERATE:
        sinfo->iterate_s = strtol(value, &end, 10);
        if (*end != '\0' || sinfo->iterate_s <= 0)
            return slurm_error("sinfo", "Error: invalid entry for --iterate=%s", value);
        break;
    case OPT_NODES:
        sinfo->nodes = value;
        break;
    case OPT_PARTITION:
        sinfo->partitions = value;
        break;
    case OPT_SORT:
        sinfo->sort = value;
        break;
    case OPT_STATES:
        sinfo->states = value;
        break;
    case OPT_HELP:
        (void)fputs(help, stdout);
        return 0;
    case OPT_USAGE:
        (void)fputs(usage, stdout);
        return 0;
    case OPT_VERSION:
        return slurm_print_version();
    default:
        break;
    }
    return -1;
}

int sinfo_parse(struct sinfo *sinfo, int argc, char **argv)
{
    struct slurm_options options = { .table = option_table, .argc = argc, .argv = argv };
    int id;

    while ((id = slurm_options_next(&options)) != SLURM_OPTION_END) {
        int status;

        if (id == SLURM_OPTION_BAD) {
            (void)fprintf(stderr, "Try \"sinfo --help\" for more information\n");
            return 1;
        }
        if (id == SLURM_OPTION_OPERAND || take_flag(sinfo, id))
            continue; /* Slurm's sinfo has no use for operands, and says nothing */
        status = take(sinfo, id, options.value);
        if (status >= 0)
            return status;
    }
    return -1;
}
