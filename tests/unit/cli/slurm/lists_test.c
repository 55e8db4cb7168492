/* lists_test.c - squeue, sinfo, sacct, sprio and sdiag against a small cluster of paper
 *
 * The expected texts were printed by Slurm 22.05.8 for jobs and nodes like these (four nodes of two
 * processors, a running job of two nodes, an array, a held job...), except where docket differs
 * on purpose; then the test says so. A server of ours answers with the columns that it is asked
 * for. */
#define _GNU_SOURCE
#include "base/check.h"
#include "cli/slurm/slurm.h"
#include "net/http.h"

#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* name=value pairs of one row, divided by blanks; '~' in a value is a blank */
static const char *const jobs[] = {
    "id=1 name=a.sh state=COMPLETED state_short=CD start=1795611562000000 end=1795611563000000 "
    "elapsed=1000000 limit=300000000 node_list=s2 batch_host=s2 exit_code=0 exit_signal=0 "
    "user_us=11000 system_us=7000 rss_max_kib=12264 read_bytes=33541 written_bytes=1623",
    "id=2 name=wrap state=FAILED state_short=F reason=NonZeroExitCode start=1795611562000000 "
    "end=1795611562000000 elapsed=0 node_list=s3 batch_host=s3 exit_code=3 exit_signal=0",
    "id=4 name=longname_abcdefgh comment=hello~world state=RUNNING state_short=R "
    "start=1795611562000000 end=1795706962000000 elapsed=52000000 limit=95400000000 "
    "memory_per_node=100 nodes=2 cores=2 tasks=2 node_list=s[1-2] batch_host=s1 "
    "command=/tmp/long.sh std_out=/tmp/slurm-4.out",
    "id=5 name=long.sh partition=short state=RUNNING state_short=R start=1795611562000000 "
    "end=1795612762000000 elapsed=52000000 limit=1200000000 memory_per_core=50 node_list=s1 "
    "batch_host=s1 gpus=2 gpus_per_node=2",
    "id=6 name=arr array_job=6 array_spec=0-9 array_max=2 state=PENDING state_short=PD nodes=4 "
    "cores=4 exclusive=1 reason=Resources priority=100850 attempt=0",
    "id=7 name=held state=PENDING state_short=PD reason=JobHeldUser priority=0 eligible= "
    "attempt=0",
    "id=9 name=dep state=PENDING state_short=PD reason=Dependency dependency=afterok:4 "
    "priority=100287 eligible= attempt=0",
    "id=10 name=big state=PENDING state_short=PD reason=Priority priority=100845 nice=5 "
    "limit=600000000 nodes=4 cores=4 exclusive=1 nodes_wanted=s1 planned=4102444800000000 "
    "attempt=0",
    "id=13 name=canc state=CANCELLED state_short=CA end=1795611566000000 ended_by=1000 attempt=0",
    "id=15 name=arr2 array_job=12 array_task=1 state=COMPLETED state_short=CD "
    "start=1795611583000000 end=1795611584000000 elapsed=1000000 node_list=s3 batch_host=s3 "
    "exit_code=0 exit_signal=0",
    NULL,
};
static const char job_defaults[] =
    "user=root uid=0 group=root gid=0 account=root partition=main reason=None nice=0 nodes=1 "
    "cores=1 tasks=1 cores_per_task=1 gpus=0 exclusive=0 requeue=1 attempt=1 "
    "submit=1795611561000000 eligible=1795611561000000 work_dir=/tmp/jobs submit_host=localhost";
static const char *const steps[] = {
    "id=1 step=batch name=batch state=COMPLETED start=1795611562000000 end=1795611563000000 "
    "elapsed=1000000 node_list=s2 batch_host=s2 exit_code=0 exit_signal=0 user_us=11000 "
    "system_us=7000 rss_max_kib=12264 read_bytes=33541 written_bytes=1623",
    "id=2 step=batch name=batch state=FAILED start=1795611562000000 end=1795611562000000 "
    "elapsed=0 node_list=s3 batch_host=s3 exit_code=3 exit_signal=0",
    NULL,
};
static const char *const nodes[] = {
    "name=s2 state=MIXED cores_used=1 partitions=main,short",
    "name=s1 state=ALLOCATED cores_used=2 partitions=main,short",
    "name=s3 state=DOWN condition=DOWN reason=no~power reason_user=root "
    "reason_time=1795611616000000",
    "name=s4 state=DRAINED condition=DRAINED reason=bad~disk reason_user=root "
    "reason_time=1795611616000000",
    NULL,
};
static const char node_defaults[] =
    "host=localhost condition=UP cores=2 cores_used=0 memory=1000 memory_used=0 gpus=0 "
    "gpus_used=0 features=fast,big partitions=main sockets=2 threads_per_core=1 version=0.1.0";
