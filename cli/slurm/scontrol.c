/* scontrol.c - the keywords of scontrol; see scontrol.h for where the rest is */
#include "cli/slurm/scontrol.h"

#include "cli/slurm/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* --- what all say alike --- */

const struct scontrol_word *scontrol_find(const struct scontrol_word *words, const char *text)
{
    size_t size = strlen(text);

    for (; words->name != NULL; words++)
        if (size >= words->least && strncasecmp(words->name, text, size) == 0)
            return words;
    return NULL;
}

int scontrol_error(const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    (void)fprintf(stderr, "scontrol: error: ");
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return 1;
}

int scontrol_refuse(const char *what, const char *why)
{
    return scontrol_error("%s is not supported by docket: %s", what, why);
}

int scontrol_failed(const char *call, const struct dk_err *err)
{
    const char *reason = slurm_reason(err);

    (void)fflush(stdout);
    if (reason != err->text)
        (void)scontrol_error("%s", err->text);
    (void)fprintf(stderr, "%s error: %s\n", call, reason);
    return 1;
}

bool scontrol_connect(struct scontrol *scontrol, const char *call)
{
    struct dk_err err;

    if (scontrol->has_session)
        return true;
    if (dk_session_open(&scontrol->session, NULL, &err) != DK_OK)
        return (void)scontrol_failed(call, &err), false;
    scontrol->has_session = true;
    if (scontrol->clusters != NULL &&
        slurm_check_cluster(&scontrol->session, scontrol->clusters, &err) != DK_OK)
        return (void)scontrol_error("%s", err.text), false;
    return true;
}

bool scontrol_ask(struct scontrol *scontrol, const char *call, struct dk_question *question,
                  const char *fields, struct dk_rows *rows)
{
    struct dk_err err;
    bool is_good = scontrol_connect(scontrol, call);

    memset(rows, 0, sizeof(*rows));
    if (is_good && dk_ask_rows(&scontrol->session, question, fields, rows, &err) != DK_OK) {
        (void)scontrol_failed(call, &err);
        is_good = false;
    }
    dk_question_release(question);
    return is_good;
}

bool scontrol_send(struct scontrol *scontrol, const char *call, struct dk_request *request,
                   struct dk_outcome *outcome)
{
    struct dk_err err;

    if (!scontrol_connect(scontrol, call))
        return false;
    if (dk_send(&scontrol->session, request, 1, outcome, 0, &err) == DK_OK)
        return true;
    return (void)scontrol_failed(call, &err), false;
}

/* --- keywords --- */

static int print_help(struct scontrol *scontrol, int argc, char **argv);

static int version(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    (void)argc;
    (void)argv;
    return slurm_print_version();
}

static int quit(struct scontrol *scontrol, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    scontrol->is_over = true;
    return 0;
}

static int details(struct scontrol *scontrol, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    scontrol->details++;
    return 0;
}

static int oneline(struct scontrol *scontrol, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    scontrol->is_oneline = true;
    return 0;
}

static int quiet(struct scontrol *scontrol, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    scontrol->is_quiet = true;
    return 0;
}

static int no_difference(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    (void)argc;
    (void)argv;
    return 0;
}

/* Numbers that scripts know from elsewhere; the texts are those of other messages here. */
static int error_text(struct scontrol *scontrol, int argc, char **argv)
{
    static const struct {
        long number;
        const char *text;
    } texts[] = {
        { 0, "No error" },
        { 2000, "Invalid partition name specified" },
        { 2002, "Access/permission denied" },
        { 2009, "Required partition not available (inactive or drain)" },
        { 2014, "Requested node configuration is not available" },
        { 2015, "Job is no longer pending execution" },
        { 2017, "Invalid job id specified" },
        { 2018, "Invalid node name specified" },
        { 2021, "Job/step already completing or completed" },
        { 2035, "Job dependency problem" },
    };
    long number = strtol(argv[0], NULL, 10);

    (void)scontrol;
    (void)argc;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].number == number)
            return puts(texts[i].text) < 0;
    (void)printf("Unknown error %ld\n", number);
    return 0;
}

static const char why_power[] = "docket manages no power, and reboots nothing";
static const char why_debug[] = "the daemons say what matters in DIR/logs, always";
static const char why_config[] =
    "'docket config apply FILE' changes the configuration, at once and for all";
static const char why_suspend[] = "'scontrol requeue' frees a job's nodes, 'hold' keeps it waiting";

