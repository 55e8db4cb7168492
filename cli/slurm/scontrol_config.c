/* scontrol_config.c - scontrol show config, and update PartitionName=
 *
 * docket's configuration is one event that replaces the last. What Slurm has as settings of a
 * partition is changed by reading the whole, changing the one partition and applying the whole
 * again, so that it stands in 'docket config history' with who did it.
 */
#include "cli/slurm/scontrol_config.h"

#include "cli/config_tree.h"
#include "cli/slurm/times.h"
#include "cli/submission_values.h"
#include "net/hostlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ARRAY_SIZE_MAX = 4000001 }; /* without a limit of the site: the core's own */
#define UNLIMITED_US (INT64_C(36525) * 86400 * SLURM_SECOND_US)

static int64_t config_seq(struct scontrol *scontrol)
{
    struct dk_question question;
    struct dk_rows rows;
    int64_t seq = 0;

    dk_question_init(&question, "/v1/config/history");
    if (scontrol_ask(scontrol, "slurm_load_ctl_conf", &question, "seq", &rows))
        for (uint32_t row = 0; row < rows.rows; row++)
            if (dk_cell_number(&rows, row, 0, 0) > seq)
                seq = dk_cell_number(&rows, row, 0, 0);
    dk_rows_release(&rows);
    return seq;
}

bool scontrol_fetch_config(struct scontrol *scontrol, struct dk_cluster_config *config,
                           struct dk_arena *arena, int64_t *seq)
{
    struct dk_question question;
    struct dk_buf body;
    struct dk_err err;
    bool is_good = scontrol_connect(scontrol, "slurm_load_ctl_conf");

    if (!is_good)
        return false;
    if (seq != NULL)
        *seq = config_seq(scontrol);
    dk_question_init(&question, "/v1/config");
    dk_buf_init(&body, &dk_heap, (size_t)1 << 28);
    if (dk_ask_body(&scontrol->session, &question, NULL, &body, NULL, &err) != DK_OK ||
        config_from_json(&body, config, arena, &err) != DK_OK) {
        (void)scontrol_failed("slurm_load_ctl_conf", &err);
        is_good = false;
    }
    /* The texts were copied into the arena. */
    dk_buf_release(&body);
    dk_question_release(&question);
    return is_good;
}

/* --- show config --- */

static void add_text(struct dk_buf *out, const char *key, struct dk_text value)
{
    if (value.size == 0)
        scontrol_add(out, "%-23s = (null)\n", key);
    else
        scontrol_add(out, "%-23s = %.*s\n", key, (int)value.size, value.data);
}

static void add_word(struct dk_buf *out, const char *key, const char *value)
{
    scontrol_add(out, "%-23s = %s\n", key, value);
}

static void add_number(struct dk_buf *out, const char *key, int64_t value, const char *unit)
{
    scontrol_add(out, "%-23s = %lld%s\n", key, (long long)value, unit);
}

static int64_t seconds(int64_t us)
{
    return us / SLURM_SECOND_US;
}

/* Slurm's keys that mean something here, in its order; what has no meaning is left out, so that
 * nobody takes a made-up value for a setting. */
static void add_config(struct dk_buf *out, const struct dk_cluster_config *config,
                       const struct dk_place *place)
{
    bool is_multifactor = config->policy.policy == DK_POLICY_MULTIFACTOR;

    add_word(out, "AccountingStorageEnforce", config->limits_count > 0 ? "limits" : "none");
    add_word(out, "AccountingStorageType", "docket");
    add_word(out, "AuthType", "auth/none");
    add_text(out, "ClusterName", config->cluster);
    add_text(out, "Epilog", config->epilog);
    add_word(out, "FirstJobId", "1");
    add_word(out, "JobRequeue", "1");
    add_number(out, "KillWait", seconds(config->kill_wait_us), " sec");
    add_text(out, "MailProg", config->mail_program);
    add_number(out, "MaxArraySize",
               config->array_tasks_max > 0 ? config->array_tasks_max : ARRAY_SIZE_MAX, "");
    if (config->jobs_active_max > 0)
        add_number(out, "MaxJobCount", config->jobs_active_max, "");
    else
        add_word(out, "MaxJobCount", "UNLIMITED");
    add_number(out, "MinJobAge", seconds(config->ended_visible_us), " sec");
    add_word(out, "MpiDefault", "none");
    add_word(out, "PreemptMode", "OFF");
    if (is_multifactor)
        add_number(out, "PriorityMaxAge", seconds(config->policy.age_us_max), " sec");
    add_word(out, "PriorityType", is_multifactor ? "priority/multifactor" : "priority/basic");
    if (is_multifactor) {
        add_number(out, "PriorityWeightAge", config->policy.weight_age, "");
        add_number(out, "PriorityWeightJobSize", config->policy.weight_size, "");
        add_number(out, "PriorityWeightPartition", config->policy.weight_partition, "");
    }
    add_text(out, "Prolog", config->prolog);
    add_word(out, "PropagateResourceLimits", "NONE");
    add_word(out, "SchedulerType",
             config->policy.backfill == DK_BACKFILL_NONE ? "sched/builtin" : "sched/backfill");
    add_word(out, "SelectType", "select/cons_tres");
    add_word(out, "SelectTypeParameters", "CR_CORE_MEMORY");
    if (config->policy.beat_timeout_us > 0)
        add_number(out, "SlurmdTimeout", seconds(config->policy.beat_timeout_us), " sec");
    add_word(out, "SLURM_CONF", place->dir);
    add_word(out, "SLURM_VERSION", "22.05.8");
    add_word(out, "StateSaveLocation", place->log_dir);
    add_word(out, "TrackWCKey", "No");
}

