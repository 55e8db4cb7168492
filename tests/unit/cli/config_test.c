/* config_test.c - configurations from YAML, back to YAML, and compared */
#define _GNU_SOURCE
#include "cli/config_tree.h"
#include "controller/config.h"
#include "event/request.h"
#include "sched/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#define S INT64_C(1000000)

static struct dk_arena arena;

static enum dk_status read(const char *yaml, struct dk_cluster_config *config, struct dk_err *err)
{
    struct dk_cluster_config present;
    FILE *file = fmemopen((void *)(uintptr_t)yaml, strlen(yaml), "r");
    enum dk_status status;

    assert_non_null(file);
    config_default(&present);
    present.policy.origin = 77;
    status = config_from_yaml("f.yaml", file, &present, config, &arena, err);
    (void)fclose(file);
    return status;
}

static const char *print(const struct dk_cluster_config *config)
{
    static char text[8192];
    FILE *file;

    memset(text, 0, sizeof(text));
    file = fmemopen(text, sizeof(text), "w");
    assert_non_null(file);
    config_print(config, file);
    (void)fclose(file);
    return text;
}

static const char *compare(const struct dk_cluster_config *before,
                           const struct dk_cluster_config *after, uint32_t *count)
{
    static char text[8192];
    FILE *file;

    memset(text, 0, sizeof(text));
    file = fmemopen(text, sizeof(text), "w");
    assert_non_null(file);
    *count = config_compare(before, after, file);
    (void)fclose(file);
    return text;
}

#define WHOLE                                                                                      \
    "cluster: big\n"                                                                               \
    "partitions:\n"                                                                                \
    "- name: main\n"                                                                               \
    "  default: true\n"                                                                            \
    "  limit_max: 1-00:00:00\n"                                                                    \
    "- name: long\n"                                                                               \
    "  nodes: n[1-3,7]\n"                                                                          \
    "  state: drained\n"                                                                           \
    "  limit_default: 2h\n"                                                                        \
    "policy:\n"                                                                                    \
    "  policy: multifactor\n"                                                                      \
    "  backfill: CONSERVATIVE\n"                                                                   \
    "  weight_age: 5\n"                                                                            \
    "limits:\n"                                                                                    \
    "  - {scope: user, name: anna, cores_running_max: 8, memory_running_max: 4G}\n"                \
    "nodes_expected: ['n[1-3]', n7]\n"                                                             \
    "operators: [root2, \"od d\"]\n"                                                               \
    "kill_wait: 500ms\n"                                                                           \
    "prolog: /usr/local/bin/prolog\n"

static void a_file_is_read_with_its_units_and_defaults(void **state)
{
    struct dk_cluster_config config;
    struct dk_err err = { 0 };

    (void)state;
    if (read(WHOLE, &config, &err) != DK_OK)
        fail_msg("%s", err.text);
    assert_int_equal(config.partitions_count, 2);
    assert_true(config.partitions[0].all_nodes && config.partitions[0].is_default);
    assert_int_equal(config.partitions[0].limit_us_max, 86400 * S);
    assert_false(config.partitions[1].all_nodes);
    assert_int_equal(config.partitions[1].nodes_count, 4);
    assert_memory_equal(config.partitions[1].nodes[3].data, "n7", 2);
    assert_int_equal(config.partitions[1].state, DK_PARTITION_STATE_DRAINED);
    assert_int_equal(config.partitions[1].limit_us_default, 7200 * S);
    assert_int_equal(config.policy.policy, DK_POLICY_MULTIFACTOR);
    assert_int_equal(config.policy.weight_age, 5);
    assert_int_equal(config.policy.weight_size, 1000);
    assert_int_equal(config.policy.origin, 77);
    assert_int_equal(config.limits[0].memory_mib_running_max, 4096);
    assert_int_equal(config.nodes_expected_count, 4);
    assert_int_equal(config.operators_count, 2);
    assert_int_equal(config.kill_wait_us, S / 2);
    assert_int_equal(config.ended_visible_us, 300 * S);
}

static void what_is_shown_reads_back_as_the_same(void **state)
{
    struct dk_cluster_config config, again;
    struct dk_err err = { 0 };
    uint32_t count;
    char *text;

    (void)state;
    assert_int_equal(read(WHOLE, &config, &err), DK_OK);
    text = strdup(print(&config));
    if (read(text, &again, &err) != DK_OK)
        fail_msg("%s in\n%s", err.text, text);
    assert_string_equal(compare(&config, &again, &count), "");
    assert_int_equal(count, 0);
    assert_string_equal(print(&again), text);
    free(text);
}

/* The query interface's JSON is that of events: the schema's names and units. */
static void the_servers_json_is_the_same_configuration(void **state)
{
    struct dk_request request = { .type = DK_REQUEST_APPLY_CONFIGURATION };
    struct dk_cluster_config config, again;
    struct dk_err err = { 0 };
    struct dk_buf json;
    uint32_t count;

    (void)state;
    assert_int_equal(read(WHOLE, &config, &err), DK_OK);
    request.apply_configuration.config = config;
    dk_buf_init(&json, &dk_heap, 1 << 20);
    assert_true(dk_request_print(&request, &json));
    if (config_from_json(&json, &again, &arena, &err) != DK_OK)
        fail_msg("%s", err.text);
    assert_string_equal(compare(&config, &again, &count), "");
    assert_int_equal(count, 0);
    dk_buf_release(&json);
}