static const char *const partitions[] = {
    "name=main default=1",
    "name=short default=0 limit_max=1800000000 limit_default=600000000 priority=100",
    NULL,
};
static const char partition_defaults[] = "state=UP priority=1 tier=1";
static const char *const priorities[] = {
    "id=6 partition=main priority=100850 size=750 partition_factor=100 size_raw=0.75 "
    "partition_raw=0.01",
    "id=11 partition=short priority=110375 size=375 partition_factor=10000 size_raw=0.375 "
    "partition_raw=1",
    "id=12 partition=main priority=0 position=0", /* held */
    NULL,
};
static const char priority_defaults[] =
    "user=root account=root age=0 nice=0 weight_age=1000 weight_size=1000 weight_partition=10000 "
    "age_raw=0 position=1";

static char dir[64], asked[4096], out_text[1 << 16], err_text[1 << 14];
static struct dk_http_server *server;

/* Where `name` is in a row of pairs, or NULL. */
static const char *pair(const char *row, const char *name, size_t size)
{
    for (const char *at = row; *at != '\0'; at += strcspn(at, " ") + (at[strcspn(at, " ")] != 0))
        if (strncmp(at, name, size) == 0 && at[size] == '=')
            return at + size + 1;
    return NULL;
}

static void add_value(struct dk_buf *body, const char *value)
{
    for (; value != NULL && *value != '\0' && *value != ' '; value++)
        (void)dk_buf_add(body, *value == '~' ? " " : value, 1);
}

static bool list_has(const char *list, const char *value)
{
    size_t size = value == NULL ? 0 : strcspn(value, " ");

    while (list != NULL && value != NULL && *list != '\0') {
        size_t item = strcspn(list, ",");

        if (item == size && strncmp(list, value, size) == 0)
            return true;
        list += item + (list[item] == ',');
    }
    return false;
}

static bool passes(struct dk_http_exchange *exchange, const char *row)
{
    const char *ids = dk_http_param(exchange, "id"), *states = dk_http_param(exchange, "state");
    const char *parts = dk_http_param(exchange, "partition");

    if (ids != NULL && !list_has(ids, pair(row, "id", 2)) &&
        !list_has(ids, pair(row, "array_job", 9)))
        return false;
    if (parts != NULL && strcmp(dk_http_path(exchange), "/v1/partitions") == 0)
        return list_has(parts, pair(row, "name", 4));
    return states == NULL || strcmp(states, "all") == 0 || list_has(states, pair(row, "state", 5));
}

static void answer_row(struct dk_buf *body, const char *row, const char *defaults,
                       const char *fields)
{
    while (*fields != '\0') {
        size_t size = strcspn(fields, ",");
        const char *value = pair(row, fields, size);

        add_value(body, value != NULL ? value : pair(defaults, fields, size));
        fields += size;
        if (*fields == ',') {
            fields++;
            (void)dk_buf_add(body, "\t", 1);
        }
    }
    (void)dk_buf_add(body, "\n", 1);
}

static void answer_rows(struct dk_http_exchange *exchange, struct dk_buf *body)
{
    static const struct {
        const char *path, *const *rows, *defaults;
    } tables[] = { { "/v1/jobs", jobs, job_defaults },
                   { "/v1/history", jobs, job_defaults },
                   { "/v1/nodes", nodes, node_defaults },
                   { "/v1/partitions", partitions, partition_defaults },
                   { "/v1/priority", priorities, priority_defaults } };
    const char *path = dk_http_path(exchange), *fields = dk_http_param(exchange, "fields");

    (void)snprintf(asked, sizeof(asked), "%s", fields);
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        if (strcmp(path, tables[t].path) != 0)
            continue;
        for (const char *const *row = tables[t].rows; *row != NULL; row++) {
            if (!passes(exchange, *row))
                continue;
            answer_row(body, *row, tables[t].defaults, fields);
            for (const char *const *step = steps;
                 *step != NULL && dk_http_param(exchange, "steps") != NULL; step++)
                if (list_has(pair(*row, "id", 2), pair(*step, "id", 2)) ||
                    strncmp(*row, *step, strcspn(*step, " ") + 1) == 0)
                    answer_row(body, *step, tables[t].defaults, fields);
        }
    }
}

