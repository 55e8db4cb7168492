/* squeue_options.c - what squeue may be told, by options and by the environment */
#include "cli/slurm/options.h"
#include "cli/slurm/slurm.h"
#include "cli/slurm/squeue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option {
    OPT_ACCOUNT = 1,
    OPT_ALL,
    OPT_ARRAY,
    OPT_CLUSTERS,
    OPT_FORMAT,
    OPT_FORMAT_LONG,
    OPT_HELP,
    OPT_ITERATE,
    OPT_JOBS,
    OPT_JSON,
    OPT_LICENSES,
    OPT_LONG,
    OPT_ME,
    OPT_NAMES,
    OPT_NOCONVERT,
    OPT_NODES,
    OPT_NOHEADER,
    OPT_NOTHING,
    OPT_PARTITION,
    OPT_QOS,
    OPT_RESERVATION,
    OPT_SORT,
    OPT_START,
    OPT_STATES,
    OPT_STEPS,
    OPT_USAGE,
    OPT_USERS,
    OPT_VERBOSE,
    OPT_VERSION
};

/* OPT_NOTHING: there is nothing that it could change. No partition is hidden, a job has one
 * partition, a cluster stands alone, and a waiting array is one row already. */
static const struct slurm_option option_table[] = {
    { "account", 'A', SLURM_ARGUMENT, OPT_ACCOUNT },
    { "accounts", 0, SLURM_ARGUMENT, OPT_ACCOUNT },
    { "all", 'a', SLURM_NO_ARGUMENT, OPT_ALL },
    { "array", 'r', SLURM_NO_ARGUMENT, OPT_ARRAY },
    { "array-unique", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "cluster", 'M', SLURM_ARGUMENT, OPT_CLUSTERS },
    { "clusters", 0, SLURM_ARGUMENT, OPT_CLUSTERS },
    { "federation", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "format", 'o', SLURM_ARGUMENT, OPT_FORMAT },
    { "Format", 'O', SLURM_ARGUMENT, OPT_FORMAT_LONG },
    { "help", 0, SLURM_NO_ARGUMENT, OPT_HELP },
    { "hide", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "iterate", 'i', SLURM_ARGUMENT, OPT_ITERATE },
    { "job", 0, SLURM_ARGUMENT_MAYBE, OPT_JOBS },
    { "jobs", 'j', SLURM_ARGUMENT_MAYBE, OPT_JOBS },
    { "json", 0, SLURM_NO_ARGUMENT, OPT_JSON },
    { "licenses", 'L', SLURM_ARGUMENT, OPT_LICENSES },
    { "local", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "long", 'l', SLURM_NO_ARGUMENT, OPT_LONG },
    { "me", 0, SLURM_NO_ARGUMENT, OPT_ME },
    { "name", 'n', SLURM_ARGUMENT, OPT_NAMES },
    { "names", 0, SLURM_ARGUMENT, OPT_NAMES },
    { "noconvert", 0, SLURM_NO_ARGUMENT, OPT_NOCONVERT },
    { "node", 0, SLURM_ARGUMENT, OPT_NODES },
    { "nodelist", 'w', SLURM_ARGUMENT, OPT_NODES },
    { "nodes", 0, SLURM_ARGUMENT, OPT_NODES },
    { "noheader", 'h', SLURM_NO_ARGUMENT, OPT_NOHEADER },
    { "partition", 'p', SLURM_ARGUMENT, OPT_PARTITION },
    { "partitions", 0, SLURM_ARGUMENT, OPT_PARTITION },
    { "priority", 'P', SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "qos", 'q', SLURM_ARGUMENT, OPT_QOS },
    { "reservation", 'R', SLURM_ARGUMENT, OPT_RESERVATION },
    { "sibling", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "sort", 'S', SLURM_ARGUMENT, OPT_SORT },
    { "start", 0, SLURM_NO_ARGUMENT, OPT_START },
    { "state", 0, SLURM_ARGUMENT, OPT_STATES },
    { "states", 't', SLURM_ARGUMENT, OPT_STATES },
    { "step", 0, SLURM_ARGUMENT_MAYBE, OPT_STEPS },
    { "steps", 's', SLURM_ARGUMENT_MAYBE, OPT_STEPS },
    { "usage", 0, SLURM_NO_ARGUMENT, OPT_USAGE },
    { "user", 'u', SLURM_ARGUMENT, OPT_USERS },
    { "users", 0, SLURM_ARGUMENT, OPT_USERS },
    { "verbose", 'v', SLURM_NO_ARGUMENT, OPT_VERBOSE },
    { "version", 'V', SLURM_NO_ARGUMENT, OPT_VERSION },
    { "yaml", 0, SLURM_NO_ARGUMENT, OPT_JSON },
    { NULL, 0, SLURM_NO_ARGUMENT, 0 },
};