static void differences_are_named_by_their_place(void **state)
{
    struct dk_cluster_config before, after;
    struct dk_err err = { 0 };
    uint32_t count;

    (void)state;
    assert_int_equal(read(WHOLE, &before, &err), DK_OK);
    assert_int_equal(
        read("cluster: big\n"
             "partitions: [{name: main, default: true, limit_max: none}, {name: new}]\n"
             "policy: {policy: multifactor, backfill: conservative, weight_age: 5}\n"
             "limits: [{scope: user, name: anna, cores_running_max: 16, "
             "memory_running_max: 4G}]\n"
             "nodes_expected: n[1-3,7]\n"
             "operators: [root2, \"od d\"]\n"
             "kill_wait: 30s\n"
             "prolog: /usr/local/bin/prolog\n",
             &after, &err),
        DK_OK);
    assert_string_equal(compare(&before, &after, &count),
                        "~ partitions.main.limit_max: 1-00:00:00 -> none\n"
                        "- partitions.long: {name: long, nodes: \"n[1-3,7]\", state: DRAINED, "
                        "limit_default: 02:00:00}\n"
                        "+ partitions.new: {name: new, all_nodes: true}\n"
                        "~ limits.USER anna.cores_running_max: 8 -> 16\n"
                        "~ kill_wait: 500000us -> 30s\n");
    assert_int_equal(count, 5);
}

static void what_a_file_leaves_out_is_as_a_new_cluster_has_it(void **state)
{
    struct dk_core_options options = { .digest = false };
    struct dk_core *core = dk_core_create(&dk_heap, &options);
    struct dk_partition_spec partition;
    struct dk_cluster_config config, fresh;
    struct dk_err err = { 0 };
    uint32_t count;

    (void)state;
    dk_config_default(core, 77, &fresh, &partition);
    assert_int_equal(read("partitions: [{name: main, default: true}]", &config, &err), DK_OK);
    assert_string_equal(compare(&fresh, &config, &count), "");
    dk_core_destroy(core);
}

static void mistakes_have_a_line_and_say_what_would_be_right(void **state)
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        { "cluster: x\nkil_wait: 3s\n",
          "f.yaml:2: unknown key 'kil_wait'; did you mean 'kill_wait'?" },
        { "zzz: 1\n", "f.yaml:1: unknown key 'zzz'" },
        { "cluster: x\n\nkill_wait: 30\n", "f.yaml:3: kill_wait: '30' is not a span of time; right "
                                           "would be 30s, 10m, 2h, 1-12:00:00 or 'none'" },
        { "policy:\n  policy: best\n", "f.yaml:2: policy: 'best' is none of FCFS, SJF, WFP3, "
                                       "UNICEP, F1, MULTIFACTOR" },
        { "policy:\n  depth: many\n", "f.yaml:2: depth: 'many' is not a whole number" },
        { "policy: fcfs\n", "f.yaml:1: lines of the form 'key: value' are expected here" },
        { "partitions:\n- default: true\n",
          "f.yaml:2: a partition without a name: begin it with '- name: main'" },
        { "partitions: main\n",
          "f.yaml:1: 'partitions' takes a list: lines that begin with '- ', or [a, b]" },
        { "partitions:\n- name: a\n  nodes: n[1-\n", "f.yaml:3: nodes: " },
        { "partitions:\n- name: a\n  nodes: n1\n  all_nodes: yes\n",
          "f.yaml:2: partition 'a' names nodes and has 'all_nodes: true': one of both" },
        { "partitions:\n- name: a\n  default: perhaps\n",
          "f.yaml:3: default: 'perhaps' is neither true nor false" },
        { "cluster: [a]\n", "f.yaml:1: 'cluster' takes one value, not a list" },
        { "cluster: a\ncluster: b\n", "f.yaml:2: 'cluster' is given twice" },
        { "cluster: \"a\n", "f.yaml:2: not YAML: " },
        { "\tcluster: a\n", "f.yaml:1: not YAML: " },
        { "limits:\n- {scope: user, memory_running_max: lots}\n",
          "f.yaml:2: memory_running_max: 'lots' is not a size; right would be 512M, 4G, 1.5T or "
          "4096 (MiB)" },
        { "cluster: 12345678901234567890123456789012345678901\n",
          "f.yaml:1: cluster: longer than 40 bytes" },
        { "# nothing\n", "'f.yaml' is empty; 'docket config show' prints one to begin with" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dk_cluster_config config;
        struct dk_err err = { 0 };

        if (read(cases[i].yaml, &config, &err) == DK_OK)
            fail_msg("this is taken:\n%s", cases[i].yaml);
        if (strncmp(err.text, cases[i].says, strlen(cases[i].says)) != 0)
            fail_msg("says '%s', not '%s'", err.text, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_with_its_units_and_defaults),
        cmocka_unit_test(what_is_shown_reads_back_as_the_same),
        cmocka_unit_test(the_servers_json_is_the_same_configuration),
        cmocka_unit_test(differences_are_named_by_their_place),
        cmocka_unit_test(what_a_file_leaves_out_is_as_a_new_cluster_has_it),
        cmocka_unit_test(mistakes_have_a_line_and_say_what_would_be_right),
    };
    int failed;

    dk_arena_init(&arena, &dk_heap);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    dk_arena_release(&arena);
    return failed;
}
