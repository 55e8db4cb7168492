/* hostlist_test.c - what a list of names means, and how names are written shortest */
#include "net/hostlist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Names joined by blanks; or the fault. */
static char *expanded(const char *text)
{
    static char out[4096];
    struct dk_hostlist list;
    struct dk_err err;

    out[0] = 0;
    dk_hostlist_init(&list);
    if (dk_hostlist_expand(&list, text, &err) != DK_OK)
        (void)snprintf(out, sizeof(out), "%s", err.text);
    else
        for (uint32_t i = 0; i < list.count; i++)
            (void)snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s", i > 0 ? " " : "",
                           list.names[i]);
    dk_hostlist_release(&list);
    return out;
}

static char *compressed(const char *names, bool is_sorted)
{
    static char out[4096];
    struct dk_hostlist list;
    struct dk_buf buf;

    dk_hostlist_init(&list);
    dk_buf_init(&buf, &dk_heap, sizeof(out) - 1);
    assert_int_equal(dk_hostlist_expand(&list, names, NULL), DK_OK);
    if (is_sorted)
        dk_hostlist_sort(&list);
    dk_hostlist_compress(&list, &buf);
    memcpy(out, buf.data, buf.size);
    out[buf.size] = 0;
    dk_buf_release(&buf);
    dk_hostlist_release(&list);
    return out;
}

static void brackets_are_expanded_in_order(void **state)
{
    (void)state;
    assert_string_equal(expanded("n[1-3,07],m4"), "n1 n2 n3 n07 m4");
    assert_string_equal(expanded("n[08-11]"), "n08 n09 n10 n11");
    assert_string_equal(expanded("n[1-2],,m"), "n1 n2 m");
    assert_string_equal(expanded("a b\nc"), "a b c");
    assert_string_equal(expanded("r[1-2]n[1-2]"), "r1n1 r1n2 r2n1 r2n2");
    assert_string_equal(expanded("n[1-2]-ib"), "n1-ib n2-ib");
    assert_string_equal(expanded("[1-3]"), "1 2 3");
    assert_string_equal(expanded(""), "");
}

static void what_is_no_list_is_said_with_its_place(void **state)
{
    (void)state;
    assert_string_equal(expanded("n[5-3]"), "'5-3' in 'n[5-3]' is not a range like 1-3 or 07");
    assert_string_equal(expanded("n[a-c]"), "'a-c' in 'n[a-c]' is not a range like 1-3 or 07");
    assert_string_equal(expanded("n[]"), "'' in 'n[]' is not a range like 1-3 or 07");
    assert_string_equal(expanded("n[1-3"), "'[' without ']' in 'n[1-3'");
    assert_string_equal(expanded("n1]"), "']' without '[' in 'n1]'");
    assert_string_equal(expanded("n]c[1-2]"), "']' without '[' in 'n]c[1-2]'");
    assert_string_equal(expanded("n[1-2]c]"), "']' without '[' in 'n[1-2]c]'");
    assert_string_equal(expanded("n[1-999999]"), "'n[1-999999]' has more than 131072 names");
    assert_string_equal(expanded("a[1-400]b[1-400]"),
                        "'a[1-400]b[1-400]' has more than 131072 names");
}

static void neighbours_of_one_prefix_share_a_bracket(void **state)
{
    (void)state;
    assert_string_equal(compressed("n1,n2,n3,n07,m4", false), "n[1-3,07],m4");
    assert_string_equal(compressed("n9,n10,n011,n12,n13", false), "n[9-10,011,12-13]");
    assert_string_equal(compressed("n1,m1,n2", false), "n1,m1,n2");
    assert_string_equal(compressed("r1n1,r1n2,r2n1,r2n2", false), "r1n[1-2],r2n[1-2]");
    assert_string_equal(compressed("n1-ib,n2-ib", false), "n1-ib,n2-ib");
    assert_string_equal(compressed("n1,n1,n2", false), "n[1,1-2]");
    assert_string_equal(compressed("login", false), "login");
    assert_string_equal(compressed("n5", false), "n5");
}

static void sorting_is_by_number_not_by_letter(void **state)
{
    (void)state;
    assert_string_equal(compressed("n2,n10,n1,m,a3,a02", true), "a[3,02],m,n[1-2,10]");
    assert_string_equal(compressed("n3,n1,n2,n07,n7", true), "n[1-3,7,07]");
    assert_string_equal(compressed("n9,n10,n011,n12,n13", true), "n[9-10,12-13,011]");
}

static void what_is_compressed_expands_to_the_same(void **state)
{
    static const char *const lists[] = { "n[09-10,99-101]", "n[1-3,07],m4,x[000-010]y",
                                         "r[1-2]n[08-11]" };

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        char names[4096];

        memcpy(names, expanded(lists[i]), sizeof(names));
        assert_string_equal(expanded(compressed(lists[i], false)), names);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brackets_are_expanded_in_order),
        cmocka_unit_test(what_is_no_list_is_said_with_its_place),
        cmocka_unit_test(neighbours_of_one_prefix_share_a_bracket),
        cmocka_unit_test(sorting_is_by_number_not_by_letter),
        cmocka_unit_test(what_is_compressed_expands_to_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
