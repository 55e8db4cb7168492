/* listing_test.c - columns that fit, and texts that a terminal may be given */
#include "cli/columns.h"
#include "cli/listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct cli_style plain, narrow = { .is_terminal = true, .width = 24 },
                                     colored = { .is_terminal = true, .has_color = true };

static void expect(const struct cli_listing *listing, bool has_heading, uint32_t rows,
                   const char *expected)
{
    struct dk_buf out;

    dk_buf_init(&out, &dk_heap, 1 << 20);
    cli_listing_write(listing, has_heading, rows, &out);
    assert_true(dk_buf_add(&out, "", 1));
    assert_string_equal((const char *)out.data, expected);
    dk_buf_release(&out);
}

static void fill(struct cli_listing *listing, const struct cli_style *style)
{
    cli_listing_init(listing, style);
    cli_listing_column(listing, "ID", true, false);
    cli_listing_column(listing, "NAME", false, true);
    cli_listing_column(listing, "STATE", false, false);
    cli_listing_add(listing, "7", CLI_PLAIN);
    cli_listing_add(listing, "a-name-of-twenty-char", CLI_PLAIN);
    cli_listing_add(listing, "RUNNING", CLI_GREEN);
    cli_listing_add(listing, "12345", CLI_PLAIN);
    cli_listing_add(listing, "b", CLI_PLAIN);
    cli_listing_add(listing, "PENDING", CLI_YELLOW);
}

static void a_pipe_gets_aligned_columns_and_nothing_cut(void **state)
{
    struct cli_listing listing;

    (void)state;
    fill(&listing, &plain);
    expect(&listing, true, 0,
           "   ID  NAME                   STATE\n"
           "    7  a-name-of-twenty-char  RUNNING\n"
           "12345  b                      PENDING\n");
    expect(&listing, false, 1, "7  a-name-of-twenty-char  RUNNING\n");
    cli_listing_release(&listing);
}

static void a_narrow_terminal_gets_lines_that_fit(void **state)
{
    struct cli_listing listing;

    (void)state;
    fill(&listing, &narrow);
    expect(&listing, false, 0,
           "    7  a-name-+  RUNNING\n"
           "12345  b         PENDING\n");
    cli_listing_release(&listing);
}

static void states_have_colors_where_wanted(void **state)
{
    struct cli_listing listing;

    (void)state;
    cli_listing_init(&listing, &colored);
    cli_listing_column(&listing, "S", false, false);
    cli_listing_add(&listing, "DOWN", CLI_RED);
    expect(&listing, false, 0, "\033[31mDOWN\033[0m\n");
    cli_listing_release(&listing);
    assert_int_equal(cli_state_color("NODE_FAIL"), CLI_RED);
    assert_int_equal(cli_state_color("whatever"), CLI_PLAIN);
}

static void a_terminal_is_not_told_what_to_do_by_a_job_name(void **state)
{
    static const struct {
        const char *text, *clean;
    } cases[] = { { "plain", "plain" },
                  { "\033[2Jevil", "?[2Jevil" },
                  { "tab\there", "tab?here" },
                  { "caf\xc3\xa9", "caf\xc3\xa9" },
                  { "bad\xff", "bad?" },
                  { "c1\xc2\x9b", "c1?" },
                  { "rtl\xe2\x80\xaex", "rtl?x" },
                  { "cut\xe2\x82", "cut??" } };
    struct dk_arena arena;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(cli_text_clean(cases[i].text, &arena), cases[i].clean);
    dk_arena_release(&arena);
}

static void width_is_counted_in_columns_of_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(cli_text_width("abc"), 3);
    assert_int_equal(cli_text_width("caf\xc3\xa9"), 4);
    assert_int_equal(cli_text_width("e\xcc\x81"), 1);
    assert_int_equal(cli_text_width("\xe6\xbc\xa2"), 2);
}

/* --- views --- */

static void columns_of_our_own_are_made_of_several_fields(void **state)
{
    struct cli_view view;

    (void)state;
    assert_int_equal(cli_view_make(&view, "job,name,colour_of,where", NULL), DK_OK);
    assert_int_equal(view.count, 4);
    assert_string_equal(view.fields, "id,array_job,array_task,array_spec,array_max,step,name,"
                                     "colour_of,state,node_list,reason");
    assert_int_equal(view.first[1], 6);
    assert_int_equal(view.first[3], 8);
    assert_int_equal(view.field_count, 11);
    assert_string_equal(view.columns[2].title, "COLOUR OF");
    assert_int_equal(cli_view_make(&view, "job,,name", NULL), DK_INVALID);
    assert_int_equal(cli_view_make(&view, "", NULL), DK_INVALID);
}

static const char *cell(const char *column, char *cells[], uint32_t count)
{
    static char out[256];
    struct cli_view view;
    struct dk_rows rows = { .cells = cells, .rows = 1 };

    assert_int_equal(cli_view_make(&view, column, NULL), DK_OK);
    assert_int_equal(view.field_count, count);
    rows.columns = count;
    return cli_view_cell(&view, &rows, 0, 0, &plain, out, sizeof(out));
}

#define CELL(column, ...)                                                                          \
    cell(column, (char *[]){ __VA_ARGS__ }, sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *))

static void jobs_have_the_names_that_people_use(void **state)
{
    (void)state;
    assert_string_equal(CELL("job", "17", "", "", "", "", ""), "17");
    assert_string_equal(CELL("job", "17", "0", "-1", "", "0", ""), "17");
    assert_string_equal(CELL("job", "20", "17", "3", "", "", ""), "17_3");
    assert_string_equal(CELL("job", "17", "17", "", "2-5,7", "", ""), "17_[2-5,7]");
    assert_string_equal(CELL("job", "17", "17", "", "2-5", "4", ""), "17_[2-5%4]");
    assert_string_equal(CELL("job", "17", "", "", "", "", "batch"), "17.batch");
    assert_string_equal(CELL("job", "20", "17", "3", "", "", ".0"), "17_3.0");
    assert_string_equal(CELL("where", "RUNNING", "n[1-2]", "None"), "n[1-2]");
    assert_string_equal(CELL("where", "PENDING", "", "Resources"), "(Resources)");
    assert_string_equal(CELL("exit", "0", "9", "FAILED"), "signal 9");
    assert_string_equal(CELL("exit", "3", "0", "FAILED"), "3");
    assert_string_equal(CELL("exit", "0", "0", "RUNNING"), "");
    assert_string_equal(CELL("used", "2", "8"), "2/8");
    assert_string_equal(CELL("used_memory", "512", "4096"), "512M/4G");
    assert_string_equal(CELL("elapsed", "3661000000", "1795615331000000"), "01:01:01");
    assert_string_equal(CELL("elapsed", "0", ""), "");
    assert_string_equal(CELL("start", "4795615331000000"), "");
    assert_string_equal(CELL("default", "1"), "yes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_gets_aligned_columns_and_nothing_cut),
        cmocka_unit_test(a_narrow_terminal_gets_lines_that_fit),
        cmocka_unit_test(states_have_colors_where_wanted),
        cmocka_unit_test(a_terminal_is_not_told_what_to_do_by_a_job_name),
        cmocka_unit_test(width_is_counted_in_columns_of_a_terminal),
        cmocka_unit_test(columns_of_our_own_are_made_of_several_fields),
        cmocka_unit_test(jobs_have_the_names_that_people_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