static void handle(void *context, struct dk_http_exchange *exchange)
{
    const char *path = dk_http_path(exchange);
    struct dk_buf body;

    (void)context;
    dk_buf_init(&body, &dk_heap, 1 << 20);
    if (strcmp(path, "/v1/status") == 0)
        (void)dk_buf_add_text(&body, "{\"seq\":7,\"cluster\":\"paper\"}");
    else if (strcmp(path, "/v1/stats") == 0)
        (void)dk_buf_add_text(
            &body, "{\"now\":1795611617000000,\"since\":1795611524000000,\"counters\":{"
                   "\"jobs_submitted\":25,\"jobs_started\":8,\"batches\":91},\"ended\":{"
                   "\"COMPLETED\":6,\"CANCELLED\":2,\"FAILED\":1},\"batch\":{\"last\":"
                   "1795611613000000,\"a_minute\":13},\"jobs\":{\"PENDING\":15,\"RUNNING\":2},"
                   "\"partitions\":[{\"name\":\"x\"}],\"http\":{\"questions\":899}}");
    else
        answer_rows(exchange, &body);
    dk_http_answer(exchange, 200, "text/tab-separated-values", 7, &body);
}

static void read_back(int fd, char *text, size_t size)
{
    ssize_t got = pread(fd, text, size - 1, 0);

    text[got > 0 ? got : 0] = '\0';
    (void)close(fd);
}

/* Runs a command by its Slurm name; what it printed is in out_text and err_text. */
static int run(const char *line)
{
    char copy[1024], *argv[64], *rest = copy, *word;
    int argc = 0, out = memfd_create("out", 0), err = memfd_create("err", 0), status;
    int old_out = dup(STDOUT_FILENO), old_err = dup(STDERR_FILENO);

    (void)snprintf(copy, sizeof(copy), "%s", line);
    while ((word = strsep(&rest, "|")) != NULL) /* arguments, divided by bars */
        argv[argc++] = word;
    argv[argc] = NULL;
    (void)fflush(NULL);
    DK_CHECK(dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0);
    status = slurm_find(argv[0])(argc, argv);
    (void)fflush(NULL);
    (void)dup2(old_out, STDOUT_FILENO);
    (void)dup2(old_err, STDERR_FILENO);
    (void)close(old_out);
    (void)close(old_err);
    read_back(out, out_text, sizeof(out_text));
    read_back(err, err_text, sizeof(err_text));
    return status;
}

#define PRINTS(line, text)                                                                         \
    do {                                                                                           \
        assert_int_equal(run(line), 0);                                                            \
        assert_string_equal(err_text, "");                                                         \
        assert_string_equal(out_text, text);                                                       \
    } while (0)

/* --- squeue --- */

static void squeue_lists_what_waits_and_runs_as_slurm_does(void **state)
{
    (void)state;
    PRINTS("squeue",
           "             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)\n"
           "         6_[0-9%2]      main      arr     root PD       0:00      4 (Resources)\n"
           "                10      main      big     root PD       0:00      4 (Priority)\n"
           "                 9      main      dep     root PD       0:00      1 (Dependency)\n"
           "                 7      main     held     root PD       0:00      1 (JobHeldUser)\n"
           "                 4      main longname     root  R       0:52      2 s[1-2]\n"
           "                 5     short  long.sh     root  R       0:52      1 s1\n");
    PRINTS("squeue|-h|-l|-j4,10",
           "                10      main      big     root  PENDING       0:00     10:00      4 "
           "(Priority)\n"
           "                 4      main longname     root  RUNNING       0:52 1-02:30:00      2 "
           "s[1-2]\n");
    PRINTS("squeue|-s", "         STEPID     NAME PARTITION     USER      TIME NODELIST\n"
                        "        4.batch    batch      main     root      0:52 s1\n"
                        "        5.batch    batch     short     root      0:52 s1\n");
    PRINTS("squeue|-h|-s4.batch|-o|%i %A %N", "4.batch 1 s1\n");
    PRINTS("squeue|--start|-h|-o|%i %S", "10 2100-01-01T00:00:00\n"
                                         "6_[0-9%2] N/A\n"
                                         "7 N/A\n"
                                         "9 N/A\n");
}

static void squeue_asks_only_for_the_columns_that_it_shows(void **state)
{
    (void)state;
    PRINTS("squeue|-h|-j|10|-o|%t", "PD\n");
    assert_string_equal(asked, "id,partition,state,state_short");
    PRINTS("squeue|-h|-o|%A", "6\n10\n9\n7\n4\n5\n");
    assert_string_equal(asked, "id,partition,state_short,priority");
    PRINTS("squeue|-h|-S|i|-o%A", "4\n5\n6\n7\n9\n10\n");
    assert_string_equal(asked, "id,array_job,array_task,array_spec,array_max");
}

