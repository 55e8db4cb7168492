/* shape_test.c - what hwloc says of a machine, as the core wants it */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nodes/shape.h"
#include "scratch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct dk_node_shape shape;

static void find(const char *topology, int32_t share, int32_t of, int32_t cores)
{
    struct dk_shape_options options = {
        .topology = topology, .share = share, .share_of = of, .cores = cores, .gpus = -1
    };

    assert_good(dk_node_shape_find(&shape, &options, &good_err));
}

static void a_symmetric_node_is_a_short_text(void **state)
{
    (void)state;
    find("pack:2 [numa(memory=64GiB)] l3:4 core:8 pu:2", 1, 1, 0);
    assert_int_equal(shape.cores, 64);
    assert_int_equal(shape.sockets, 2);
    assert_int_equal(shape.threads_per_core, 2);
    assert_int_equal(shape.memory_mib, 131072);
    assert_int_equal(shape.gpus, 0);
    assert_string_equal(shape.topology, "Package:2 [NUMANode] L3Cache:4 Core:8 PU:2");
    assert_false(shape.bound);
    assert_null(shape.cpus);
    assert_says(shape.remark, "emulated");
    dk_node_shape_release(&shape);
}

static void the_machine_itself_is_bound_core_by_core(void **state)
{
    (void)state;
    find(NULL, 1, 1, 0);
    assert_true(shape.cores >= 1);
    assert_true(shape.bound);
    assert_int_equal(shape.core_cpus[0], 0);
    assert_true(shape.core_cpus[shape.cores] >= (uint32_t)shape.cores);
    assert_true(shape.memory_mib > 0);
    assert_int_equal(shape.memory_mib, dk_node_memory_mib());
    dk_node_shape_release(&shape);
}

static void agents_share_a_machine_without_overlap(void **state)
{
    uint32_t first;
    int32_t all;

    (void)state;
    find(NULL, 1, 1, 0);
    all = shape.cores;
    dk_node_shape_release(&shape);
    if (all < 2)
        skip();
    find(NULL, 1, 2, 0);
    first = shape.cpus[0];
    assert_int_equal(shape.cores, all / 2);
    assert_true(shape.bound);
    dk_node_shape_release(&shape);
    find(NULL, 2, 2, 0);
    assert_int_equal(shape.cores, all - all / 2);
    assert_int_not_equal(shape.cpus[0], first);
    dk_node_shape_release(&shape);
}

static void more_agents_than_cores_share_them_unbound_and_say_so(void **state)
{
    (void)state;
    find(NULL, 3, 100000 / 2, 0);
    assert_int_equal(shape.cores, 1);
    assert_false(shape.bound);
    assert_says(shape.remark, "several share one");
    dk_node_shape_release(&shape);
    find(NULL, 1, 1, 4096); /* promised, not there */
    assert_int_equal(shape.cores, 4096);
    assert_false(shape.bound);
    dk_node_shape_release(&shape);
}

