/* replay_options.c - the options of replay_commands.h */
#include "cli/replay_commands.h"

#define REPLAY_AT(field) offsetof(struct replay_options, field)

const struct cli_option cli_replay_options[] = {
    { "--policy", CLI_CHOICE, CLI_POLICIES, REPLAY_AT(policy), "fcfs", 0, 0,
      "order of the queue; of a log without: its own" },
    { "--backfill", CLI_CHOICE, CLI_BACKFILLS, REPLAY_AT(backfill), "easy", 0, 0,
      "how jobs pass the first that does not fit; of a log without: its own" },
    { "--depth", CLI_NUMBER, "JOBS", REPLAY_AT(depth), "0", 0, INT32_MAX,
      "most candidates a pass examines behind the first blocked job; 0: all" },
    { "--compare", CLI_TEXT, "LIST", REPLAY_AT(compare), NULL, 0, 0,
      "several policies side by side: POLICY or POLICY:BACKFILL, joined by commas" },
    { "--jobs-parallel", CLI_NUMBER, "N", REPLAY_AT(jobs_parallel), "0", 0, 256,
      "how many of --compare run at once; 0: as many as there are processors" },
    { "--procs", CLI_NUMBER, "N", REPLAY_AT(procs), NULL, 1, INT32_MAX,
      "processors of the machine; without: the trace's MaxProcs, else MaxNodes" },
    { "--nodes", CLI_NUMBER, "N", REPLAY_AT(nodes), NULL, 1, 1 << 24,
      "nodes, with --cores-per-node" },
    { "--cores-per-node", CLI_NUMBER, "N", REPLAY_AT(cores_per_node), NULL, 1, 1 << 20,
      "cores of each node" },
    { "--memory-per-node", CLI_NUMBER, "MIB", REPLAY_AT(memory_per_node), NULL, 1, INT64_C(1) << 40,
      "memory of each node; makes the trace's memory requests count" },
    { "--gpus-per-node", CLI_NUMBER, "N", REPLAY_AT(gpus_per_node), NULL, 0, 1 << 16,
      "GPUs of each node" },
    { "--run-over", CLI_FLAG, NULL, REPLAY_AT(run_over), NULL, 0, 0,
      "jobs run as long as recorded; without: they are ended at their requested time" },
    { "--processors", CLI_CHOICE, "requested|allocated", REPLAY_AT(processors), "requested", 0, 0,
      "the size of a job: the field that is looked at first" },
    { "--estimates", CLI_CHOICE, "requested|exact", REPLAY_AT(estimates), "requested", 0, 0,
      "the length a job is planned with; exact: its run time" },
    { "--age-max", CLI_NUMBER, "SECONDS", REPLAY_AT(age_max), "604800", 1, INT64_C(1) << 32,
      "multifactor: the age at which the age factor is 1" },
    { "--weight-age", CLI_NUMBER, "N", REPLAY_AT(weight_age), "1000", 0, 1000000, "multifactor" },
    { "--weight-size", CLI_NUMBER, "N", REPLAY_AT(weight_size), "1000", 0, 1000000, "multifactor" },
    { "--weight-partition", CLI_NUMBER, "N", REPLAY_AT(weight_partition), "1000", 0, 1000000,
      "multifactor" },
    { "--starts", CLI_TEXT, "FILE", REPLAY_AT(starts), NULL, 0, 0,
      "write job,start,end of each job, in seconds of the trace; - is standard output" },
    { "--log", CLI_TEXT, "URI", REPLAY_AT(log), NULL, 0, 0,
      "write a log into file:DIR, which must be new" },
    { "--json", CLI_FLAG, NULL, REPLAY_AT(json), NULL, 0, 0, "one JSON object, times in seconds" },
    { 0 },
};

#define GENERATE_AT(field) offsetof(struct generate_options, field)

const struct cli_option cli_generate_options[] = {
    { "--jobs", CLI_NUMBER, "N", GENERATE_AT(jobs), "10000", 1, 100000000, "how many jobs" },
    { "--procs", CLI_NUMBER, "N", GENERATE_AT(procs), "256", 1, INT32_MAX,
      "processors of the machine" },
    { "--seed", CLI_NUMBER, "N", GENERATE_AT(seed), "1", 0, INT64_MAX,
      "the same seed gives the same trace on every machine" },
    { "--load", CLI_NUMBER, "PERCENT", GENERATE_AT(load), NULL, 1, 10000,
      "stretch the distances between jobs to this offered load; without: as the model has them" },
    { "--estimates", CLI_CHOICE, "factor|exact", GENERATE_AT(estimates), "factor", 0, 0,
      "requested times: 1 to 5 times the run time, rounded up to usual values; or the run time" },
    { "--output", CLI_TEXT, "FILE", GENERATE_AT(output), "-", 0, 0,
      "where to write; - is standard output" },
    { 0 },
};