static void formats_by_letter_keep_their_text_cut_and_pad(void **state)
{
    (void)state;
    PRINTS("squeue|-h|-j4|-o|%5i|-o|a%%%.5i,%5j,%.5T,%2t;", "a    4,longn,RUNNI,R ;\n");
    /* As in the arguments of a monitor: option and value in one, a leading blank is kept. */
    PRINTS("squeue|-h|-j4|-o %C", " 2\n");
    PRINTS("squeue|-h|-t|PENDING|-S|i|-o%P", "main\nmain\nmain\nmain\n");
    PRINTS("squeue|-j4|-o|abc %i def %t%%%x!", "abc JOBID def STEXC_NODES!\nabc 4 def R!\n");
    /* Times, nodes and reasons aligned to the right are never cut, their headings are or not. */
    PRINTS("squeue|-j4|-o|%.3l %.3M %.3N %3N %.3R",
           "TIM TIM NODELIST NOD NODELIST(REASON)\n1-02:30:00 0:52 s[1-2] s[1 s[1-2]\n");
    assert_int_equal(run("squeue|-h|-j4|-o|%f%10"), 0);
    assert_string_equal(out_text, "(null)%10\n");
    assert_string_equal(err_text, "squeue: error: Invalid job format specification: \n");
}

static void every_letter_has_the_value_that_slurm_gave(void **state)
{
    (void)state;
    PRINTS("squeue|-t|all|-S|i|-j|1,4,6|-o|%a %A %b %B %c %C %d %D %F %g %G %h",
           "ACCOUNT JOBID TRES_PER_NODE EXEC_HOST MIN_CPUS CPUS MIN_TMP_DISK NODES ARRAY_JOB_ID "
           "GROUP GROUP OVER_SUBSCRIBE\n"
           "root 1 N/A s2 1 1 0 1 1 root 0 OK\n"
           "root 4 N/A s1 1 2 0 2 4 root 0 OK\n"
           "root 6 N/A n/a 1 4 0 4 6 root 0 NO\n");
    PRINTS("squeue|-t|all|-S|i|-j|1,4,6|-o|%e,%E,%f,%H,%I,%J,%k,%K,%l,%L,%m,%o,%O",
           "END_TIME,DEPENDENCY,FEATURES,SOCKETS_PER_NODE,CORES_PER_SOCKET,THREADS_PER_CORE,"
           "COMMENT,ARRAY_TASK_ID,TIME_LIMIT,TIME_LEFT,MIN_MEMORY,COMMAND,CONTIGUOUS\n"
           "2026-11-25T12:59:23,(null),(null),*,*,*,(null),N/A,5:00,4:59,0,(null),0\n"
           "2026-11-26T15:29:22,(null),(null),*,*,*,hello world,N/A,1-02:30:00,1-02:29:08,100M,"
           "/tmp/long.sh,0\n"
           "NONE,(null),(null),*,*,*,(null),0-9%2,UNLIMITED,UNLIMITED,0,(null),0\n");
    PRINTS("squeue|-t|all|-S|i|-h|-j|2,5,10|-o|%n,%p,%q,%Q,%r,%s,%S,%T,%U,%v,%V,%w,%W,%x,%X,%y,%Y,"
           "%z,%Z,%b",
           ",0.00000000000000,normal,0,NonZeroExitCode,,2026-11-25T12:59:22,FAILED,0,(null),"
           "2026-11-25T12:59:21,(null),(null),,N/A,0,(null),*:*:*,/tmp/jobs,N/A\n"
           ",0.00000000000000,normal,0,None,,2026-11-25T12:59:22,RUNNING,0,(null),"
           "2026-11-25T12:59:21,(null),(null),,N/A,0,(null),*:*:*,/tmp/jobs,gres:gpu:2\n"
           "s1,0.00002347980626,normal,100845,Priority,,2100-01-01T00:00:00,PENDING,0,(null),"
           "2026-11-25T12:59:21,(null),(null),,N/A,5,(null),*:*:*,/tmp/jobs,N/A\n");
    PRINTS("squeue|-h|-j9|-o|%E", "afterok:4(unfulfilled)\n");
}

static void formats_by_name_take_widths_suffixes_and_a_last_comma(void **state)
{
    (void)state;
    PRINTS("squeue|-j|4|-O|jobid,name,statecompact:.6,arraytaskid:5,",
           "JOBID               NAME                    STARRAY\n"
           "4                   longname_abcdefgh        RN/A  \n");
    PRINTS("squeue|-j|4|-O|JobID:\x1f,Name:\x1f,STDOUT:\x1f,", "JOBID\x1fNAME\x1fSTDOUT\x1f\n"
                                                               "4\x1flongname_abcdefgh\x1f"
                                                               "/tmp/slurm-4.out\x1f\n");
    PRINTS("squeue|-h|-j|5|-O|tres-alloc:;,exit_code:;,NumTasks:;,RestartCnt:;,Requeue:;",
           "cpu=1,mem=50M,node=1,billing=1,gres/gpu=2;0;1;0;1;\n");
    assert_int_equal(run("squeue|-h|-j4|-O|foo:5,jobid:;"), 0);
    assert_string_equal(out_text, "4;\n");
    assert_string_equal(err_text, "squeue: error: Invalid job format specification: foo\n");
}

