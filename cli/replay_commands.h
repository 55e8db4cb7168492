/* replay_commands.h - the commands of docket-replay: what links the core, zstd and libcrypto
 *
 * `docket` knows them by this table, for help, completion and manual pages, and runs
 * docket-replay, which has the functions behind it. The options are in replay_options.c, linked
 * into both.
 */
#ifndef DK_CLI_REPLAY_COMMANDS_H
#define DK_CLI_REPLAY_COMMANDS_H

#include "cli/command.h"

/* In the order of enum dk_policy and enum dk_backfill. */
#define CLI_POLICIES "fcfs|sjf|wfp3|unicep|f1|multifactor"
#define CLI_BACKFILLS "none|easy|conservative|conservative-keep"

/* name, operands, how many, what it does, options, function */
#define CLI_REPLAY_COMMANDS(X)                                                                     \
    X("log cat", "[URI]", 0, 1,                                                                    \
      "Print the events of a log, one line of JSON each.\n"                                        \
      "Without a URI: the log of the cluster, where one may read it.\n"                            \
      "example: docket log cat --type JobPlaced --from 1000",                                      \
      cli_log_cat_options, cli_log_cat)                                                            \
    X("log stat", "URI", 1, 1, "Count what is in a log.", cli_log_stat_options, cli_log_stat)      \
    X("log verify", "URI", 1, 1,                                                                   \
      "Read a whole log: every checksum, the hash chain, the digest after each batch.",            \
      cli_verify_options, cli_log_verify)                                                          \
    X("log repair", "URI", 1, 1,                                                                   \
      "Set damage aside for good: the events there become a gap that every reader reports.",       \
      cli_log_repair_options, cli_log_repair)                                                      \
    X("audit verify", "URI", 1, 1,                                                                 \
      "Decide again, batch by batch, all that a log records, and compare.", cli_verify_options,    \
      cli_audit_verify)                                                                            \
    X("replay", "TRACE", 1, 1,                                                                     \
      "Run a workload trace (SWF, plain, .gz or .zst; - is standard input) through the core.\n"    \
      "Or what happened on a cluster: file:DIR/log, or the cluster's folder. Then machine,\n"      \
      "configuration and, without options, the policy are the log's own; jobs keep all that "      \
      "they\n"                                                                                     \
      "asked for, but not holds, changes, requeues and nodes that were out of service.\n"          \
      "example: docket replay file:/var/lib/docket/log --compare fcfs:easy,sjf:easy",              \
      cli_replay_options, cli_replay)                                                              \
    X("generate", "", 0, 0, "Make a workload trace by the Lublin-Feitelson model (2003).",         \
      cli_generate_options, cli_generate)

struct replay_options {
    int policy, backfill, processors, estimates;
    int64_t depth, procs, nodes, cores_per_node, memory_per_node, gpus_per_node, jobs_parallel;
    int64_t age_max, weight_age, weight_size, weight_partition;
    bool run_over, json;
    const char *compare, *log, *starts;
};

struct generate_options {
    int64_t jobs, procs, seed, load;
    int estimates;
    const char *output;
};

struct cat_options {
    int64_t from, to;
    const char *type, *dir;
    bool skip_gaps;
};

struct stat_options {
    bool json;
};

struct repair_options {
    int64_t seq;
    const char *why;
};

struct verify_options {
    bool json;
};

extern const struct cli_option cli_replay_options[];
extern const struct cli_option cli_generate_options[];
extern const struct cli_option cli_log_cat_options[];
extern const struct cli_option cli_log_stat_options[];
extern const struct cli_option cli_log_repair_options[];
extern const struct cli_option cli_verify_options[];

int cli_replay(const struct cli_command *command, int argc, char **argv);
int cli_generate(const struct cli_command *command, int argc, char **argv);
int cli_log_cat(const struct cli_command *command, int argc, char **argv);
int cli_log_stat(const struct cli_command *command, int argc, char **argv);
int cli_log_verify(const struct cli_command *command, int argc, char **argv);
int cli_log_repair(const struct cli_command *command, int argc, char **argv);
int cli_audit_verify(const struct cli_command *command, int argc, char **argv);

#endif
