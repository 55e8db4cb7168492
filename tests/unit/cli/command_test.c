/* command_test.c - the tables of options are parsed as their rows say, and mistakes are named */
#include "cli/command.h"
#include "cli/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct values {
    bool flag;
    const char *text, *word;
    int64_t number;
    int choice;
};

static const struct cli_option options[] = {
    { "--flag", CLI_FLAG, NULL, offsetof(struct values, flag), NULL, 0, 0, "a flag" },
    { "--text", CLI_TEXT, "TEXT", offsetof(struct values, text), NULL, 0, 0, "a text" },
    { "--word", CLI_TEXT, "TEXT", offsetof(struct values, word), "hello", 0, 0, "a text" },
    { "--number", CLI_NUMBER, "N", offsetof(struct values, number), "5", -2, 100, "a number" },
    { "--choice", CLI_CHOICE, "red|green|blue", offsetof(struct values, choice), "green", 0, 0,
      "a choice" },
    { 0 },
};

static const struct cli_command command = {
    "test", "FILE...", 0, 2, "Tests.", options, NULL,
};

static int parse(struct values *values, int *operands, char **argv)
{
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    return cli_parse(&command, argc, argv, values, operands);
}

#define PARSE(...) parse(&values, &operands, argv = (char *[]){ __VA_ARGS__, NULL })

static void defaults_hold_where_nothing_is_given(void **state)
{
    struct values values;
    char **argv;
    int operands;

    (void)state;
    assert_int_equal(PARSE("a", "b"), CLI_GO_ON);
    assert_int_equal(operands, 2);
    assert_string_equal(argv[1], "b");
    assert_false(values.flag);
    assert_null(values.text);
    assert_string_equal(values.word, "hello");
    assert_int_equal(values.number, 5);
    assert_int_equal(values.choice, 1);
}

static void options_mix_with_operands_in_both_spellings(void **state)
{
    struct values values;
    char **argv;
    int operands;

    (void)state;
    assert_int_equal(PARSE("--number=7", "a", "--text", "--flag", "--choice", "blue", "--flag",
                           "--", "--number"),
                     CLI_GO_ON);
    assert_int_equal(operands, 2);
    assert_string_equal(argv[0], "a");
    assert_string_equal(argv[1], "--number");
    assert_string_equal(values.text, "--flag");
    assert_true(values.flag);
    assert_int_equal(values.number, 7);
    assert_int_equal(values.choice, 2);
    assert_int_equal(PARSE("-", "--number", "-2", "--text="), CLI_GO_ON);
    assert_string_equal(argv[0], "-");
    assert_int_equal(values.number, -2);
    assert_string_equal(values.text, "");
    assert_int_equal(PARSE("-1h30m"), CLI_GO_ON);
    assert_string_equal(argv[0], "-1h30m");
}

static void mistakes_are_usage_errors(void **state)
{
    struct values values;
    char **argv;
    int operands;

    (void)state;
    assert_int_equal(PARSE("--nmber", "1"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--number"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--number", "x"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--number", "1x"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--number", ""), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--number", "-"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--number", "101"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--number", "-3"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--number", "99999999999999999999999999"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--choice", "yellow"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--choice", "re"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("--flag=1"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("a", "b", "c"), CLI_EXIT_USAGE);
    assert_int_equal(PARSE("-x"), CLI_EXIT_USAGE);
    (void)argv;
}

static void a_mistyped_name_finds_the_one_that_was_meant(void **state)
{
    static const struct {
        const char *typed, *meant;
    } cases[] = {
        { "--polcy", "--policy" }, { "--backfil", "--backfill" }, { "--bacfkill", "--backfill" },
        { "--xyzzy", NULL },       { "--policyy", "--policy" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cli_guess guess = { .typed = cases[i].typed };

        cli_guess_try(&guess, "--policy");
        cli_guess_try(&guess, "--backfill");
        cli_guess_try(&guess, "--json");
        if (cases[i].meant == NULL)
            assert_null(guess.best);
        else
            assert_string_equal(guess.best, cases[i].meant);
    }
}

static void choices_go_both_ways(void **state)
{
    char out[32];

    (void)state;
    for (int i = 0; i < 3; i++) {
        const char *name = cli_choice_name("red|green|blue", i, out);

        assert_int_equal(cli_choice_find("red|green|blue", name, strlen(name)), i);
    }
    assert_int_equal(cli_choice_find("red|green|blue", "", 0), -1);
    assert_int_equal(cli_choice_find("red|green|blue", "green|blue", 10), -1);
}

static void durations_are_for_people_or_for_programs(void **state)
{
    char out[32];

    (void)state;
    assert_string_equal(cli_duration(out, 93784, false), "93784");
    assert_string_equal(cli_duration(out, 93784, true), "1d 02:03:04");
    assert_string_equal(cli_duration(out, 59, true), "00:00:59");
    assert_string_equal(cli_duration(out, -5, true), "-5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_where_nothing_is_given),
        cmocka_unit_test(options_mix_with_operands_in_both_spellings),
        cmocka_unit_test(mistakes_are_usage_errors),
        cmocka_unit_test(a_mistyped_name_finds_the_one_that_was_meant),
        cmocka_unit_test(choices_go_both_ways),
        cmocka_unit_test(durations_are_for_people_or_for_programs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