static void one_unknown_id_is_an_error_and_several_are_not(void **state)
{
    (void)state;
    assert_int_equal(run("squeue|-j|99999"), 1);
    assert_string_equal(err_text, "slurm_load_jobs error: Invalid job id specified\n");
    assert_string_equal(out_text, "");
    PRINTS("squeue|-h|-j|99998,99999", "");
    PRINTS("squeue|-h|-j|1", ""); /* ended, and still known */
    PRINTS("squeue|-h|-j|1|-t|all|-o|%i %t", "1 CD\n");
    PRINTS("squeue|-h|-j|4_2", ""); /* a job without tasks */
    assert_int_equal(run("squeue|-j|abc"), 1);
    assert_string_equal(err_text, "squeue: error: Invalid job id: abc\n");
    assert_int_equal(run("squeue|-t|foo"), 1);
    assert_non_null(strstr(err_text, "squeue: error: Invalid job state specified: foo\n"));
    assert_int_equal(run("squeue|-S|R"), 1);
    assert_string_equal(err_text, "squeue: error: Invalid sort specification: R\n");
}

static void orders_are_by_state_time_name_or_number(void **state)
{
    (void)state;
    PRINTS("squeue|-h|-t|all|-S|-t,i|-o|%t %i", "R 4\nR 5\nPD 6_[0-9%2]\nPD 7\nPD 9\nPD 10\n"
                                                "F 2\nCD 1\nCD 12_1\nCA 13\n");
    PRINTS("squeue|-h|-S|-Q|-o|%A", "6\n10\n9\n4\n5\n7\n"); /* none known is 0 */
    PRINTS("squeue|-h|-S|j|-o|%j", "arr\nbig\ndep\nheld\nlong.sh\nlongname_abcdefgh\n");
    PRINTS("squeue|-h|-S|l|-o|%A", "10\n5\n4\n6\n7\n9\n");
}

static void json_is_of_slurms_shape(void **state)
{
    static const char *const pieces[] = {
        "\"meta\": {",
        "\"errors\": []",
        "\"job_id\": 6",
        "\"array_task_string\": \"0-9%2\"",
        "\"time_limit\": 1590",
        "\"nodes\": \"s[1-2]\"",
        "\"exit_code\": 768",
        "\"job_state\": \"PENDING\"",
        "\"tres_alloc_str\": \"cpu=2,mem=200M,node=2,billing=2\"",
        "\"comment\": \"hello world\"",
    };

    (void)state;
    assert_int_equal(run("squeue|--json"), 0);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        assert_non_null(strstr(out_text, pieces[i]));
}

/* --- sinfo --- */

static void sinfo_groups_nodes_that_look_alike(void **state)
{
    (void)state;
    PRINTS("sinfo", "PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n"
                    "main*        up   infinite      1  drain s4\n"
                    "main*        up   infinite      1    mix s2\n"
                    "main*        up   infinite      1  alloc s1\n"
                    "main*        up   infinite      1   down s3\n"
                    "short        up      30:00      1    mix s2\n"
                    "short        up      30:00      1  alloc s1\n");
    PRINTS("sinfo|-s", "PARTITION AVAIL  TIMELIMIT   NODES(A/I/O/T) NODELIST\n"
                       "main*        up   infinite          2/0/2/4 s[1-4]\n"
                       "short        up      30:00          2/0/0/2 s[1-2]\n");
    PRINTS("sinfo|-h|-o|%C", "3/1/4/8\n"); /* a node of two partitions counts once */
    PRINTS("sinfo|-o|%C %t", "CPUS(A/I/O/T) STATE\n0/0/2/2 drain\n1/1/0/2 mix\n2/0/0/2 alloc\n"
                             "0/0/2/2 down\n");
    PRINTS("sinfo|-h|-o%R,%C", "main,3/1/4/8\nshort,3/1/0/4\n");
    PRINTS("sinfo|-aho|%F/%C", "2/0/2/4/3/1/4/8\n");
    PRINTS("sinfo|-d", "PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n"
                       "main*        up   infinite      0    n/a \n"
                       "short        up      30:00      0    n/a \n");
    PRINTS("sinfo|-h|-t|drain,down|-o|%D", "2\n");
    PRINTS("sinfo|-h|-n|s[1-2]|-p|main|-o|%N %c %m %z %l %L %f %G %w %B",
           "s[1-2] 2 1000 2:1:1 infinite n/a fast,big (null) 1 UNLIMITED\n");
}

