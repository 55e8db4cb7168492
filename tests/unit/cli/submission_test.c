/* submission_test.c - options, #SBATCH lines and variables become the request that they ask for
 *
 * A row: what is written on the command line and in the script, and what is in the request, as the
 * fields that differ from those of a job for which nothing is asked.
 */
#include "cli/submission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char script_path[] = "/tmp/submission_test.XXXXXX";

/* 2026-11-25 13:00:00 UTC */
#define NOW_US INT64_C(1795611600000000)

static void add(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(char *out, const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;

    if (used > 0)
        out[used++] = ' ';
    va_start(args, format);
    (void)vsnprintf(out + used, 2048 - used, format, args);
    va_end(args);
}

static void add_text(char *out, const char *name, struct dk_text text)
{
    if (text.size > 0)
        add(out, "%s=%.*s", name, (int)text.size, text.data);
}

static void add_number(char *out, const char *name, int64_t value, int64_t usual)
{
    if (value != usual)
        add(out, "%s=%lld", name, (long long)value);
}

static void add_names(char *out, const char *name, const struct dk_text *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        add_text(out, name, names[i]);
}

static void add_lists(char *out, const struct dk_job_spec *spec)
{
    static const char *const kinds[] = { "after", "afterok", "afternotok", "afterany",
                                         "singleton" };

    for (uint32_t i = 0; i < spec->dependencies_count; i++) {
        const struct dk_dependency *dependency = &spec->dependencies[i];

        add(out, "%s:%lld+%lld", kinds[dependency->kind], (long long)dependency->job,
            (long long)(dependency->delay_us / 1000000));
    }
    if (spec->dependency_any)
        add(out, "any");
    for (uint32_t i = 0; spec->has_array && i < spec->array.ranges_count; i++)
        add(out, "%d-%d:%d", spec->array.ranges[i].first, spec->array.ranges[i].last,
            spec->array.ranges[i].step);
    if (spec->has_array && spec->array.running_max > 0)
        add(out, "%%%d", spec->array.running_max);
    add_names(out, "wanted", spec->nodes_wanted, spec->nodes_wanted_count);
    add_names(out, "excluded", spec->nodes_excluded, spec->nodes_excluded_count);
}

static void describe(char *out, const struct dk_submission *submission)
{
    const struct dk_job_spec *spec = &submission->request.submit_job.spec;
    const struct dk_job_launch *launch = &spec->launch;

    out[0] = 0;
    add_text(out, "account", spec->account);
    add_text(out, "partition", spec->partition);
    add_text(out, "comment", spec->comment);
    add_text(out, "constraint", spec->constraint);
    add_number(out, "nodes", spec->nodes, 0);
    add_number(out, "tasks", spec->tasks, 1);
    add_number(out, "cpus", spec->cpus_per_task, 1);
    add_number(out, "per_node", spec->tasks_per_node, 0);
    add_number(out, "memory", spec->memory_mib_per_node, 0);
    add_number(out, "memory_cpu", spec->memory_mib_per_cpu, 0);
    add_number(out, "gpus_node", spec->gpus_per_node, 0);
    add_number(out, "gpus_task", spec->gpus_per_task, 0);
    add_number(out, "limit_s", spec->limit_us / 1000000, 0);
    add_number(out, "begin_s", spec->begin == 0 ? 0 : (spec->begin - NOW_US) / 1000000, 0);
    add_number(out, "nice", spec->nice, 0);
    add_number(out, "exclusive", spec->exclusive, 0);
    add_number(out, "hold", spec->hold, 0);
    add_number(out, "requeue", spec->requeue, 1);
    add_number(out, "kill", spec->kill_on_invalid_dependency, 0);
    add_lists(out, spec);
    add_text(out, "in", launch->std_in);
    add_text(out, "out", launch->std_out);
    add_text(out, "err", launch->std_err);
    add_number(out, "append", launch->append, 0);
    add_number(out, "signal", launch->signal, 0);
    add_number(out, "before_s", launch->signal_before_us / 1000000, 0);
    add_number(out, "batch", launch->signal_batch, 0);
    add_number(out, "mail", launch->mail_events, 0);
    add_text(out, "mail_user", launch->mail_user);
}

static void write_script(const char *text)
{
    FILE *file = fopen(script_path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* What the words of `line` in front of the script ask for; or the fault, and its exit status. */
static const char *asked_for(const char *line, char **environment)
{
    static char out[2048], copy[1024];
    static char *none[] = { NULL };
    struct dk_surroundings around = { .environment = environment == NULL ? none : environment,
                                      .directory = "/home/ada/work",
                                      .host = "login",
                                      .now_us = NOW_US,
                                      .umask = 022,
                                      .stdin_fd = -1 };
    struct dk_submission submission;
    struct dk_err err;
    char *argv[64] = { "sbatch" };
    int argc = 1;

    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *save, *word = strtok_r(copy, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    argv[argc++] = script_path;
    dk_submission_init(&submission, &around, "sbatch");
    if (dk_submission_read(&submission, argc, argv, &err) != DK_OK)
        (void)snprintf(out, sizeof(out), "%d %s", submission.exit_status, err.text);
    else
        describe(out, &submission);
    dk_submission_release(&submission);
    return out;
}

struct asking {
    const char *line, *wanted;
};

static void check_all(const struct asking *rows, size_t count)
{
    write_script("#!/bin/sh\ntrue\n");
    for (size_t i = 0; i < count; i++) {
        const char *found = asked_for(rows[i].line, NULL);

        if (strcmp(found, rows[i].wanted) != 0)
            fail_msg("%s\n  is      %s\n  and not %s", rows[i].line, found, rows[i].wanted);
    }
}

#define CHECK(...)                                                                                 \
    do {                                                                                           \
        static const struct asking rows[] = { __VA_ARGS__ };                                       \
        check_all(rows, sizeof(rows) / sizeof(rows[0]));                                           \
    } while (0)

static void every_option_fills_its_field(void **state)
{
    (void)state;
    CHECK({ "", "" }, { "-A phys -p batch --comment=x", "account=phys partition=batch comment=x" },
          { "-t 90", "limit_s=5400" }, { "-t 0:30", "limit_s=60" },
          { "-t 1-2:3:4", "limit_s=93840" }, { "-t UNLIMITED", "limit_s=3155760000" },
          { "-t 0", "limit_s=3155760000" }, { "--nice", "nice=100" }, { "--nice=-5", "nice=-5" },
          { "-H", "hold=1" }, { "--no-requeue", "requeue=0" }, { "--no-requeue --requeue", "" },
          { "--exclusive", "exclusive=1" }, { "-C a&b|c", "constraint=a&b|c" },
          { "-o x.%j -e y -i z", "in=z out=x.%j err=y" }, { "-o none", "out=/dev/null" },
          { "--open-mode=append", "append=1" }, { "--open-mode=t", "" },
          { "--mail-type=END,fail --mail-user=a@b", "mail=6 mail_user=a@b" },
          { "--mail-type=ALL", "mail=15" }, { "--mail-type=TIME_LIMIT_90,ARRAY_TASKS", "mail=288" },
          { "--signal=USR1", "signal=10 before_s=60" },
          { "--signal=B:SIGTERM@300", "signal=15 before_s=300 batch=1" },
          { "--signal=RB:2@9", "signal=2 before_s=9 batch=1" },
          { "--kill-on-invalid-dep=yes", "kill=1" },
          { "--part=a --dep=singleton", "partition=a singleton:0+0" });
}

static void sizes_are_said_as_docket_has_them(void **state)
{
    (void)state;
    CHECK({ "-N 2", "nodes=2 tasks=2" }, { "-N2 -n4 -c2", "nodes=2 tasks=4 cpus=2" },
          { "-N 2-2", "nodes=2 tasks=2" }, { "-N 1-3", "nodes=1" },
          { "-N 1-3 -n 6 --ntasks-per-node=2", "nodes=3 tasks=6 per_node=2" },
          { "-N 1k", "nodes=1024 tasks=1024" },
          { "--ntasks-per-node=3", "nodes=1 tasks=3 per_node=3" },
          { "-N 2 --ntasks-per-node=3", "nodes=2 tasks=6 per_node=3" },
          { "-n 4 --ntasks-per-node=2", "tasks=4 per_node=2" }, { "-N 4 -n 2", "nodes=2 tasks=2" },
          { "--mem=4000", "memory=4000" }, { "--mem=4G", "memory=4096" },
          { "--mem=500MB", "memory=500" }, { "--mem=512K", "memory=1" },
          { "--mem=1500K", "memory=2" }, { "--mem=2T", "memory=2097152" }, { "--mem=0", "" },
          { "--mem-per-cpu=1gb", "memory_cpu=1024" },
          { "-w n[1-2]", "nodes=2 tasks=2 wanted=n1 wanted=n2" },
          { "-w n1 -n 1", "nodes=1 wanted=n1" }, { "-w n1 -N 3", "nodes=3 tasks=3 wanted=n1" },
          { "-w n[1-2] -n1", "nodes=1 wanted=n1" }, { "-x n1,n3", "excluded=n1 excluded=n3" });
}

static void gpus_are_said_as_docket_has_them(void **state)
{
    (void)state;
    CHECK({ "--gres=gpu:2", "gpus_node=2" }, { "--gres=gpu", "gpus_node=1" },
          { "--gres=gpu:a100:2", "constraint=a100 gpus_node=2" },
          { "--gres=gpu:a100", "constraint=a100 gpus_node=1" }, { "--gres=none", "" },
          { "--gres=gpu:2 --gres=none", "" },
          { "--gres=gpu:v100:1 -C x|y", "constraint=x&v100|y&v100 gpus_node=1" },
          { "--gpus-per-node=2", "gpus_node=2" },
          { "--gpus-per-task=1 -n3", "tasks=3 gpus_task=1" }, { "-G 4", "nodes=1 gpus_node=4" },
          { "-G 4 -N2", "nodes=2 tasks=2 gpus_node=2" }, { "-G 4 -n 2", "tasks=2 gpus_task=2" },
          { "-G 4 --gpus-per-task=2", "tasks=2 gpus_task=2" },
          { "-G 4 --gpus-per-node=2", "nodes=2 tasks=2 gpus_node=2" },
          { "-G 3 -N2", "1 --gpus=3 is not supported by docket with 2 nodes: each gets the same "
                        "number; say --gpus-per-node or --gpus-per-task" },
          { "--gpus-per-node=4 --ntasks-per-gpu=2 -N2", "nodes=2 tasks=16 per_node=8 gpus_node=4" },
          { "--gpus-per-node=4 --cpus-per-gpu=2 --ntasks-per-node=4 -N1",
            "nodes=1 tasks=4 cpus=2 per_node=4 gpus_node=4" },
          { "--gpus-per-task=2 -n2 --cpus-per-gpu=3", "tasks=2 cpus=6 gpus_task=2" },
          { "--gres=gpu:2 --mem-per-gpu=1G", "memory=2048 gpus_node=2" },
          { "--gpus-per-task=1 --mem-per-gpu=1G -c4", "cpus=4 memory_cpu=256 gpus_task=1" });
}

static void arrays_and_dependencies_are_read(void **state)
{
    (void)state;
    CHECK({ "-a 0-9", "0-9:1" }, { "-a 1,3,5-9:2%4", "1-1:1 3-3:1 5-9:2 %4" },
          { "-a [1-3]", "1-3:1" }, { "-a 3,1", "1-1:1 3-3:1" }, { "-a 0-4,2-6", "0-6:1" },
          { "-a 0-10:3", "0-9:3" }, { "-a 1-3%0", "1-3:1" },
          { "-d afterok:1:2,afterany:3", "afterok:1+0 afterok:2+0 afterany:3+0" },
          { "-d afterok:1?afternotok:2", "afterok:1+0 afternotok:2+0 any" },
          { "-d after:1+5", "after:1+300" }, { "-d AFTEROK:1", "afterok:1+0" },
          { "-d 7", "afterany:7+0" }, { "-d singleton", "singleton:0+0" });
}

static void times_to_begin_are_read(void **state)
{
    (void)state;
    CHECK({ "-b now+1hour", "begin_s=3600" }, { "-b now+60", "begin_s=60" },
          { "-b 2026-11-25T14:00:00", "begin_s=3600" }, { "-b 2026-11-26", "begin_s=39600" },
          { "-b 2001-01-01", "" }, { "-b now", "" }, { "-b 16:00", "begin_s=10800" },
          { "-b tomorrow", "begin_s=39600" });
}

static void faults_are_said_as_slurm_says_them(void **state)
{
    (void)state;
    CHECK(
        { "-t foo", "255 Invalid --time specification" },
        { "--mem=xx", "255 Invalid --mem specification" },
        { "--mem=1.5G", "255 Invalid --mem specification" },
        { "-N x", "255 \"x\" is not a valid node count" },
        { "-N 2-1", "255 Maximum node count 1 is less than minimum node count 2" },
        { "-n 0", "1 Invalid numeric value \"0\" for --ntasks." },
        { "-c x", "1 Invalid numeric value \"x\" for --cpus-per-task." },
        { "--signal=FOO", "255 Invalid --signal specification" },
        { "--mail-type=FOO", "255 Invalid --mail-type specification" },
        { "--open-mode=x", "255 Invalid --open-mode specification" },
        { "--exclusive=foo", "255 Invalid --exclusive specification" },
        { "--gres=foo:1", "1 'foo:1' in --gres is not gpu[:type]:count, all that docket gives out\n"
                          "Invalid generic resource (gres) specification" },
        { "-G x", "1 Invalid generic resource (gres) specification" },
        { "--hint=foo", "1 unrecognized --hint argument \"foo\", see --hint=help" },
        { "--frob", "255 unrecognized option '--frob'" },
        { "-b foo", "255 Invalid time specification (pos=0): foo\nInvalid --begin specification" },
        { "-a 5-3", "1 '5-3' in --array is not a list like 1,3,5-9:2%4\n"
                    "Batch job submission failed: Invalid job array specification" },
        { "-d foo", "1 'foo' in --dependency is not KIND:JOB[:JOB...]\n"
                    "Batch job submission failed: Job dependency problem" },
        { "-d afterok:", "1 'afterok:' in --dependency is not KIND:JOB[:JOB...]\n"
                         "Batch job submission failed: Job dependency problem" },
        { "-d afterok:5_4294967299", /* not task 3 */
          "1 'afterok:5_4294967299' in --dependency is not KIND:JOB[:JOB...]\n"
          "Batch job submission failed: Job dependency problem" },
        { "-d after:5+9223372036854775807",
          "1 'after:5+9223372036854775807' in --dependency is not KIND:JOB[:JOB...]\n"
          "Batch job submission failed: Job dependency problem" },
        { "--mem=1 --mem-per-cpu=1",
          "1 --mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive." },
        { "-w n[1-2] -N1", "1 invalid number of nodes (-N 2-1)" });
}

static void what_docket_has_not_is_refused_by_name(void **state)
{
    (void)state;
    CHECK({ "--bb=x", "1 --bb is not supported by docket: it has no burst buffers" },
          { "--licenses=x", "1 --licenses is not supported by docket: it keeps no licenses" },
          { "--hint=memory_bound",
            "1 --hint=memory_bound is not supported by docket: cores are not "
            "left empty; ask for more with --cpus-per-task" },
          { "--threads-per-core=2",
            "1 --threads-per-core is not supported by docket: a core is given with all of its "
            "threads and counts once: 1 is what happens" },
          { "--threads-per-core=1 --ntasks-per-core=1 --qos=normal --wckey=x -s --propagate=NONE",
            "" },
          { "-d aftercorr:1", "1 --dependency=aftercorr is not supported by docket: afterok waits "
                              "for the whole array" });
}

static const struct {
    const char *lines, *wanted;
} scripts[] = {
    { "#SBATCH -p a -t 5", "partition=a limit_s=300" },
    { "#SBATCH-p a", "partition=a" },
    { "#SBATCH", "" },
    { "#SBATCH -p \"a b\" -n 2", "partition=a b tasks=2" },
    { "#SBATCH -p 'a b'", "partition=a b" },
    { "#SBATCH --partition=\"x y\"z", "partition=x yz" },
    { "#SBATCH -p a # -n 2", "partition=a" },
    { "#SBATCH -p a#b", "partition=a" },
    { "##SBATCH -p a", "" },
    { "# SBATCH -p a", "" },
    { " #SBATCH -p a", "" },
    { "echo\n#SBATCH -p a", "" },
    { "\n \n#SBATCH -p a", "partition=a" },
    { "# a comment\n#SBATCH\t-p\ta", "partition=a" },
    { "#SBATCH -p a\n#SBATCH -p b", "partition=b" },
    { "#SBATCH --part a --out x", "partition=a out=x" },
    { "#SBATCH --comment=\"a # b\"", "comment=a # b" },
    { "#SBATCH -N2 --ntasks-per-node=2", "nodes=2 tasks=4 per_node=2" },
    { "#SBATCH --mem=4gb --time=1-00:00:00 --array=0-99%10",
      "memory=4096 limit_s=86400 0-99:1 %10" },
    { "#PBS -N pbs\n#BSUB -q x", "" },
    { "#SBATCHX -p a", "255 Invalid directive found in batch script: X" },
    { "#SBATCH foo", "255 Invalid directive found in batch script: foo" },
    { "#SBATCH -p a -- -n 3", "255 Invalid directive found in batch script: -n" },
    { "#SBATCH --frob", "255 unrecognized option '--frob'" },
    { "#SBATCH -n x", "1 Invalid numeric value \"x\" for --ntasks." },
    { "#SBATCH hetjob", "1 --hetjob is not supported by docket: submit its parts as jobs that "
                        "depend on each other" },
};

static void directives_are_read_as_slurm_reads_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        char text[1024];

        (void)snprintf(text, sizeof(text), "#!/bin/sh\n%s\ntrue\n", scripts[i].lines);
        write_script(text);
        assert_string_equal(asked_for("", NULL), scripts[i].wanted);
    }
    write_script("#!/bin/sh\n#SBATCH -p \"open\ntrue\n");
    assert_non_null(strstr(asked_for("", NULL), ": line 2: Unmatched `\"` in [\"open]"));
}

static void the_line_goes_before_the_environment_and_that_before_the_script(void **state)
{
    char *environment[] = { "SBATCH_PARTITION=env", "SBATCH_TIMELIMIT=7", "SBATCH_MEM_PER_CPU=5",
                            NULL };

    (void)state;
    write_script("#!/bin/sh\n#SBATCH -p script -t 3 -A script --mem=9\n");
    assert_string_equal(asked_for("", NULL),
                        "account=script partition=script memory=9 limit_s=180");
    assert_string_equal(asked_for("", environment),
                        "account=script partition=env memory_cpu=5 limit_s=420");
    assert_string_equal(asked_for("-p line --mem=1", environment),
                        "account=script partition=line memory=1 limit_s=420");
}

static void what_is_no_script_is_refused(void **state)
{
    (void)state;
    write_script("");
    assert_string_equal(asked_for("", NULL), "1 Batch script is empty!");
    write_script(" \n\t\n");
    assert_string_equal(asked_for("", NULL), "1 Batch script contains only whitespace!");
    write_script("echo\n");
    assert_string_equal(asked_for("", NULL),
                        "1 This does not look like a batch script.  The first\n"
                        "line must start with #! followed by the path to an interpreter.\n"
                        "For instance: #!/bin/sh");
    write_script("#!/bin/sh\r\ntrue\r\n");
    assert_string_equal(asked_for("", NULL), "1 Batch script contains DOS line breaks (\\r\\n)\n"
                                             "instead of expected UNIX line breaks (\\n).");
}

/* The environment as one line, its NULs as semicolons. */
static const char *environment_of(char **argv, char **environment)
{
    static char out[4096];
    struct dk_surroundings around = { .environment = environment, .directory = "/d", .host = "h" };
    struct dk_submission submission;
    struct dk_bytes bytes;
    struct dk_err err;
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    dk_submission_init(&submission, &around, "sbatch");
    if (dk_submission_read(&submission, argc, argv, &err) != DK_OK)
        fail_msg("%s", err.text);
    bytes = submission.request.submit_job.environment;
    assert_true(bytes.size < sizeof(out));
    for (uint32_t i = 0; i < bytes.size; i++)
        out[i] = bytes.data[i] == 0 ? ';' : (char)bytes.data[i];
    out[bytes.size] = 0;
    dk_submission_release(&submission);
    return out;
}

static void export_says_which_variables_go_along(void **state)
{
    static char *environment[] = {
        "A=1", "B=2", "HOME=/h", "SLURM_CPU_BIND=q", "SLURM_JOB_ID=7", "SLURM_CPUS_PER_TASK=4", NULL
    };
    static const struct {
        const char *names, *wanted;
    } rows[] = {
        { "ALL", "A=1;B=2;HOME=/h;SLURM_CPU_BIND=q;" },
        { "NONE", "HOME=/h;PATH=P;SLURM_CPU_BIND=q;SLURM_EXPORT_ENV=NONE;" },
        { "B,C=x", "HOME=/h;PATH=P;SLURM_CPU_BIND=q;B=2;C=x;SLURM_EXPORT_ENV=B,C=x;" },
        { "ALL,A=9,C='x,y'",
          "B=2;HOME=/h;SLURM_CPU_BIND=q;A=9;C=x,y;SLURM_EXPORT_ENV=ALL,A=9,C='x,y';" },
        { "B,missing", "HOME=/h;PATH=P;SLURM_CPU_BIND=q;B=2;SLURM_EXPORT_ENV=B,missing;" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char option[64], found[4096];
        char *argv[] = { "sbatch", option, "--wrap=true", NULL };
        const char *path;

        (void)snprintf(option, sizeof(option), "--export=%s", rows[i].names);
        (void)snprintf(found, sizeof(found), "%s", environment_of(argv, environment));
        path = strstr(found, "PATH=/");
        if (path != NULL) { /* which folders is not the point */
            char rest[4096];

            (void)snprintf(rest, sizeof(rest), "%s", strchr(path, ';'));
            (void)snprintf(found + (path - found), sizeof(found) - (size_t)(path - found),
                           "PATH=P%s", rest);
        }
        assert_string_equal(found, rows[i].wanted);
    }
}

static void arguments_and_names_come_from_the_script(void **state)
{
    static char *none[] = { NULL };
    struct dk_surroundings around = { .environment = none, .directory = "/tmp", .host = "h" };
    char *argv[] = { "sbatch", "-D", "sub", script_path, "-n", "two words", NULL };
    struct dk_submission submission;
    const struct dk_submit_job *submit = &submission.request.submit_job;
    struct dk_err err;

    (void)state;
    write_script("#!/bin/sh\ntrue\n");
    dk_submission_init(&submission, &around, "sbatch");
    assert_int_equal(dk_submission_read(&submission, 6, argv, &err), DK_OK);
    assert_int_equal(submit->arguments.size, 13);
    assert_memory_equal(submit->arguments.data, "-n\0two words\0", 13);
    assert_true(dk_text_equal(submit->spec.work_dir, dk_text_of("/tmp/sub")));
    assert_true(dk_text_equal(submit->spec.name, dk_text_of(script_path + 5)));
    assert_memory_equal(submit->spec.launch.command.data, script_path, strlen(script_path));
    assert_memory_equal(submit->script.data, "#!/bin/sh\ntrue\n", submit->script.size);
    dk_submission_release(&submission);
}

static void a_wrapped_command_is_a_script_and_takes_no_arguments(void **state)
{
    static char *none[] = { NULL };
    struct dk_surroundings around = { .environment = none, .directory = "/tmp", .host = "h" };
    char *argv[] = { "sbatch", "--wrap", "echo hi", "x", NULL };
    struct dk_submission submission;
    const struct dk_submit_job *submit = &submission.request.submit_job;
    struct dk_err err;

    (void)state;
    dk_submission_init(&submission, &around, "sbatch");
    assert_int_equal(dk_submission_read(&submission, 3, argv, &err), DK_OK);
    assert_true(dk_text_equal(submit->spec.name, dk_text_of("wrap")));
    assert_memory_equal(submit->script.data,
                        "#!/bin/sh\n# This script was created by sbatch --wrap.\n\necho hi\n",
                        submit->script.size);
    dk_submission_release(&submission);
    dk_submission_init(&submission, &around, "sbatch");
    assert_int_equal(dk_submission_read(&submission, 4, argv, &err), DK_INVALID);
    assert_string_equal(err.text, "Script arguments not permitted with --wrap option");
    dk_submission_release(&submission);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_fills_its_field),
        cmocka_unit_test(sizes_are_said_as_docket_has_them),
        cmocka_unit_test(gpus_are_said_as_docket_has_them),
        cmocka_unit_test(arrays_and_dependencies_are_read),
        cmocka_unit_test(times_to_begin_are_read),
        cmocka_unit_test(faults_are_said_as_slurm_says_them),
        cmocka_unit_test(what_docket_has_not_is_refused_by_name),
        cmocka_unit_test(directives_are_read_as_slurm_reads_them),
        cmocka_unit_test(the_line_goes_before_the_environment_and_that_before_the_script),
        cmocka_unit_test(what_is_no_script_is_refused),
        cmocka_unit_test(export_says_which_variables_go_along),
        cmocka_unit_test(arguments_and_names_come_from_the_script),
        cmocka_unit_test(a_wrapped_command_is_a_script_and_takes_no_arguments),
    };
    int fd = mkstemp(script_path);
    int failed;

    if (fd < 0 || close(fd) != 0 || setenv("TZ", "UTC", 1) != 0)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(script_path);
    return failed;
}