static const char usage[] =
    "Usage: squeue [-A account] [--clusters names] [-i seconds] [--job jobid]\n"
    "              [-n name] [-o format] [-p partitions] [--qos qos]\n"
    "              [--reservation reservation] [--sort fields] [--start]\n"
    "              [--step step_id] [-t states] [-u user_name] [--usage]\n"
    "              [-L licenses] [-w nodes] [--federation] [--local] [--sibling]\n"
    "              [-ahjlrsv]\n";

static const char help[] =
    "Usage: squeue [OPTIONS]\n"
    "  -A, --account=accounts      jobs of these accounts (names joined by commas)\n"
    "  -a, --all                   jobs of hidden partitions too (none is hidden)\n"
    "      --array-unique          one line for the waiting rest of an array (as always)\n"
    "      --federation, --sibling, --local    a docket cluster stands alone\n"
    "  -h, --noheader              no heading\n"
    "      --hide                  no jobs of hidden partitions (none is hidden)\n"
    "  -i, --iterate=seconds       again and again\n"
    "  -j, --jobs=ids              these jobs: 17,18_3\n"
    "      --json                  JSON, in the shape of Slurm 22.05\n"
    "  -l, --long                  more columns\n"
    "  -L, --licenses=names        jobs that use licenses (none does)\n"
    "  -M, --clusters=name         the cluster to ask\n"
    "      --me                    my jobs\n"
    "  -n, --name=names            jobs of these names\n"
    "      --noconvert             sizes in the unit they have (2048M stays 2048M)\n"
    "  -o, --format=format         columns by letters: \"%.18i %.9P %R\"\n"
    "  -O, --Format=format         columns by names: JobID:10,Name:.8\n"
    "  -p, --partition=names       jobs in these partitions\n"
    "  -P, --priority              one line for each partition of a job (it has one)\n"
    "  -q, --qos=names             jobs of these QOS (all are of 'normal')\n"
    "  -R, --reservation=name      jobs of a reservation (there is none)\n"
    "  -r, --array                 one line for each task of an array\n"
    "  -s, --steps[=steps]         running steps: -s17.batch\n"
    "  -S, --sort=fields           by letters of -o; default P,t,-p\n"
    "      --start                 when waiting jobs are expected to start\n"
    "  -t, --states=states         jobs in these states, long or short names; 'all'\n"
    "  -u, --user=users            jobs of these users, names or numbers\n"
    "  -v, --verbose               say what is asked\n"
    "  -V, --version               the version of Slurm whose face this is\n"
    "  -w, --nodelist=nodes        jobs on these nodes: n[1-3,7]\n"
    "      --yaml                  the same as --json, which is YAML too\n"
    "\nHelp options:\n"
    "  --help                      show this help message\n"
    "  --usage                     a brief summary\n";

static int fail_usage(void)
{
    (void)fprintf(stderr, "Try \"squeue --help\" for more information\n");
    return 1;
}

void squeue_from_environment(struct squeue *squeue)
{
    squeue->accounts = getenv("SQUEUE_ACCOUNT");
    squeue->is_array = getenv("SQUEUE_ARRAY") != NULL;
    squeue->names = getenv("SQUEUE_NAMES");
    squeue->format = getenv("SQUEUE_FORMAT");
    squeue->format_long = getenv("SQUEUE_FORMAT2");
    squeue->licenses = getenv("SQUEUE_LICENSES");
    squeue->partitions = getenv("SQUEUE_PARTITION");
    squeue->qos = getenv("SQUEUE_QOS");
    squeue->sort = getenv("SQUEUE_SORT");
    squeue->states = getenv("SQUEUE_STATES");
    squeue->users = getenv("SQUEUE_USERS");
    squeue->clusters = getenv("SLURM_CLUSTERS");
}