static void sinfo_shows_nodes_one_by_one(void **state)
{
    (void)state;
    PRINTS("sinfo|-N", "NODELIST   NODES PARTITION STATE \n"
                       "s1             1     main* alloc \n"
                       "s1             1     short alloc \n"
                       "s2             1     main* mix   \n"
                       "s2             1     short mix   \n"
                       "s3             1     main* down  \n"
                       "s4             1     main* drain \n");
    PRINTS("sinfo|-h|-N|-O|NodeList,AllocMem,Memory,CPUsState,StateLong",
           "s1                  0                   1000                2/0/0/2             "
           "allocated           \n"
           "s1                  0                   1000                2/0/0/2             "
           "allocated           \n"
           "s2                  0                   1000                1/1/0/2             "
           "mixed               \n"
           "s2                  0                   1000                1/1/0/2             "
           "mixed               \n"
           "s3                  0                   1000                0/0/2/2             "
           "down                \n"
           "s4                  0                   1000                0/0/2/2             "
           "drained             \n");
    PRINTS("sinfo|-R", "REASON               USER      TIMESTAMP           NODELIST\n"
                       "bad disk             root      2026-11-25T13:00:16 s4\n"
                       "no power             root      2026-11-25T13:00:16 s3\n");
    PRINTS("sinfo|-h|-Nel",
           "s1             1     main*   allocated 2       2:1:1   1000        0      1 fast,big "
           "none                \n"
           "s1             1     short   allocated 2       2:1:1   1000        0      1 fast,big "
           "none                \n"
           "s2             1     main*       mixed 2       2:1:1   1000        0      1 fast,big "
           "none                \n"
           "s2             1     short       mixed 2       2:1:1   1000        0      1 fast,big "
           "none                \n"
           "s3             1     main*        down 2       2:1:1   1000        0      1 fast,big "
           "no power            \n"
           "s4             1     main*     drained 2       2:1:1   1000        0      1 fast,big "
           "bad disk            \n");
    PRINTS("sinfo|-T", "No reservations in the system\n");
    assert_int_equal(run("sinfo|-t|foo"), 1);
    assert_non_null(strstr(err_text, "sinfo: error: Bad state string: \"foo\"\n"));
    assert_int_equal(run("sinfo|-h|-p|main|-o|%i%P"), 0);
    assert_string_equal(err_text, "Invalid node format specification: i\n");
    assert_string_equal(out_text, "%imain*\n");
}

/* --- sacct --- */

static void sacct_lists_jobs_and_their_steps(void **state)
{
    (void)state;
    PRINTS("sacct|-j|1,2,4,6,13,12",
           "JobID           JobName  Partition    Account  AllocCPUS      State ExitCode \n"
           "------------ ---------- ---------- ---------- ---------- ---------- -------- \n"
           "1                  a.sh       main       root          1  COMPLETED      0:0 \n"
           "1.batch           batch                  root          1  COMPLETED      0:0 \n"
           "2                  wrap       main       root          1     FAILED      3:0 \n"
           "2.batch           batch                  root          1     FAILED      3:0 \n"
           "4            longname_+       main       root          2    RUNNING      0:0 \n"
           "6_[0-9%2]           arr       main       root          4    PENDING      0:0 \n"
           "13                 canc       main       root          1 CANCELLED+      0:0 \n"
           "12_1               arr2       main       root          1  COMPLETED      0:0 \n");
    PRINTS("sacct|-j|13|-P|-X|-o|jobid,State,END", "JobID|State|End\n"
                                                   "13|CANCELLED by 1000|2026-11-25T12:59:26\n");
    PRINTS("sacct|-n|-X|-j|4|-o|jobid%-6,nodelist%8,state%3", "4        s[1-2] RU+ \n");
    PRINTS("sacct|-j|1.batch|-p|-n|-o|JobIDRaw,MaxRSS,TotalCPU,NTasks,MaxDiskRead",
           "1.batch|12264K|00:00.018|1|0.03M|\n");
    PRINTS("sacct|-j|12|-P|-n|-o|JobID,JobIDRaw", "12_1|15\n");
    PRINTS("sacct|-j|99999|-n", "");
    PRINTS("sacct|-j|1|-n|-X|--delimiter|;;|-P|-o|jobid,elapsed,timelimit,submit,start",
           "1;;00:00:01;;00:05:00;;2026-11-25T12:59:21;;2026-11-25T12:59:22\n");
    PRINTS("sacct|-j|6|-n|-P|-o|start,end,nodelist,allocnodes,alloctres,reqtres,timelimit,reqmem",
           "Unknown|Unknown|None assigned|0||billing=4,cpu=4,node=4|UNLIMITED|0\n");
    PRINTS("sacct|-j|4|-n|-X|-P|-o|alloctres,reqmem,timelimitraw,cputime,cputimeraw,user,uid",
           "billing=2,cpu=2,mem=200M,node=2|200M|1590|00:01:44|104|root|0\n");
    PRINTS("sacct|-j|4|-n|-X|-P|--units|G|-o|reqmem", "0.20G\n");
    PRINTS("sacct|-j|1|-n|-P|--noconvert|-o|maxrss", "\n12558336\n");
}