static const struct scontrol_word keywords[] = {
    { "abort", 5, 0, 9, NULL, "kill -9 of 'docketd controller' does it" },
    { "all", 3, 0, 0, no_difference, NULL }, /* no partition is hidden */
    { "cancel_reboot", 8, 0, 9, NULL, why_power },
    { "cluster", 2, 0, 1, no_difference, NULL },
    { "completing", 3, 0, 0, scontrol_completing, NULL },
    { "create", 2, 0, 99, NULL, why_config },
    { "delete", 3, 0, 99, NULL, why_config },
    { "details", 3, 0, 0, details, NULL },
    { "errnumstr", 2, 1, 1, error_text, NULL },
    { "exit", 2, 0, 0, quit, NULL },
    { "fsdampeningfactor", 2, 0, 9, NULL, "it has no fair share yet" },
    { "help", 2, 0, 0, print_help, NULL },
    { "hide", 2, 0, 0, no_difference, NULL },
    { "hold", 4, 1, 100000, scontrol_hold, NULL },
    { "holdu", 5, 1, 100000, scontrol_hold, NULL },
    { "listpids", 1, 0, 9, NULL, "the agent on the node keeps them; see its folder" },
    { "notify", 1, 0, 99, NULL, "a job has no terminal; write to its output" },
    { "oneliner", 1, 0, 0, oneline, NULL },
    { "pidinfo", 3, 0, 9, NULL, "/proc/PID/environ has SLURM_JOB_ID" },
    { "ping", 3, 0, 0, scontrol_ping, NULL },
    { "power", 3, 0, 99, NULL, why_power },
    { "quiet", 4, 0, 0, quiet, NULL },
    { "quit", 4, 0, 0, quit, NULL },
    { "reboot", 3, 0, 99, NULL, why_power },
    { "reconfigure", 3, 0, 0, NULL, why_config },
    { "release", 3, 1, 100000, scontrol_release, NULL },
    { "requeue", 3, 1, 100000, scontrol_requeue, NULL },
    { "requeuehold", 8, 1, 100000, scontrol_requeue_hold, NULL },
    { "resume", 3, 0, 100000, NULL, why_suspend },
    { "schedloglevel", 3, 0, 9, NULL, why_debug },
    { "scontrol", 8, 0, 9, NULL, "one scontrol is enough" },
    { "setdebug", 4, 0, 9, NULL, why_debug },
    { "setdebugflags", 9, 0, 99, NULL, why_debug },
    { "show", 2, 1, 2, scontrol_show, NULL },
    { "shutdown", 8, 0, 9, NULL, "'docketd down' ends a cluster in good order" },
    { "suspend", 2, 0, 100000, NULL, why_suspend },
    { "takeover", 8, 0, 9, NULL, "a new controller takes over by being started" },
    { "token", 5, 0, 9, NULL, "the kernel proves who asks" },
    { "top", 3, 0, 100000, NULL, "operators move a job by 'update JobId=N Nice=-1000'" },
    { "uhold", 3, 1, 100000, scontrol_hold, NULL },
    { "update", 2, 1, 100000, scontrol_update, NULL },
    { "verbose", 4, 0, 0, no_difference, NULL },
    { "version", 4, 0, 0, version, NULL },
    { "wait_job", 4, 1, 1, scontrol_wait_job, NULL },
    { "write", 5, 1, 3, scontrol_write, NULL },
    { 0 },
};

static int print_help(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    (void)argc;
    (void)argv;
    (void)printf(
        "scontrol [OPTION]... [KEYWORD]\n"
        "  -d, --details    more of 'show job'      -o, --oneliner   a record a line\n"
        "  -Q, --quiet      no remarks              -V, --version    print the version\n"
        "  -a, --all, --hide, -F, --future, --local, --federation, --sibling, -M: as there is one\n"
        "  cluster and nothing is hidden, these make no difference\n\n"
        "  show job [ID] | node [NAMES] | partition [NAME] | config | hostnames [LIST] |\n"
        "       hostlist LIST | hostlistsorted LIST | daemons | reservation | licenses\n"
        "  hold, uhold JOBS        keep waiting jobs from starting (ids, or name=NAME)\n"
        "  release JOBS            lift a hold\n"
        "  requeue, requeuehold JOBS   end running jobs and queue them again\n"
        "  update JobId=N NAME=VALUE...      TimeLimit, Partition, Account, JobName, NumNodes,\n"
        "                          NumTasks, CPUsPerTask, MinMemoryNode, MinMemoryCPU, Gres,\n"
        "                          Features, StartTime, Nice, Priority=0, ArrayTaskThrottle, "
        "Comment\n"
        "  update NodeName=LIST State=DRAIN|DOWN|RESUME [Reason=TEXT]\n"
        "  update PartitionName=N State= MaxTime= DefaultTime= MaxNodes= Default= PriorityTier=\n"
        "                          PriorityJobFactor=\n"
        "  write batch_script ID [FILE]      a job's script, into slurm-ID.sh, FILE or - \n"
        "  wait_job ID             until it has its nodes\n"
        "  completing              jobs that are coming to their end\n"
        "  ping                    is the controller there?\n"
        "  errnumstr, version, help, exit\n"
        "Without a keyword they are read from the standard input, one a line.\n"
        "Not supported:");
    for (const struct scontrol_word *word = keywords; word->name != NULL; word++)
        if (word->run == NULL && strcmp(word->name, "scontrol") != 0)
            (void)printf(" %s", word->name);
    (void)printf("\n");
    return 0;
}