int scontrol_show_config(struct scontrol *scontrol, int argc, char **argv)
{
    struct dk_cluster_config config;
    struct dk_arena arena;
    struct slurm_dates dates;
    struct dk_buf out;
    int status = 1;

    (void)argc;
    (void)argv;
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&out, &dk_heap, 1 << 20);
    if (scontrol_fetch_config(scontrol, &config, &arena, NULL)) {
        slurm_dates_init(&dates, slurm_now_us());
        (void)dk_buf_add_text(&out, "Configuration data as of ");
        slurm_add_date(&out, &dates, slurm_now_us());
        (void)dk_buf_add_text(&out, "\n");
        add_config(&out, &config, &scontrol->session.place);
        (void)dk_buf_add_text(&out, "\n");
        scontrol_print(&out);
        (void)scontrol_ping(scontrol, 0, NULL);
        status = 0;
    }
    dk_buf_release(&out);
    dk_arena_release(&arena);
    return status;
}

/* --- update PartitionName= --- */

static bool set_limit(const char *value, int64_t *limit_us)
{
    int64_t minutes;

    if (strcasecmp(value, "NONE") == 0 || !slurm_minutes_parse(value, &minutes)) {
        *limit_us = 0;
        return strcasecmp(value, "NONE") == 0;
    }
    *limit_us = minutes > UNLIMITED_US / 60 / SLURM_SECOND_US ? 0 : minutes * 60 * SLURM_SECOND_US;
    return true;
}

static bool set_number(const char *value, int32_t most, int32_t *number)
{
    int64_t wide;

    if (strcasecmp(value, "UNLIMITED") == 0 || strcasecmp(value, "INFINITE") == 0)
        return *number = 0, true;
    if (!dk_value_number(value, 0, most, &wide))
        return false;
    *number = (int32_t)wide;
    return true;
}

static bool set_state(const char *value, enum dk_partition_state *state)
{
    static const struct {
        const char *word;
        enum dk_partition_state state;
    } words[] = { { "UP", DK_PARTITION_STATE_UP },
                  { "DOWN", DK_PARTITION_STATE_DOWN },
                  { "DRAIN", DK_PARTITION_STATE_DRAINED },
                  { "DRAINED", DK_PARTITION_STATE_DRAINED },
                  { "INACTIVE", DK_PARTITION_STATE_INACTIVE } };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(words[i].word, value) == 0)
            return *state = words[i].state, true;
    return false;
}

static bool set_nodes(const char *value, struct dk_partition_spec *spec, struct dk_arena *arena)
{
    struct dk_hostlist list;
    struct dk_text *names;
    bool is_good;

    spec->all_nodes = strcasecmp(value, "ALL") == 0;
    spec->nodes_count = 0;
    if (spec->all_nodes)
        return true;
    dk_hostlist_init(&list);
    is_good = dk_hostlist_expand(&list, value, NULL) == DK_OK && list.count > 0;
    names = dk_arena_take(arena, (list.count + 1) * sizeof(*names));
    for (uint32_t i = 0; i < list.count; i++) {
        size_t size = strlen(list.names[i]);
        char *copy = dk_arena_take(arena, size + 1);

        memcpy(copy, list.names[i], size + 1);
        names[i] = (struct dk_text){ copy, (uint32_t)size };
    }
    spec->nodes = names;
    spec->nodes_count = list.count;
    dk_hostlist_release(&list);
    return is_good;
}

