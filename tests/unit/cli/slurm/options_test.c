/* options_test.c - options are read as getopt_long reads them, and faults are said in its words */
#include "cli/slurm/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct slurm_option table[] = {
    { "partition", 'p', SLURM_ARGUMENT, 'p' },
    { "nodes", 'N', SLURM_ARGUMENT, 'N' },
    { "nodelist", 'w', SLURM_ARGUMENT, 'w' },
    { "noheader", 'h', SLURM_NO_ARGUMENT, 'h' },
    { "exclusive", 0, SLURM_ARGUMENT_MAYBE, 1 },
    { "cluster", 'M', SLURM_ARGUMENT, 'M' },
    { "clusters", 0, SLURM_ARGUMENT, 'M' },
    { "format", 'o', SLURM_ARGUMENT, 'o' },
    { 0 },
};

/* What is read, one word an option: "p=x", an operand as "x", a fault as its text. */
static const char *read_all(bool is_stopping, char **argv)
{
    static char out[1024];
    struct slurm_options options = {
        .table = table, .argv = argv, .is_stopping = is_stopping, .is_silent = true
    };
    int id;

    out[0] = 0;
    while (argv[options.argc] != NULL)
        options.argc++;
    while ((id = slurm_options_next(&options)) != SLURM_OPTION_END) {
        size_t used = strlen(out);

        if (id == SLURM_OPTION_BAD)
            return (void)snprintf(out, sizeof(out), "%s", options.wrong), out;
        if (id == SLURM_OPTION_OPERAND)
            (void)snprintf(out + used, sizeof(out) - used, "%s;", options.value);
        else
            (void)snprintf(out + used, sizeof(out) - used, "%c=%s;", id == 1 ? 'X' : id,
                           options.value == NULL ? "" : options.value);
    }
    if (is_stopping && options.at < options.argc)
        (void)snprintf(out + strlen(out), sizeof(out) - strlen(out), "then %s", argv[options.at]);
    return out;
}

#define READ(...) read_all(false, (char *[]){ "squeue", __VA_ARGS__, NULL })

static void every_way_to_write_an_option_is_read(void **state)
{
    (void)state;
    assert_string_equal(READ("-p", "a", "--partition=b", "--partition", "c", "-pd"),
                        "p=a;p=b;p=c;p=d;");
    assert_string_equal(READ("-hp", "a", "-hhN2"), "h=;p=a;h=;h=;N=2;");
    assert_string_equal(READ("--part", "a", "--noh"), "p=a;h=;");
    assert_string_equal(READ("--exclusive", "x", "--exclusive=user"), "X=;x;X=user;");
    assert_string_equal(READ("-o %C", "-o%P", "--format="), "o= %C;o=%P;o=;");
}

static void aliases_of_one_option_are_not_ambiguous(void **state)
{
    (void)state;
    assert_string_equal(READ("--clus", "a"), "M=a;");
}

static void operands_stand_anywhere_and_two_dashes_end_options(void **state)
{
    (void)state;
    assert_string_equal(READ("17", "-h", "-", "--", "-h"), "17;h=;-;-h;");
    assert_string_equal(read_all(true, (char *[]){ "sbatch", "-h", "job.sh", "-p", "x", NULL }),
                        "h=;then job.sh");
}

static void faults_are_said_in_the_words_of_getopt(void **state)
{
    (void)state;
    assert_string_equal(READ("--frobnicate=1"), "unrecognized option '--frobnicate'");
    assert_string_equal(READ("--no"), "option '--no' is ambiguous; possibilities: '--nodes' "
                                      "'--nodelist' '--noheader'");
    assert_string_equal(READ("--nodes"), "option '--nodes' requires an argument");
    assert_string_equal(READ("--noheader=1"), "option '--noheader' doesn't allow an argument");
    assert_string_equal(READ("-hz"), "invalid option -- 'z'");
    assert_string_equal(READ("-hp"), "option requires an argument -- 'p'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_write_an_option_is_read),
        cmocka_unit_test(aliases_of_one_option_are_not_ambiguous),
        cmocka_unit_test(operands_stand_anywhere_and_two_dashes_end_options),
        cmocka_unit_test(faults_are_said_in_the_words_of_getopt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
