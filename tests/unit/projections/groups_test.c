/* groups_test.c - names of groups are the system's, and the same text again */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "projections/groups.h"

static void a_group_has_the_systems_name_or_none(void **state)
{
    struct dk_groups *groups = dk_groups_create();
    struct dk_text root = dk_groups_name(groups, 0);

    (void)state;
    assert_int_equal(root.size, 4);
    assert_memory_equal(root.data, "root", 4);
    assert_ptr_equal(dk_groups_name(groups, 0).data, root.data);
    assert_int_equal(dk_groups_name(groups, 2147480001).size, 0);
    assert_int_equal(dk_groups_name(groups, 2147480001).size, 0);
    for (int gid = 1; gid < 200; gid++)
        (void)dk_groups_name(groups, gid);
    assert_ptr_equal(dk_groups_name(groups, 0).data, root.data);
    dk_groups_destroy(groups);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_has_the_systems_name_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