static int run_keyword(struct scontrol *scontrol, int argc, char **argv)
{
    const struct scontrol_word *word = scontrol_find(keywords, argv[0]);

    if (word == NULL) {
        (void)fprintf(stderr, "invalid keyword: %s\n", argv[0]);
        return 1;
    }
    if (word->run == NULL)
        return scontrol_refuse(word->name, word->why);
    if (argc - 1 < word->operands_min || argc - 1 > word->operands_max) {
        (void)fprintf(stderr, "too %s arguments for keyword:%s\n",
                      argc - 1 < word->operands_min ? "few" : "many", word->name);
        return 1;
    }
    return word->run(scontrol, argc - 1, argv + 1);
}

/* --- reading keywords from the standard input --- */

enum { WORDS_MAX = 128 };

static int split(char *line, char **words)
{
    int count = 0;
    char *at = line;

    while (count < WORDS_MAX) {
        char quote = 0, *to;

        at += strspn(at, " \t\n");
        if (*at == 0)
            break;
        words[count++] = to = at;
        for (; *at != 0 && (quote != 0 || strchr(" \t\n", *at) == NULL); at++) {
            if (quote != 0 ? *at == quote : *at == '"' || *at == '\'')
                quote = quote != 0 ? 0 : *at;
            else
                *to++ = *at;
        }
        at += *at != 0;
        *to = 0;
    }
    return count;
}

static int converse(struct scontrol *scontrol)
{
    char line[8192], *words[WORDS_MAX];
    int status = 0;

    while (!scontrol->is_over) {
        int count;

        (void)printf("scontrol: ");
        (void)fflush(stdout);
        if (fgets(line, sizeof(line), stdin) == NULL) {
            (void)printf("\n");
            break;
        }
        count = split(line, words);
        if (count > 0)
            status = run_keyword(scontrol, count, words);
    }
    return status;
}

/* --- options --- */

enum { FEDERATION = 1, HIDE, LOCAL, SIBLING_OPTION, USAGE_OPTION };

static const struct slurm_option options[] = {
    { "all", 'a', SLURM_NO_ARGUMENT, 'a' },
    { "details", 'd', SLURM_NO_ARGUMENT, 'd' },
    { "federation", 0, SLURM_NO_ARGUMENT, FEDERATION },
    { "future", 'F', SLURM_NO_ARGUMENT, 'F' },
    { "help", 'h', SLURM_NO_ARGUMENT, 'h' },
    { "hide", 0, SLURM_NO_ARGUMENT, HIDE },
    { "local", 0, SLURM_NO_ARGUMENT, LOCAL },
    { "cluster", 'M', SLURM_ARGUMENT, 'M' },
    { "clusters", 0, SLURM_ARGUMENT, 'M' },
    { "oneliner", 'o', SLURM_NO_ARGUMENT, 'o' },
    { "quiet", 'Q', SLURM_NO_ARGUMENT, 'Q' },
    { "sibling", 0, SLURM_NO_ARGUMENT, SIBLING_OPTION },
    { "uid", 'u', SLURM_ARGUMENT, 'u' },
    { "usage", 0, SLURM_NO_ARGUMENT, USAGE_OPTION },
    { "verbose", 'v', SLURM_NO_ARGUMENT, 'v' },
    { "version", 'V', SLURM_NO_ARGUMENT, 'V' },
    { 0 },
};

/* Options stand before the keyword or behind it ("show -o nodes"); words are moved to the front of
 * argv. -1: go on. */
static int take_options(struct scontrol *scontrol, int argc, char **argv, int *count)
{
    struct slurm_options reader = { .table = options, .argc = argc, .argv = argv };
    int id;

    *count = 0;
    while ((id = slurm_options_next(&reader)) != SLURM_OPTION_END) {
        switch (id) {
        case SLURM_OPTION_BAD:
            (void)fprintf(stderr, "Try \"scontrol --help\" for more information\n");
            return 1;
        case SLURM_OPTION_OPERAND:
            argv[(*count)++] = argv[reader.at - 1];
            /* What follows `update` may begin with a dash: Nice=-5 does not, but Reason=... -x. */
            if (*count == 1 && strncasecmp(argv[0], "up", 2) == 0)
                reader.is_over = true;
            break;
        case 'd':
            scontrol->details++;
            break;
        case 'h':
        case USAGE_OPTION:
            return print_help(scontrol, 0, NULL);
        case 'M':
            scontrol->clusters = reader.value;
            break;
        case 'o':
            scontrol->is_oneline = true;
            break;
        case 'Q':
            scontrol->is_quiet = true;
            break;
        case 'u':
            return scontrol_refuse("--uid", "everybody acts as who they are");
        case 'V':
            return slurm_print_version();
        default:
            break;
        }
    }
    return -1;
}

int slurm_scontrol(int argc, char **argv)
{
    struct scontrol scontrol = { .details = 0 };
    int count, status = take_options(&scontrol, argc, argv, &count);

    if (status < 0)
        status = count == 0 ? converse(&scontrol) : run_keyword(&scontrol, count, argv);
    if (scontrol.has_session)
        dk_session_close(&scontrol.session);
    return status;
}