#define CAT(field) offsetof(struct cat_options, field)

const struct cli_option cli_log_cat_options[] = {
    { "--from", CLI_NUMBER, "SEQ", CAT(from), "1", 1, INT64_MAX, "first event" },
    { "--to", CLI_NUMBER, "SEQ", CAT(to), NULL, 1, INT64_MAX, "last event; without: to the end" },
    { "--type", CLI_TEXT, "TYPE", CAT(type), NULL, 0, 0,
      "only events of this type, e.g. JobPlaced" },
    { "--skip-gaps", CLI_FLAG, NULL, CAT(skip_gaps), NULL, 0, 0,
      "go on over gaps that an operator has made by a repair, and say which" },
    { "--dir", CLI_TEXT, "DIR", CAT(dir), NULL, 0, 0,
      "without a URI: the cluster's folder; else DOCKET_DIR, else the default place" },
    { 0 },
};

const struct cli_option cli_log_stat_options[] = {
    { "--json", CLI_FLAG, NULL, offsetof(struct stat_options, json), NULL, 0, 0,
      "one JSON object" },
    { 0 },
};

#define REPAIR(field) offsetof(struct repair_options, field)

const struct cli_option cli_log_repair_options[] = {
    { "--seq", CLI_NUMBER, "SEQ", REPAIR(seq), NULL, 1, INT64_MAX,
      "where a reader stops, as its message says; required" },
    { "--why", CLI_TEXT, "TEXT", REPAIR(why), NULL, 0, 0, "the reason, kept in the log; required" },
    { 0 },
};

#define EXPORT(field) offsetof(struct export_options, field)

const struct cli_option cli_log_export_options[] = {
    { "--output", CLI_TEXT, "FILE", EXPORT(output), NULL, 0, 0, "the file to write; required" },
    { "--from", CLI_NUMBER, "SEQ", EXPORT(from), "1", 1, INT64_MAX,
      "begin with the batch that has this event" },
    { "--to", CLI_NUMBER, "SEQ", EXPORT(to), NULL, 1, INT64_MAX,
      "end with the batch that has this event; without: at the end" },
    { "--codec", CLI_CHOICE, CLI_CODECS, EXPORT(codec), "deflate", 0, 0,
      "how blocks are compressed; every Avro library has null and deflate" },
    { "--json", CLI_FLAG, NULL, EXPORT(json), NULL, 0, 0, "one JSON object" },
    { "--dir", CLI_TEXT, "DIR", EXPORT(dir), NULL, 0, 0,
      "without a URI: the cluster's folder; else DOCKET_DIR, else the default place" },
    { 0 },
};

#define IMPORT(field) offsetof(struct import_options, field)

const struct cli_option cli_log_import_options[] = {
    { "--log", CLI_TEXT, "URI", IMPORT(log), NULL, 0, 0,
      "the new log: file:DIR or kafka://BROKERS/PREFIX; required" },
    { "--json", CLI_FLAG, NULL, IMPORT(json), NULL, 0, 0, "one JSON object" },
    { 0 },
};

#define VERIFY(field) offsetof(struct verify_options, field)

const struct cli_option cli_verify_options[] = {
    { "--checkpoint", CLI_TEXT, "FILES", VERIFY(checkpoint), NULL, 0, 0,
      "files of 'docket audit checkpoint', joined by commas; needs --public-key" },
    { "--public-key", CLI_TEXT, "FILES", VERIFY(public_key), NULL, 0, 0,
      "public keys that checkpoints may be signed with, joined by commas" },
    { "--json", CLI_FLAG, NULL, VERIFY(json), NULL, 0, 0, "one JSON object" },
    { "--dir", CLI_TEXT, "DIR", VERIFY(dir), NULL, 0, 0,
      "without a URI: the cluster's folder; else DOCKET_DIR, else the default place" },
    { 0 },
};

#define CHECKPOINT(field) offsetof(struct checkpoint_options, field)

const struct cli_option cli_audit_checkpoint_options[] = {
    { "--key", CLI_TEXT, "FILE", CHECKPOINT(key), NULL, 0, 0,
      "the secret key, made by 'docket audit keygen'; required" },
    { "--output", CLI_TEXT, "FILE", CHECKPOINT(output), NULL, 0, 0,
      "add it to this file; without: to the standard output" },
    { "--json", CLI_FLAG, NULL, CHECKPOINT(json), NULL, 0, 0, "print the checkpoint itself" },
    { "--dir", CLI_TEXT, "DIR", CHECKPOINT(dir), NULL, 0, 0,
      "without a URI: the cluster's folder; else DOCKET_DIR, else the default place" },
    { 0 },
};

const struct cli_option cli_audit_keygen_options[] = {
    { 0 },
};
