/* sacct_options.c - what sacct may be told, by options and by the environment */
#include "cli/slurm/options.h"
#include "cli/slurm/sacct.h"
#include "cli/slurm/slurm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum option {
    OPT_ACCOUNTS = 1,
    OPT_ALL_USERS,
    OPT_ASSOCIATIONS,
    OPT_BRIEF,
    OPT_CLUSTERS,
    OPT_COMPLETION,
    OPT_CONSTRAINTS,
    OPT_CORES,
    OPT_DELIMITER,
    OPT_DUPLICATES,
    OPT_ENVIRONMENT,
    OPT_FILE,
    OPT_FLAGS,
    OPT_FORMAT,
    OPT_GROUPS,
    OPT_HELP,
    OPT_HELP_FORMAT,
    OPT_JOBS,
    OPT_JOBS_ONLY,
    OPT_JSON,
    OPT_LIMIT_LEAST,
    OPT_LIMIT_MOST,
    OPT_LONG,
    OPT_NAMES,
    OPT_NOCONVERT,
    OPT_NODE_COUNT,
    OPT_NODES,
    OPT_NOHEADER,
    OPT_NOTHING,
    OPT_PARSABLE,
    OPT_PARSABLE2,
    OPT_PARTITIONS,
    OPT_QOS,
    OPT_SCRIPT,
    OPT_SINCE,
    OPT_STATES,
    OPT_TRUNCATE,
    OPT_UNITS,
    OPT_UNTIL,
    OPT_USAGE,
    OPT_USERS,
    OPT_VERBOSE,
    OPT_VERSION,
    OPT_WCKEYS
};

/* OPT_NOTHING: a cluster stands alone, has no heterogeneous jobs, and keeps its own user ids. */
static const struct slurm_option option_table[] = {
    { "accounts", 'A', SLURM_ARGUMENT, OPT_ACCOUNTS },
    { "allclusters", 'L', SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "allocations", 'X', SLURM_NO_ARGUMENT, OPT_JOBS_ONLY },
    { "allusers", 'a', SLURM_NO_ARGUMENT, OPT_ALL_USERS },
    { "associations", 'x', SLURM_ARGUMENT, OPT_ASSOCIATIONS },
    { "batch-script", 'B', SLURM_NO_ARGUMENT, OPT_SCRIPT },
    { "brief", 'b', SLURM_NO_ARGUMENT, OPT_BRIEF },
    { "cluster", 'M', SLURM_ARGUMENT, OPT_CLUSTERS },
    { "clusters", 0, SLURM_ARGUMENT, OPT_CLUSTERS },
    { "completion", 'c', SLURM_NO_ARGUMENT, OPT_COMPLETION },
    { "constraints", 'C', SLURM_ARGUMENT, OPT_CONSTRAINTS },
    { "delimiter", 0, SLURM_ARGUMENT, OPT_DELIMITER },
    { "duplicates", 'D', SLURM_NO_ARGUMENT, OPT_DUPLICATES },
    { "endtime", 'E', SLURM_ARGUMENT, OPT_UNTIL },
    { "env-vars", 0, SLURM_NO_ARGUMENT, OPT_ENVIRONMENT },
    { "federation", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "file", 'f', SLURM_ARGUMENT, OPT_FILE },
    { "flags", 'F', SLURM_ARGUMENT, OPT_FLAGS },
    { "format", 'o', SLURM_ARGUMENT, OPT_FORMAT },
    { "gid", 'g', SLURM_ARGUMENT, OPT_GROUPS },
    { "group", 0, SLURM_ARGUMENT, OPT_GROUPS },
    { "help", 'h', SLURM_NO_ARGUMENT, OPT_HELP },
    { "helpformat", 'e', SLURM_NO_ARGUMENT, OPT_HELP_FORMAT },
    { "jobs", 'j', SLURM_ARGUMENT, OPT_JOBS },
    { "json", 0, SLURM_NO_ARGUMENT, OPT_JSON },
    { "local", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "long", 'l', SLURM_NO_ARGUMENT, OPT_LONG },
    { "name", 0, SLURM_ARGUMENT, OPT_NAMES },
    { "ncpus", 'I', SLURM_ARGUMENT, OPT_CORES },
    { "nnodes", 'i', SLURM_ARGUMENT, OPT_NODE_COUNT },
    { "noconvert", 0, SLURM_NO_ARGUMENT, OPT_NOCONVERT },
    { "nodelist", 'N', SLURM_ARGUMENT, OPT_NODES },
    { "noheader", 'n', SLURM_NO_ARGUMENT, OPT_NOHEADER },
    { "parsable", 'p', SLURM_NO_ARGUMENT, OPT_PARSABLE },
    { "parsable2", 'P', SLURM_NO_ARGUMENT, OPT_PARSABLE2 },
    { "partition", 'r', SLURM_ARGUMENT, OPT_PARTITIONS },
    { "qos", 'q', SLURM_ARGUMENT, OPT_QOS },
    { "starttime", 'S', SLURM_ARGUMENT, OPT_SINCE },
    { "state", 's', SLURM_ARGUMENT, OPT_STATES },
    { "timelimit-max", 'K', SLURM_ARGUMENT, OPT_LIMIT_MOST },
    { "timelimit-min", 'k', SLURM_ARGUMENT, OPT_LIMIT_LEAST },
    { "truncate", 'T', SLURM_NO_ARGUMENT, OPT_TRUNCATE },
    { "uid", 'u', SLURM_ARGUMENT, OPT_USERS },
    { "units", 0, SLURM_ARGUMENT, OPT_UNITS },
    { "usage", 0, SLURM_NO_ARGUMENT, OPT_USAGE },
    { "use-local-uid", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "user", 0, SLURM_ARGUMENT, OPT_USERS },
    { "verbose", 'v', SLURM_NO_ARGUMENT, OPT_VERBOSE },
    { "version", 'V', SLURM_NO_ARGUMENT, OPT_VERSION },
    { "wckeys", 'W', SLURM_ARGUMENT, OPT_WCKEYS },
    { "whole-hetjob", 0, SLURM_ARGUMENT_MAYBE, OPT_NOTHING },
    { "yaml", 0, SLURM_NO_ARGUMENT, OPT_JSON },
    { NULL, 0, SLURM_NO_ARGUMENT, 0 },
};

