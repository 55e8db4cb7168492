/* place_test.c - docket.conf: what it says, and what it may not say */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/place.h"
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[SCRATCH_MAX];
static struct dk_place place;
static struct dk_err err;

static int begin(void **state)
{
    (void)state;
    scratch_make(folder);
    (void)unsetenv("DOCKET_CONTROLLERS");
    (void)unsetenv("DOCKET_PROJECTORS");
    (void)unsetenv("DOCKET_CLUSTER");
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static enum dk_status find_with(const char *text)
{
    char path[SCRATCH_MAX + 32];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/docket.conf", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return dk_place_find(&place, folder, false, &err);
}

static void without_a_file_all_is_in_the_folder(void **state)
{
    char uri[SCRATCH_MAX + 32];

    (void)state;
    assert_good(dk_place_find(&place, folder, false, &good_err));
    (void)snprintf(uri, sizeof(uri), "file:%s/log", folder);
    assert_string_equal(place.log_uri, uri);
    assert_string_equal(place.controllers, "");
    assert_string_equal(place.listen, "");
}

static void what_the_file_says_is_taken(void **state)
{
    (void)state;
    assert_int_equal(find_with("# a cluster of three\n\n log = kafka://b1:9092,b2:9092/docket?a=b\n"
                               "controllers=h1:7801, h2:7801   # in this order\n"
                               "listen = 0.0.0.0:7801\ncluster = alpha-2\n"),
                     DK_OK);
    assert_string_equal(place.log_uri, "kafka://b1:9092,b2:9092/docket?a=b");
    assert_string_equal(place.controllers, "h1:7801, h2:7801");
    assert_string_equal(place.listen, "0.0.0.0:7801");
    assert_string_equal(place.projectors, "");
    assert_string_equal(place.munge.cluster, "alpha-2");
}

static void the_environment_comes_first(void **state)
{
    (void)state;
    assert_int_equal(setenv("DOCKET_CONTROLLERS", "h9:1", 1), 0);
    assert_int_equal(find_with("controllers = h1:7801\n"), DK_OK);
    assert_string_equal(place.controllers, "h9:1");
    assert_int_equal(setenv("DOCKET_CLUSTER", "a b", 1), 0);
    assert_int_equal(find_with("cluster = alpha\n"), DK_INVALID);
    assert_says(err.text, "DOCKET_CLUSTER: 'a b' names no cluster");
}

static void what_it_may_not_say_is_named_with_its_line(void **state)
{
    static const char *const bad[][2] = {
        { "log = file:/x\nlisen = 1\n", "line 2: unknown name 'lisen'" },
        { "cluster = one two\n", "line 1: 'one two' names no cluster" },
        { "controllers\n", "line 1: 'controllers' is not 'name = value'" },
    };
    char text[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(find_with(bad[i][0]), DK_INVALID);
        assert_says(err.text, bad[i][1]);
    }
    (void)snprintf(text, sizeof(text), "listen = %0*d\n", DK_PLACE_ADDRESS_MAX, 0);
    assert_int_equal(find_with(text), DK_INVALID);
    assert_says(err.text, "'listen' is longer than");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_file_all_is_in_the_folder, begin, end),
        cmocka_unit_test_setup_teardown(what_the_file_says_is_taken, begin, end),
        cmocka_unit_test_setup_teardown(the_environment_comes_first, begin, end),
        cmocka_unit_test_setup_teardown(what_it_may_not_say_is_named_with_its_line, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