/* 1: set; 0: the value is wrong; -1: docket has no such setting. */
static int set_setting(struct dk_partition_spec *spec, const char *name, const char *value,
                       struct dk_arena *arena)
{
    if (strcasecmp(name, "State") == 0)
        return set_state(value, &spec->state);
    if (strcasecmp(name, "MaxTime") == 0)
        return set_limit(value, &spec->limit_us_max);
    if (strcasecmp(name, "DefaultTime") == 0 || strcasecmp(name, "DefTime") == 0)
        return set_limit(value, &spec->limit_us_default);
    if (strcasecmp(name, "MaxNodes") == 0)
        return set_number(value, INT32_MAX, &spec->nodes_max);
    if (strcasecmp(name, "PriorityJobFactor") == 0)
        return set_number(value, 65535, &spec->priority);
    if (strcasecmp(name, "PriorityTier") == 0)
        return set_number(value, INT32_MAX, &spec->tier);
    if (strcasecmp(name, "Nodes") == 0)
        return set_nodes(value, spec, arena);
    if (strcasecmp(name, "Default") == 0) {
        spec->is_default = strcasecmp(value, "YES") == 0;
        return spec->is_default || strcasecmp(value, "NO") == 0;
    }
    return -1;
}

static int change(struct dk_partition_spec *spec, int argc, char **argv, struct dk_arena *arena)
{
    for (int i = 0; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        int set;

        if (equals != NULL)
            *equals = 0;
        set = equals == NULL ? -1 : set_setting(spec, argv[i], equals + 1, arena);
        if (equals != NULL)
            *equals = '=';
        if (set == 1)
            continue;
        (void)fprintf(stderr,
                      set == 0 ? "Invalid input: %s\nRequest aborted\n"
                               : "Update of this parameter is not supported: %s\n"
                                 "Request aborted\n",
                      argv[i]);
        return 1;
    }
    return 0;
}

static int apply(struct scontrol *scontrol, const struct dk_cluster_config *config, int64_t seq,
                 const char *name)
{
    struct dk_request request = { .type = DK_REQUEST_APPLY_CONFIGURATION };
    struct dk_outcome outcome;
    char note[128];

    (void)snprintf(note, sizeof(note), "scontrol update PartitionName=%s", name);
    request.apply_configuration.config = *config;
    request.apply_configuration.note = dk_text_of(note);
    request.apply_configuration.replaces = seq;
    if (!scontrol_send(scontrol, "slurm_update", &request, &outcome))
        return 1;
    if (outcome.kind != DK_OUTCOME_REJECTED)
        return 0;
    (void)scontrol_error("%s", outcome.detail);
    (void)fprintf(stderr, "slurm_update error: %s\n", slurm_refusal(&outcome));
    return 1;
}

int scontrol_update_partition(struct scontrol *scontrol, int argc, char **argv)
{
    const char *name = strchr(argv[0], '=') + 1;
    struct dk_partition_spec *partitions = NULL, *spec = NULL;
    struct dk_cluster_config config;
    struct dk_arena arena;
    int64_t seq;
    int status = 1;

    if (argc < 2) {
        (void)fprintf(stderr, "No changes specified\n");
        return 1;
    }
    dk_arena_init(&arena, &dk_heap);
    if (scontrol_fetch_config(scontrol, &config, &arena, &seq)) {
        partitions = dk_arena_take(&arena, (config.partitions_count + 1) * sizeof(*partitions));
        if (config.partitions_count > 0)
            memcpy(partitions, config.partitions, config.partitions_count * sizeof(*partitions));
        config.partitions = partitions;
        for (uint32_t i = 0; i < config.partitions_count; i++)
            if (dk_text_equal(partitions[i].name, dk_text_of(name)))
                spec = &partitions[i];
        if (spec == NULL) {
            (void)fprintf(stderr, "slurm_update error: Invalid partition name specified\n");
        } else if (change(spec, argc - 1, argv + 1, &arena) == 0) {
            for (uint32_t i = 0; spec->is_default && i < config.partitions_count; i++)
                partitions[i].is_default = &partitions[i] == spec; /* there is one */
            status = apply(scontrol, &config, seq, name);
        }
    }
    dk_arena_release(&arena);
    return status;
}