static const char help[] =
    "sacct [<OPTION>]\n"
    "    Valid <OPTION> values are:\n"
    "    -A, --accounts=names      jobs of these accounts\n"
    "    -a, --allusers            jobs of all users (root's default)\n"
    "    -B, --batch-script        the script of jobs given by -j\n"
    "    -b, --brief               JobID, State and ExitCode\n"
    "    -C, --constraints=list    jobs that asked for all of these features\n"
    "    -c, --completion          completion data (there is none beside accounting)\n"
    "    -D, --duplicates          runs before a requeue, too\n"
    "        --delimiter=text      between fields with -p and -P; default |\n"
    "    -E, --endtime=time        jobs before this time\n"
    "    -e, --helpformat          list the fields\n"
    "        --env-vars            the environment of jobs given by -j\n"
    "    -g, --gid, --group=list   jobs of these groups, names or numbers\n"
    "    -h, --help                print this\n"
    "    -I, --ncpus=N[-N]         jobs that ran on this many cores\n"
    "    -i, --nnodes=N[-N]        jobs that ran on this many nodes\n"
    "    -j, --jobs=ids            these jobs or steps: 17,18_3,19.batch\n"
    "        --json                JSON, in the shape of Slurm 22.05\n"
    "    -K, --timelimit-max=time  with -k: jobs of a limit up to this\n"
    "    -k, --timelimit-min=time  jobs of this limit, or at least it\n"
    "    -l, --long                many fields\n"
    "    -L, --allclusters         all clusters (there is one)\n"
    "    -M, --clusters=names      these clusters\n"
    "        --name=names          jobs of these names\n"
    "    -N, --nodelist=nodes      jobs that ran on any of these nodes: n[1-3]\n"
    "    -n, --noheader            no heading\n"
    "        --noconvert           sizes in the unit they have\n"
    "    -o, --format=fields       fields, joined by commas; name%20, name%-20 for widths\n"
    "    -P, --parsable2           divided by |\n"
    "    -p, --parsable            divided by |, and ended by one\n"
    "    -q, --qos=names           jobs of these QOS (all are of 'normal')\n"
    "    -r, --partition=names     jobs in these partitions\n"
    "    -S, --starttime=time      jobs after this time; default midnight, with -s now\n"
    "    -s, --state=states        jobs in these states in that time\n"
    "    -T, --truncate            times cut to that time\n"
    "    -u, --uid, --user=list    jobs of these users, names or numbers\n"
    "        --units=[KMGTP]       sizes in this unit\n"
    "        --usage               a brief summary\n"
    "    -V, --version             the version of Slurm whose face this is\n"
    "    -v, --verbose             the time that is listed\n"
    "    -W, --wckeys=names        jobs of WCKeys (there is none)\n"
    "    -X, --allocations         jobs without their steps\n"
    "    -x, --associations=ids    jobs of associations (there is none)\n"
    "        --yaml                the same as --json, which is YAML too\n"
    "        --federation, --local, --use-local-uid, --whole-hetjob   change nothing here\n"
    "    Refused: -F, --flags (who placed a job is told by 'docket explain'), -f, --file\n"
    "\n"
    "    Times: HH:MM[:SS] [AM|PM], MMDD[YY] or MM/DD[/YY] or MM.DD[.YY], MM/DD[/YY]-HH:MM[:SS],\n"
    "    YYYY-MM-DD[THH:MM[:SS]], now[{+|-}count[seconds(default)|minutes|hours|days|weeks]]\n";

