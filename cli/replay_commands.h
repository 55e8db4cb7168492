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
    X("log verify", "[URI]", 0, 1,                                                                 \
      "Read a whole log: every checksum, the hash chain, the digest after each batch.\n"           \
      "Checkpoints are held against it as by 'docket audit verify', which see.",                   \
      cli_verify_options, cli_log_verify)                                                          \
    X("log repair", "URI", 1, 1,                                                                   \
      "Set damage aside for good: the events there become a gap that every reader reports.",       \
      cli_log_repair_options, cli_log_repair)                                                      \
    X("log export", "[URI]", 0, 1,                                                                 \
      "Write a log, or a piece of it, as an Avro file that any Avro library reads.\n"              \
      "Batches stay whole, also at both ends of a piece. Every event is in it byte for byte, so "  \
      "that\n"                                                                                     \
      "'docket log import' gives back the same log. Scripts and keys are not in a log.\n"          \
      "example: docket log export --output 2026-11.avro --from 100000",                            \
      cli_log_export_options, cli_log_export)                                                      \
    X("log import", "FILE...", 1, 10000,                                                           \
      "Put exported files back into a new log; a cluster can then run on it.\n"                    \
      "All files of a history, from seq 1 on, in any order. They are checked before anything is\n" \
      "written. The same import again goes on where an interrupted one stopped. Scripts and "      \
      "keys\n"                                                                                     \
      "are not in a log: cluster.key, user.keys and blobs/ are copied from the old folder.\n"      \
      "example: docket log import 2026-*.avro --log file:/var/lib/docket/log",                     \
      cli_log_import_options, cli_log_import)                                                      \
    X("audit verify", "[URI]", 0, 1,                                                               \
      "Decide again, batch by batch, all that a log records, and compare.\n"                       \
      "With --checkpoint, also whether it is the history that was signed: each checkpoint holds, " \
      "or\n"                                                                                       \
      "the log is truncated before it, rewritten, damaged or another one, or it is forged, or "    \
      "of\n"                                                                                       \
      "another key; then the exit status is 5. Without a URI: the log of the cluster.\n"           \
      "example: docket audit verify --checkpoint daily.ckpt --public-key audit.key.pub",           \
      cli_verify_options, cli_audit_verify)                                                        \
    X("audit checkpoint", "[URI]", 0, 1,                                                           \
      "Sign what the log is now, so that any change of its history is found later, offline.\n"     \
      "With --output, added to a file of checkpoints, behind the last one: if the log is not "     \
      "what\n"                                                                                     \
      "was signed there, nothing is signed, and the exit status is 5. Keep file and key where "    \
      "who\n"                                                                                      \
      "can write the log cannot. Without a URI: the log of the cluster.\n"                         \
      "example: docket audit checkpoint --key audit.key --output daily.ckpt",                      \
      cli_audit_checkpoint_options, cli_audit_checkpoint)                                          \
    X("audit keygen", "FILE", 1, 1,                                                                \
      "Make a pair of keys for checkpoints: FILE is the secret one, FILE.pub the public one.\n"    \
      "example: docket audit keygen audit.key",                                                    \
      cli_audit_keygen_options, cli_audit_keygen)                                                  \
    X("replay", "TRACE", 1, 1,                                                                     \
      "Run a workload trace (SWF, plain, .gz or .zst; - is standard input) through the core.\n"    \
      "Or what happened on a cluster: file:DIR/log, kafka://BROKERS/PREFIX, the cluster's "        \
      "folder, "                                                                                   \
      "or\n"                                                                                       \
      "an export of its whole log (.avro). Then machine, configuration and, without options, "     \
      "the\n"                                                                                      \
      "policy are the log's own; jobs keep all that they asked for, but not holds, changes,\n"     \
      "requeues and nodes that were out of service.\n"                                             \
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
    const char *checkpoint, *public_key, *dir;
};

struct checkpoint_options {
    const char *key, *output, *dir;
    bool json;
};

struct keygen_options {
    char none; /* it has none */
};

/* In the order of enum dk_container_codec. */
#define CLI_CODECS "null|deflate|zstandard"

struct export_options {
    const char *output, *dir;
    int64_t from, to;
    int codec;
    bool json;
};

struct import_options {
    const char *log;
    bool json;
};

extern const struct cli_option cli_replay_options[];
extern const struct cli_option cli_generate_options[];
extern const struct cli_option cli_log_cat_options[];
extern const struct cli_option cli_log_stat_options[];
extern const struct cli_option cli_log_repair_options[];
extern const struct cli_option cli_log_export_options[];
extern const struct cli_option cli_log_import_options[];
extern const struct cli_option cli_verify_options[];
extern const struct cli_option cli_audit_checkpoint_options[];
extern const struct cli_option cli_audit_keygen_options[];

int cli_replay(const struct cli_command *command, int argc, char **argv);
int cli_generate(const struct cli_command *command, int argc, char **argv);
int cli_log_cat(const struct cli_command *command, int argc, char **argv);
int cli_log_stat(const struct cli_command *command, int argc, char **argv);
int cli_log_verify(const struct cli_command *command, int argc, char **argv);
int cli_log_repair(const struct cli_command *command, int argc, char **argv);
int cli_log_export(const struct cli_command *command, int argc, char **argv);
int cli_log_import(const struct cli_command *command, int argc, char **argv);
int cli_audit_checkpoint(const struct cli_command *command, int argc, char **argv);
int cli_audit_keygen(const struct cli_command *command, int argc, char **argv);
int cli_audit_verify(const struct cli_command *command, int argc, char **argv);

#endif