/* 17 or 17_3; its size, 0: neither */
size_t squeue_job_id_size(const char *text)
{
    size_t size = strspn(text, "0123456789"), task;

    if (size == 0 || size > 18 || strspn(text, "0") == size)
        return 0;
    if (text[size] != '_')
        return size;
    task = strspn(text + size + 1, "0123456789");
    return task == 0 || task > 9 ? 0 : size + 1 + task;
}

static bool add_jobs(struct squeue *squeue, const char *list)
{
    while (*list != '\0') {
        size_t item = strcspn(list, ", "), size = squeue_job_id_size(list);

        if (item > 0 && size != item) {
            (void)slurm_error("squeue", "Invalid job id: %.*s", (int)item, list);
            return false;
        }
        if (item > 0) {
            if (squeue->jobs.size > 0)
                (void)dk_buf_add(&squeue->jobs, ",", 1);
            (void)dk_buf_add(&squeue->jobs, list, item);
            squeue->job_count++;
            if (memchr(list, '_', item) != NULL)
                squeue->is_array = true; /* one task of the waiting rest */
        }
        list += item;
        if (*list != '\0')
            list++;
    }
    return true;
}

static int bad_iterate(const char *value)
{
    return slurm_error("squeue", "--iterate=%s", value);
}

/* The exit status, or -1: go on. */
static int take(struct squeue *squeue, int id, const char *value)
{
    char *end;

    switch (id) {
    case OPT_ACCOUNT:
        squeue->accounts = value;
        break;
    case OPT_ARRAY:
        squeue->is_array = true;
        break;
    case OPT_CLUSTERS:
        squeue->clusters = value;
        break;
    case OPT_FORMAT:
        squeue->format = value;
        squeue->format_long = NULL;
        break;
    case OPT_FORMAT_LONG:
        squeue->format_long = value;
        squeue->format = NULL;
        break;
    case OPT_ITERATE:
        squeue->iterate_s = strtol(value, &end, 10);
        if (*end != '\0' || squeue->iterate_s <= 0)
            return bad_iterate(value);
        break;
    case OPT_JOBS:
        squeue->has_jobs = true;
        return value != NULL && !add_jobs(squeue, value) ? 1 : -1;
    case OPT_JSON:
        squeue->is_json = true;
        break;
    case OPT_LICENSES:
        squeue->licenses = value;
        break;
    case OPT_LONG:
        squeue->is_long = true;
        break;
    case OPT_ME:
        squeue->is_me = true;
        break;
    case OPT_NAMES:
        squeue->names = value;
        break;
    case OPT_NOCONVERT:
        squeue->is_raw = true;
        break;
    default:
        return -2;
    }
    return -1;
}

static int take_more(struct squeue *squeue, int id, const char *value)
{
    switch (id) {
    case OPT_NODES:
        squeue->nodes = value;
        break;
    case OPT_NOHEADER:
        squeue->is_headless = true;
        break;
    case OPT_PARTITION:
        squeue->partitions = value;
        break;
    case OPT_QOS:
        squeue->qos = value;
        break;
    case OPT_RESERVATION:
        squeue->reservation = value;
        break;
    case OPT_SORT:
        squeue->sort = value;
        break;
    case OPT_START:
        squeue->is_start = true;
        break;
    case OPT_STATES:
        squeue->states = value;
        break;
    case OPT_STEPS:
        squeue->has_steps = true;
        squeue->steps = value;
        break;
    case OPT_USERS:
        squeue->users = value;
        break;
    case OPT_VERBOSE:
        squeue->is_verbose = true;
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
        break; /* OPT_ALL, OPT_NOTHING */
    }
    return -1;
}

int squeue_parse(struct squeue *squeue, int argc, char **argv)
{
    struct slurm_options options = { .table = option_table, .argc = argc, .argv = argv };
    int id, waiting = 0; /* -j and -s take the argument after them too */

    while ((id = slurm_options_next(&options)) != SLURM_OPTION_END) {
        int status;

        if (id == SLURM_OPTION_BAD)
            return fail_usage();
        if (id == SLURM_OPTION_OPERAND) {
            if (waiting == 0) {
                (void)slurm_error("squeue", "Unrecognized option: %s", options.value);
                (void)fputs(usage, stdout);
                return 1;
            }
            id = waiting;
        }
        status = take(squeue, id, options.value);
        if (status == -2)
            status = take_more(squeue, id, options.value);
        if (status >= 0)
            return status;
        waiting = (id == OPT_JOBS || id == OPT_STEPS) && options.value == NULL ? id : 0;
    }
    return -1;
}
