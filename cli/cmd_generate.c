/* cmd_generate.c - docket generate */
#include "cli/replay_commands.h"
#include "replay/lublin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int write_trace(const struct dk_trace *trace, const struct generate_options *options)
{
    bool is_stdout = strcmp(options->output, "-") == 0;
    FILE *file = is_stdout ? stdout : fopen(options->output, "w");
    enum dk_status status;
    struct dk_err err;
    bool is_bad;

    if (file == NULL) {
        (void)dk_fail(&err, DK_IO, "'%s' cannot be written: %s", options->output, strerror(errno));
        return cli_fail(&err);
    }
    is_bad =
        fprintf(file,
                "; Version: 2.2\n"
                "; Note: made by docket generate --jobs %lld --procs %lld --seed %lld --load %lld\n"
                "; Note: model of U. Lublin and D. G. Feitelson, JPDC 63(11), 2003\n",
                (long long)options->jobs, (long long)options->procs, (long long)options->seed,
                (long long)options->load) < 0;
    status = dk_trace_write(trace, file);
    if (is_stdout)
        return CLI_EXIT_OK; /* cli_finish looks after it */
    is_bad = is_bad || status != DK_OK || fflush(file) != 0;
    is_bad = fclose(file) != 0 || is_bad;
    if (is_bad) {
        (void)dk_fail(&err, DK_IO, "'%s' cannot be written: %s", options->output, strerror(errno));
        return cli_fail(&err);
    }
    return CLI_EXIT_OK;
}

int cli_generate(const struct cli_command *command, int argc, char **argv)
{
    struct generate_options options;
    struct dk_trace trace;
    int operands, status = cli_parse(command, argc, argv, &options, &operands);

    if (status != CLI_GO_ON)
        return status;
    dk_lublin_generate(&trace,
                       &(struct dk_lublin_options){ .jobs = (uint32_t)options.jobs,
                                                    .procs = (int32_t)options.procs,
                                                    .seed = (uint64_t)options.seed,
                                                    .load_percent = (uint32_t)options.load,
                                                    .exact_estimates = options.estimates == 1 },
                       &dk_heap);
    status = write_trace(&trace, &options);
    dk_trace_release(&trace);
    return status;
}