void sacct_from_environment(struct sacct *sacct)
{
    sacct->format = getenv("SACCT_FORMAT");
    sacct->delimiter = "|";
}

static int bad_id(const char *text, size_t size)
{
    (void)fprintf(stderr, "sacct: fatal: Bad job/step specified: %.*s\n", (int)size, text);
    return 1;
}

static void add_selection(struct sacct *sacct, const char *id, size_t id_size, const char *step,
                          size_t step_size)
{
    struct sacct_selection *selection;

    if (sacct->selection_count == sacct->selection_capacity) {
        uint32_t capacity = sacct->selection_capacity == 0 ? 16 : sacct->selection_capacity * 2;

        sacct->selections = dk_heap.resize(dk_heap.ctx, sacct->selections,
                                           sacct->selection_capacity * sizeof(*selection),
                                           capacity * sizeof(*selection));
        sacct->selection_capacity = capacity;
    }
    selection = &sacct->selections[sacct->selection_count++];
    (void)snprintf(selection->id, sizeof(selection->id), "%.*s", (int)id_size, id);
    (void)snprintf(selection->step, sizeof(selection->step), "%.*s", (int)step_size, step);
}

/* 17, 17_3, 17.batch, 17_3.0; what names a step selects it alone */
static int add_jobs(struct sacct *sacct, const char *list)
{
    while (*list != '\0') {
        size_t item = strcspn(list, ", "), digits = strspn(list, "0123456789"), size = digits;

        if (item == 0) {
            list++;
            continue;
        }
        if (size < item && list[size] == '_')
            size += 1 + strspn(list + size + 1, "0123456789");
        if (digits == 0 || digits > 18 || strspn(list, "0") == digits || size > 30 ||
            list[size - 1] == '_' ||
            (size < item && (list[size] != '.' || size + 1 == item || item - size > 30)))
            return bad_id(list, item);
        if (sacct->jobs.size > 0)
            (void)dk_buf_add(&sacct->jobs, ",", 1);
        (void)dk_buf_add(&sacct->jobs, list, size);
        add_selection(sacct, list, size, list + size + (size < item),
                      size < item ? item - size - 1 : 0);
        list += item;
        if (*list != '\0')
            list++;
    }
    return -1;
}

static int take_range(struct sacct_range *range, const char *name, const char *value)
{
    char *end;

    range->is_given = true;
    range->least = range->most = strtoll(value, &end, 10);
    if (*end == '-' && end != value)
        range->most = strtoll(end + 1, &end, 10);
    if (*end == '\0' && end != value && range->least >= 0 && range->most >= range->least)
        return -1;
    return slurm_error("sacct", "--%s wants a number or two of them, 2-4: '%s'", name, value);
}

static int take_minutes(int64_t *minutes, const char *value)
{
    return slurm_minutes_parse(value, minutes)
               ? -1
               : slurm_error("sacct", "Invalid time limit specification: %s", value);
}

static int take_units(struct sacct *sacct, const char *value)
{
    if (value[0] == '\0' || value[1] != '\0' || strchr("KMGTP", value[0]) == NULL) {
        (void)fprintf(stderr, "sacct: fatal: Invalid unit type\n");
        return 1;
    }
    sacct->unit = value[0];
    return -1;
}