static void sacct_finds_fields_in_any_case_and_refuses_others(void **state)
{
    (void)state;
    assert_int_equal(run("sacct|-o|foo"), 1);
    assert_string_equal(err_text, "sacct: error: Invalid field requested: \"foo\"\n");
    assert_int_equal(run("sacct|-a|-X|--format=Allocgres|--state=RUNNING|--noheader|--parsable2"),
                     1);
    assert_string_equal(err_text,
                        "sacct: fatal: AllocGRES has been removed, please use AllocTRES\n");
    assert_int_equal(run("sacct|-S|2026-13-01"), 1);
    assert_string_equal(err_text, "Invalid time specification (pos=5): 2026-13-01\n");
    assert_int_equal(run("sacct|-j|abc"), 1);
    assert_string_equal(err_text, "sacct: fatal: Bad job/step specified: abc\n");
    assert_int_equal(run("sacct|-F|SchedMain"), 1);
    assert_int_equal(run("sacct|-e"), 0);
    assert_non_null(strstr(out_text, "Account             AdminComment        AllocCPUS           "
                                     "AllocNodes         \n"));
}

static void sacct_chooses_by_state_and_time(void **state)
{
    (void)state;
    /* held, and waiting for another job: not accounted for unless named */
    PRINTS("sacct|-X|-n|-P|-o|jobid|-s|PD", "6_[0-9%2]\n10\n");
    PRINTS("sacct|-X|-n|-P|-o|jobid|-s|F|-S|2026-11-25|-E|2026-11-26", "2\n");
    PRINTS("sacct|-X|-n|-P|-o|jobid|-s|F|-S|2026-11-24|-E|2026-11-25", "");
    /* in that state at some time of the window, whatever it is in now */
    PRINTS("sacct|-X|-n|-P|-o|jobid,state|-j|1,9|-s|R|-S|2026-11-25|-E|2026-11-26",
           "1|COMPLETED\n");
    PRINTS("sacct|-X|-n|-P|-o|jobid|-j|4,5,6|-i|2", "4\n");
    PRINTS("sacct|-X|-n|-P|-o|jobid|-j|4,5,10|-k|10|-K|30", "5\n10\n");
    PRINTS("sacct|-X|-n|-T|-S|2026-11-25T13:00|-E|2026-11-25T13:00:30|-j|4|-P|-o|start,end,elapsed",
           "2026-11-25T13:00:00|2026-11-25T13:00:30|00:00:30\n");
    PRINTS("sacct|-X|-n|-P|-j|1|-o|cluster", "paper\n");
    assert_int_equal(run("sacct|--json|-j|1,13"), 0);
    assert_non_null(strstr(out_text, "\"steps\": ["));
    assert_non_null(strstr(out_text, "\"id\": \"batch\""));
    assert_non_null(strstr(out_text, "\"current\": \"CANCELLED\""));
}

/* --- sprio and sdiag --- */

static void sprio_shows_factors_weights_and_norms(void **state)
{
    (void)state;
    PRINTS(
        "sprio",
        "          JOBID PARTITION   PRIORITY       SITE        AGE  FAIRSHARE    JOBSIZE  "
        "PARTITION        QOS\n"
        "              6 main          100850          0          0          0        750        "
        "100          0\n"
        "             11 short         110375          0          0          0        375      "
        "10000          0\n");
    PRINTS("sprio|-w",
           "          JOBID PARTITION   PRIORITY       SITE        AGE  FAIRSHARE    JOBSIZE  "
           "PARTITION        QOS\n"
           "        Weights                               0       1000          0       1000      "
           "10000          0\n");
    PRINTS("sprio|-h|-o|%i %Y %u %r %j %p %y|-S|-Y",
           "11 110375 root short 0.3750000 1.0000000 0.00002569868230\n"
           "6 100850 root main 0.7500000 0.0100000 0.00002348097042\n");
    PRINTS("sprio|-n|-h|-j|6|-o|%i %a", "6 0.0000000\n");
}