static const char machine[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
    "<topology version=\"2.0\">\n"
    " <object type=\"Machine\" os_index=\"0\" cpuset=\"0x0000000f\" complete_cpuset=\"0x0000000f\" "
    "allowed_cpuset=\"0x0000000f\" nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" "
    "allowed_nodeset=\"0x00000001\" gp_index=\"1\">\n"
    "  <object type=\"NUMANode\" os_index=\"0\" cpuset=\"0x0000000f\" "
    "complete_cpuset=\"0x0000000f\" nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" "
    "gp_index=\"2\" local_memory=\"8589934592\"/>\n"
    "  <object type=\"Package\" os_index=\"0\" cpuset=\"0x0000000f\" "
    "complete_cpuset=\"0x0000000f\" nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" "
    "gp_index=\"3\">\n"
    "   <object type=\"Core\" os_index=\"0\" cpuset=\"0x00000003\" complete_cpuset=\"0x00000003\" "
    "nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" gp_index=\"4\">\n"
    "    <object type=\"PU\" os_index=\"0\" cpuset=\"0x00000001\" complete_cpuset=\"0x00000001\" "
    "nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" gp_index=\"5\"/>\n"
    "    <object type=\"PU\" os_index=\"1\" cpuset=\"0x00000002\" complete_cpuset=\"0x00000002\" "
    "nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" gp_index=\"6\"/>\n"
    "   </object>\n"
    "   <object type=\"Core\" os_index=\"1\" cpuset=\"0x00000004\" complete_cpuset=\"0x00000004\" "
    "nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" gp_index=\"7\">\n"
    "    <object type=\"PU\" os_index=\"2\" cpuset=\"0x00000004\" complete_cpuset=\"0x00000004\" "
    "nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" gp_index=\"8\"/>\n"
    "   </object>\n"
    "   <object type=\"Core\" os_index=\"2\" cpuset=\"0x00000008\" complete_cpuset=\"0x00000008\" "
    "nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" gp_index=\"9\">\n"
    "    <object type=\"PU\" os_index=\"3\" cpuset=\"0x00000008\" complete_cpuset=\"0x00000008\" "
    "nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" gp_index=\"10\"/>\n"
    "   </object>\n"
    "  </object>\n"
    "  <object type=\"Bridge\" gp_index=\"11\" bridge_type=\"0-1\" depth=\"0\" "
    "bridge_pci=\"0000:[00-ff]\">\n"
    "   <object type=\"PCIDev\" gp_index=\"12\" pci_busid=\"0000:01:00.0\" "
    "pci_type=\"0302 [10de:20b0] [10de:1450] a1\" pci_link_speed=\"0.000000\"/>\n"
    "   <object type=\"PCIDev\" gp_index=\"13\" pci_busid=\"0000:02:00.0\" "
    "pci_type=\"0300 [10de:20b0] [10de:1450] a1\" pci_link_speed=\"0.000000\"/>\n"
    "   <object type=\"PCIDev\" gp_index=\"14\" pci_busid=\"0000:03:00.0\" "
    "pci_type=\"0300 [8086:1234] [8086:1234] a1\" pci_link_speed=\"0.000000\"/>\n"
    "   <object type=\"PCIDev\" gp_index=\"15\" pci_busid=\"0000:04:00.0\" "
    "pci_type=\"0200 [15b3:1017] [15b3:0006] 00\" pci_link_speed=\"0.000000\"/>\n"
    "  </object>\n"
    " </object>\n"
    "</topology>\n";

/* Three cores, one of two threads: no synthetic description says that. */
static void an_xml_file_has_its_gpus_counted_and_may_be_lopsided(void **state)
{
    char folder[SCRATCH_MAX], path[SCRATCH_MAX + 32];
    FILE *file;

    (void)state;
    scratch_make(folder);
    snprintf(path, sizeof(path), "%s/machine.xml", folder);
    file = fopen(path, "w");
    assert_int_equal(fwrite(machine, 1, sizeof(machine) - 1, file), sizeof(machine) - 1);
    fclose(file);
    find(path, 1, 1, 0);
    assert_int_equal(shape.cores, 3);
    assert_int_equal(shape.gpus, 2); /* not the desktop's graphics, not the network card */
    assert_int_equal(shape.memory_mib, 8192);
    assert_string_equal(shape.topology, "");
    dk_node_shape_release(&shape);
    scratch_remove(folder);
}

static void what_was_asked_for_wins(void **state)
{
    struct dk_shape_options options = { .topology = "core:8 pu:1",
                                        .share = 1,
                                        .share_of = 1,
                                        .cores = 4,
                                        .memory_mib = 777,
                                        .gpus = 3 };

    (void)state;
    assert_good(dk_node_shape_find(&shape, &options, &good_err));
    assert_int_equal(shape.cores, 4);
    assert_int_equal(shape.memory_mib, 777);
    assert_int_equal(shape.gpus, 3);
    dk_node_shape_release(&shape);
}

static void a_bad_topology_or_share_is_said(void **state)
{
    static const struct {
        struct dk_shape_options options;
        const char *says;
    } cases[] = {
        { { .topology = "nonsense", .share = 1, .share_of = 1 }, "neither a file" },
        { { .topology = "missing.xml", .share = 1, .share_of = 1 }, "can't be read" },
        { { .share = 3, .share_of = 2 }, "share 3/2" },
        { { .share = 0, .share_of = 1 }, "share 0/1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dk_err err = { 0 };

        assert_int_equal(dk_node_shape_find(&shape, &cases[i].options, &err), DK_INVALID);
        assert_says(err.text, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_symmetric_node_is_a_short_text),
        cmocka_unit_test(the_machine_itself_is_bound_core_by_core),
        cmocka_unit_test(agents_share_a_machine_without_overlap),
        cmocka_unit_test(more_agents_than_cores_share_them_unbound_and_say_so),
        cmocka_unit_test(an_xml_file_has_its_gpus_counted_and_may_be_lopsided),
        cmocka_unit_test(what_was_asked_for_wins),
        cmocka_unit_test(a_bad_topology_or_share_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