static int take_flag(struct sacct *sacct, int id)
{
    switch (id) {
    case OPT_ALL_USERS:
        sacct->is_all_users = true;
        break;
    case OPT_ASSOCIATIONS:
    case OPT_WCKEYS:
        sacct->is_empty = true; /* no job has one */
        break;
    case OPT_BRIEF:
        sacct->is_brief = true;
        break;
    case OPT_DUPLICATES:
        sacct->is_duplicates = true;
        break;
    case OPT_JOBS_ONLY:
        sacct->is_jobs_only = true;
        break;
    case OPT_JSON:
        sacct->is_json = true;
        break;
    case OPT_LONG:
        sacct->is_long = true;
        break;
    case OPT_NOCONVERT:
        sacct->is_raw = true;
        break;
    case OPT_NOHEADER:
        sacct->is_headless = true;
        break;
    case OPT_NOTHING:
        break;
    case OPT_PARSABLE:
        sacct->is_parsable = true;
        sacct->is_parsable2 = false;
        break;
    case OPT_PARSABLE2:
        sacct->is_parsable2 = true;
        sacct->is_parsable = false;
        break;
    case OPT_TRUNCATE:
        sacct->is_truncated = true;
        break;
    case OPT_VERBOSE:
        sacct->is_verbose = true;
        break;
    default:
        return -2;
    }
    return -1;
}

/* What prints something and is done, and what is refused. */
static int take_end(int id, const char *value)
{
    switch (id) {
    case OPT_COMPLETION:
        (void)fputs("Slurm job completion is disabled\n", stderr);
        return 1;
    case OPT_FILE:
        (void)fprintf(stderr, "%s is not a valid file\n", value);
        return 1;
    case OPT_FLAGS:
        return slurm_error("sacct", "--flags is not supported: docket does not keep which of its "
                                    "passes placed a job");
    case OPT_HELP:
        (void)fputs(help, stdout);
        return 0;
    case OPT_HELP_FORMAT:
        sacct_list_fields();
        return 0;
    case OPT_USAGE:
        (void)fputs("Usage: sacct [options]\n\tUse --help for help\n", stdout);
        return 0;
    case OPT_VERSION:
        return slurm_print_version();
    default:
        return -1;
    }
}

/* Where a value is only kept. */
static const char **text_of(struct sacct *sacct, int id)
{
    switch (id) {
    case OPT_ACCOUNTS:
        return &sacct->accounts;
    case OPT_CLUSTERS:
        return &sacct->clusters;
    case OPT_CONSTRAINTS:
        return &sacct->constraints;
    case OPT_DELIMITER:
        return &sacct->delimiter;
    case OPT_FORMAT:
        return &sacct->format;
    case OPT_GROUPS:
        return &sacct->groups;
    case OPT_NAMES:
        return &sacct->names;
    case OPT_NODES:
        return &sacct->nodes;
    case OPT_PARTITIONS:
        return &sacct->partitions;
    case OPT_QOS:
        return &sacct->qos;
    case OPT_SINCE:
        return &sacct->since_text;
    case OPT_STATES:
        return &sacct->states;
    case OPT_UNTIL:
        return &sacct->until_text;
    case OPT_USERS:
        return &sacct->users;
    default:
        return NULL;
    }
}

static int take(struct sacct *sacct, int id, const char *value)
{
    const char **text = text_of(sacct, id);
    int status;

    if (text != NULL) {
        *text = value;
        return -1;
    }
    status = take_flag(sacct, id);
    if (status != -2)
        return status;
    switch (id) {
    case OPT_CORES:
        return take_range(&sacct->core_range, "ncpus", value);
    case OPT_NODE_COUNT:
        return take_range(&sacct->node_range, "nnodes", value);
    case OPT_JOBS:
        return add_jobs(sacct, value);
    case OPT_LIMIT_LEAST:
        sacct->limit_range.is_given = true;
        return take_minutes(&sacct->limit_range.least, value);
    case OPT_LIMIT_MOST:
        return take_minutes(&sacct->limit_range.most, value);
    case OPT_ENVIRONMENT:
        sacct->what = "environment";
        return -1;
    case OPT_SCRIPT:
        sacct->what = "script";
        return -1;
    case OPT_UNITS:
        return take_units(sacct, value);
    default:
        return take_end(id, value);
    }
}

int sacct_parse(struct sacct *sacct, int argc, char **argv)
{
    struct slurm_options options = { .table = option_table, .argc = argc, .argv = argv };
    int id, status;

    while ((id = slurm_options_next(&options)) != SLURM_OPTION_END) {
        if (id == SLURM_OPTION_BAD)
            return 1;
        if (id == SLURM_OPTION_OPERAND) {
            (void)slurm_error("sacct", "Unknown arguments:");
            return slurm_error("sacct", " %s", options.value);
        }
        status = take(sacct, id, options.value);
        if (status >= 0)
            return status;
    }
    if (sacct->limit_range.is_given && sacct->limit_range.most == 0)
        sacct->limit_range.most = sacct->limit_range.least;
    return -1;
}