/* The patterns of the exporter that CLIENTS lists, in its order. */
static void sdiag_has_the_lines_that_exporters_look_for(void **state)
{
    static const char *const patterns[] = {
        "^Server thread count: +1$",
        "^Agent queue size: +0$",
        "^DBD Agent queue size: +0$",
        "^Jobs submitted: 25$",
        "^Jobs completed: 6$",
        "^Jobs pending:   15$",
        "^\tLast cycle: +[0-9]+$",
        "^\tMean cycle: +[0-9]+$",
        "^\tCycles per minute: 13$",
        "^\tTotal backfilled jobs \\(since last slurm start\\): [0-9]+$",
        "^\tTotal backfilled jobs \\(since last stats cycle start\\): [0-9]+$",
        "^\tTotal backfilled heterogeneous job components: 0$",
        "^\tDepth Mean: [0-9]+$",
    };
    const char *at = out_text;

    (void)state;
    assert_int_equal(run("sdiag"), 0);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        regmatch_t match;
        regex_t regex;

        assert_int_equal(regcomp(&regex, patterns[i], REG_EXTENDED | REG_NEWLINE), 0);
        if (regexec(&regex, at, 1, &match, 0) != 0)
            fail_msg("no '%s' in:\n%s", patterns[i], at);
        at += match.rm_eo;
        regfree(&regex);
    }
    assert_int_equal(run("sdiag|-r"), 1); /* refused by name */
}

static void a_cluster_that_is_not_there_is_said_in_slurms_words(void **state)
{
    static const char *const cases[][2] = {
        { "squeue",
          "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n" },
        { "sinfo",
          "slurm_load_partitions: Unable to contact slurm controller (connect failure)\n" },
        { "sdiag", "slurm_get_statistics: Unable to contact slurm controller (connect failure)\n" },
        { "sacct", "sacct: error: Problem talking to the database: Connection refused\n" },
        { "sprio", "sprio: error: Couldn't get priority factors from controller: Unable to contact "
                   "slurm controller (connect failure)\n" },
    };

    (void)state;
    (void)setenv("DOCKET_DIR", "/nonexistent", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(run(cases[i][0]), 1);
        assert_string_equal(err_text, cases[i][1]);
        assert_string_equal(out_text, "");
    }
    (void)setenv("DOCKET_DIR", dir, 1);
}

static void every_command_explains_its_options(void **state)
{
    static const char *const lines[] = { "squeue|--help", "sinfo|--help", "sacct|--help",
                                         "sprio|--help",  "sdiag|--help", "squeue|--usage",
                                         "sinfo|--usage", "sacct|--usage" };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_int_equal(run(lines[i]), 0);
        assert_true(strlen(out_text) > 20);
    }
    assert_int_equal(run("sinfo|--nosuch"), 1);
    assert_string_equal(err_text, "sinfo: unrecognized option '--nosuch'\n"
                                  "Try \"sinfo --help\" for more information\n");
    assert_int_equal(run("squeue|-M|elsewhere"), 1);
    assert_non_null(strstr(err_text, "'elsewhere' can't be reached now"));
}

static int start(void **state)
{
    struct dk_http_options options = { .mode = 0600, .handler = handle };
    char path[128];
    struct dk_err err;

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/docket-lists-XXXXXX");
    DK_CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof(path), "%s/run", dir);
    DK_CHECK(mkdir(path, 0700) == 0);
    (void)snprintf(path, sizeof(path), "%s/run/query.sock", dir);
    options.socket = path;
    if (dk_http_start(&server, &options, &err) != DK_OK)
        fail_msg("%s", err.text);
    return setenv("DOCKET_DIR", dir, 1) | setenv("TZ", "UTC", 1) | setenv("LC_ALL", "C", 1);
}

static int stop(void **state)
{
    char path[128];

    (void)state;
    dk_http_stop(server);
    (void)snprintf(path, sizeof(path), "%s/run", dir);
    (void)rmdir(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squeue_lists_what_waits_and_runs_as_slurm_does),
        cmocka_unit_test(squeue_asks_only_for_the_columns_that_it_shows),
        cmocka_unit_test(formats_by_letter_keep_their_text_cut_and_pad),
        cmocka_unit_test(every_letter_has_the_value_that_slurm_gave),
        cmocka_unit_test(formats_by_name_take_widths_suffixes_and_a_last_comma),
        cmocka_unit_test(one_unknown_id_is_an_error_and_several_are_not),
        cmocka_unit_test(orders_are_by_state_time_name_or_number),
        cmocka_unit_test(json_is_of_slurms_shape),
        cmocka_unit_test(sinfo_groups_nodes_that_look_alike),
        cmocka_unit_test(sinfo_shows_nodes_one_by_one),
        cmocka_unit_test(sacct_lists_jobs_and_their_steps),
        cmocka_unit_test(sacct_finds_fields_in_any_case_and_refuses_others),
        cmocka_unit_test(sacct_chooses_by_state_and_time),
        cmocka_unit_test(sprio_shows_factors_weights_and_norms),
        cmocka_unit_test(sdiag_has_the_lines_that_exporters_look_for),
        cmocka_unit_test(a_cluster_that_is_not_there_is_said_in_slurms_words),
        cmocka_unit_test(every_command_explains_its_options),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
