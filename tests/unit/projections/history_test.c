/* history_test.c - questions are answered as by a list of all runs; each run is kept exactly once,
 * whatever is killed, full, damaged or of another version */
#define _GNU_SOURCE /* SIGXFSZ, RLIMIT_FSIZE */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/prng.h"
#include "projections/history_inside.h"
#include "projections/usage.h"
#include "runs.h"
#include "scratch.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEED = 5, ACTIVE = 40, SHOWN_MAX = 40000, TEXTS = 3 };

/* What happened, in the order of events: a list is all the model there is. */
struct past {
    const struct dk_job_row *row;
    bool final;
    int32_t steps; /* numbers 0 .. steps-1 */
};

struct site {
    char folder[SCRATCH_MAX];
    struct dk_history *history;
    struct dk_arena arena;
    struct past *past;
    uint32_t count;
    int64_t seq;
    const struct dk_job_row *active[ACTIVE]; /* sorted by id */
    uint32_t active_count;
};

static struct dk_job_row *row_copy(struct site *site, const struct dk_job_row *row)
{
    struct dk_job_row *copy = dk_arena_take(&site->arena, sizeof(*copy));

    *copy = *row;
    return copy;
}

/* Some jobs still go on; they are those with the highest ids among the last to end. */
static void past_make(struct site *site, uint32_t jobs)
{
    uint32_t *order = runs_in_order(SEED, jobs);

    dk_arena_init(&site->arena, &dk_heap);
    site->past = calloc(2 * (size_t)jobs, sizeof(*site->past));
    for (uint32_t i = 0; i < jobs; i++) {
        struct dk_job_row *row = runs_make(SEED, order[i], &site->arena);
        bool goes_on = i + ACTIVE >= jobs;

        site->seq += 3;
        row->seq = site->seq;
        if (order[i] % 13 == 0 && row->attempt > 0) { /* it had run before */
            struct dk_job_row *before = row_copy(site, row);

            before->state = DK_ROW_NODE_FAIL;
            site->past[site->count++] = (struct past){ before, false, (int32_t)(order[i] % 3) };
            row->seq = ++site->seq;
            row->attempt = 2;
        }
        if (goes_on) {
            row->state = row->attempt > 0 ? DK_ROW_RUNNING : DK_ROW_PENDING;
            site->active[site->active_count++] = row;
            continue;
        }
        site->past[site->count++] =
            (struct past){ row, true, row->attempt > 0 ? (int32_t)(order[i] % 4) : 0 };
    }
    for (uint32_t i = 1; i < site->active_count; i++) /* by id */
        for (uint32_t j = i; j > 0 && site->active[j]->id < site->active[j - 1]->id; j--) {
            const struct dk_job_row *swap = site->active[j];

            site->active[j] = site->active[j - 1];
            site->active[j - 1] = swap;
        }
    free(order);
}

static void site_begin(struct site *site, uint32_t jobs)
{
    *site = (struct site){ 0 };
    scratch_make(site->folder);
    past_make(site, jobs);
    assert_good(dk_history_open(&site->history, site->folder, &good_err));
}

static void site_end(struct site *site)
{
    dk_history_close(site->history);
    scratch_remove(site->folder);
    dk_arena_release(&site->arena);
    free(site->past);
}

static void step_give(struct dk_history *history, const struct dk_job_row *row, int32_t number,
                      int64_t seq)
{
    struct dk_event event = { .type = DK_EVENT_STEP_STARTED };

    event.meta.seq = seq;
    event.meta.time = row->start;
    event.step_started.job = row->id;
    event.step_started.attempt = row->attempt;
    event.step_started.step = number;
    event.step_started.tasks = number + 1;
    dk_history_step(history, &event);
    event = (struct dk_event){ .type = DK_EVENT_STEP_ENDED };
    event.meta.seq = seq;
    event.meta.time = row->end;
    event.step_ended.job = row->id;
    event.step_ended.attempt = row->attempt;
    event.step_ended.step = number;
    event.step_ended.state = DK_END_STATE_FAILED;
    event.step_ended.exit_code = number;
    dk_history_step(history, &event);
}

static void give(struct dk_history *history, const struct past *past)
{
    for (int32_t number = 0; number < past->steps; number++)
        step_give(history, past->row, number, past->row->seq);
    if (past->final)
        dk_history_ended(history, past->row);
    else
        dk_history_requeued(history, past->row);
}

/* Everything from `first` on, commits of random sizes. */
static void give_all(struct site *site, struct dk_history *history, uint32_t first, uint64_t seed)
{
    struct dk_prng prng;

    dk_prng_init(&prng, seed);
    for (uint32_t i = first; i < site->count; i++) {
        give(history, &site->past[i]);
        if (i + 1 == site->count || dk_prng_below(&prng, 20) == 0)
            assert_good(dk_history_commit(history, site->past[i].row->seq, &good_err));
    }
    assert_good(dk_history_commit(history, site->seq, &good_err));
}

/* --- what was shown --- */

struct shown {
    int64_t id, seq;
    char step[12];
    enum dk_row_state state;
    int64_t number; /* something of the row's own */
};

struct shown_list {
    struct shown *rows;
    uint32_t count;
};

static void shown_add(struct shown_list *list, const struct dk_job_row *row, const char *step,
                      enum dk_row_state state, int64_t number)
{
    struct shown *shown = &list->rows[list->count++];

    assert_true(list->count < SHOWN_MAX);
    memset(shown, 0, sizeof(*shown));
    shown->id = row->id;
    shown->seq = row->seq;
    (void)snprintf(shown->step, sizeof(shown->step), "%s", step);
    shown->state = state;
    shown->number = number;
}

static bool show(void *context, const struct dk_job_row *row)
{
    char step[12] = "";

    (void)snprintf(step, sizeof(step), "%.*s", (int)row->step.size, row->step.data);
    if (row->step.size == 0)
        shown_add(context, row, step, row->state, row->submit ^ row->usage.rss_max_kib);
    else
        shown_add(context, row, step, row->state, row->exit_code);
    return true;
}

/* --- the model --- */

static void model_steps(struct shown_list *list, const struct dk_job_row *row, int32_t steps)
{
    enum dk_row_state state = row->state;

    if (row->attempt == 0)
        return;
    if (state == DK_ROW_TIMEOUT || state == DK_ROW_NODE_FAIL)
        state = DK_ROW_CANCELLED;
    shown_add(list, row, "batch", state, row->exit_code);
    for (int32_t number = 0; number < steps; number++) {
        char text[12];

        (void)snprintf(text, sizeof(text), "%d", number);
        shown_add(list, row, text, DK_ROW_FAILED, number);
    }
}

struct known {
    const struct dk_job_row *row;
    int32_t steps;
    bool active;
};

static int known_compare(const void *left, const void *right)
{
    const struct known *a = left, *b = right;

    if (a->row->id != b->row->id)
        return a->row->id < b->row->id ? -1 : 1;
    return a->row->seq < b->row->seq ? -1 : a->row->seq > b->row->seq;
}

static void model(const struct site *site, const struct dk_job_filter *filter,
                  struct shown_list *list)
{
    struct known *known = calloc((size_t)site->count + ACTIVE, sizeof(*known));
    uint32_t count = 0, first = 0;

    for (uint32_t i = 0; i < site->count; i++)
        if ((site->past[i].final || filter->duplicates) &&
            dk_job_filter_accepts(filter, site->past[i].row))
            known[count++] = (struct known){ site->past[i].row, site->past[i].steps, false };
    for (uint32_t i = 0; i < site->active_count; i++)
        if (dk_job_filter_accepts(filter, site->active[i]))
            known[count++] = (struct known){ site->active[i], 0, true };
    qsort(known, count, sizeof(*known), known_compare);
    if (filter->limit > 0 && count > filter->limit)
        first = count - filter->limit;
    list->count = 0;
    for (uint32_t i = first; i < count; i++) {
        const struct dk_job_row *row = known[i].row;

        shown_add(list, row, "", row->state, row->submit ^ row->usage.rss_max_kib);
        if (filter->steps)
            model_steps(list, row, known[i].steps);
    }
    free(known);
}

/* --- random filters --- */

struct picks {
    struct dk_prng prng;
    struct dk_arena arena;
    const struct site *site;
};

static const struct dk_job_row *some_row(struct picks *picks)
{
    return picks->site->past[dk_prng_below(&picks->prng, picks->site->count)].row;
}

static const char *text_of(struct picks *picks, struct dk_text text)
{
    char *copy = dk_arena_take(&picks->arena, text.size + (size_t)1);

    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

static const char **texts(struct picks *picks, uint32_t *count,
                          struct dk_text (*of)(const struct dk_job_row *))
{
    const char **list = dk_arena_take(&picks->arena, TEXTS * sizeof(*list));

    *count = 0;
    if (dk_prng_below(&picks->prng, 5) != 0)
        return list;
    *count = 1 + (uint32_t)dk_prng_below(&picks->prng, TEXTS);
    for (uint32_t i = 0; i < *count; i++)
        list[i] =
            dk_prng_below(&picks->prng, 20) == 0 ? "nobody's" : text_of(picks, of(some_row(picks)));
    return list;
}

static struct dk_text of_user(const struct dk_job_row *row)
{
    static char uid[16]; /* a uid as text does as well */

    if (row->id % 2 == 0)
        return row->user;
    (void)snprintf(uid, sizeof(uid), "%d", row->uid);
    return dk_text_of(uid);
}

static struct dk_text of_account(const struct dk_job_row *row)
{
    return row->spec->account.size > 0 ? row->spec->account : dk_text_of("none");
}

static struct dk_text of_partition(const struct dk_job_row *row)
{
    return row->partition;
}

static struct dk_text of_name(const struct dk_job_row *row)
{
    return row->spec->name;
}

static struct dk_text of_node(const struct dk_job_row *row)
{
    return row->node_count > 0 ? row->nodes[row->node_count - 1] : dk_text_of("none");
}

static void pick_ids(struct picks *picks, struct dk_job_filter *filter)
{
    filter->id_count = 1 + (uint32_t)dk_prng_below(&picks->prng, 3);
    filter->ids = dk_arena_take(&picks->arena, filter->id_count * sizeof(*filter->ids));
    for (uint32_t i = 0; i < filter->id_count; i++) {
        const struct dk_job_row *row = some_row(picks);

        filter->ids[i] = (struct dk_job_id_wanted){ row->id, -1, -1 };
        if (row->array_job != 0 && dk_prng_below(&picks->prng, 2) == 0)
            filter->ids[i] = (struct dk_job_id_wanted){ row->array_job, 3, 9 };
        else if (row->array_job != 0)
            filter->ids[i].job = row->array_job;
    }
}

static void pick(struct picks *picks, struct dk_job_filter *filter)
{
    struct dk_prng *prng = &picks->prng;

    dk_arena_reset(&picks->arena);
    *filter = (struct dk_job_filter){ 0 };
    filter->users = texts(picks, &filter->user_count, of_user);
    filter->accounts = texts(picks, &filter->account_count, of_account);
    filter->partitions = texts(picks, &filter->partition_count, of_partition);
    filter->names = texts(picks, &filter->name_count, of_name);
    filter->nodes = texts(picks, &filter->node_count, of_node);
    if (dk_prng_below(prng, 8) == 0)
        pick_ids(picks, filter);
    if (dk_prng_below(prng, 4) == 0)
        filter->states = (uint32_t)dk_prng_below(prng, 1u << DK_ROW_STATE_COUNT);
    filter->all_states = dk_prng_below(prng, 8) == 0;
    if (dk_prng_below(prng, 4) == 0)
        filter->since = some_row(picks)->end + (int64_t)dk_prng_below(prng, 3) - 1;
    if (dk_prng_below(prng, 4) == 0)
        filter->until = some_row(picks)->submit + (int64_t)dk_prng_below(prng, 3) - 1;
    if (dk_prng_below(prng, 3) == 0)
        filter->limit = 1 + (uint32_t)dk_prng_below(prng, 100);
    filter->duplicates = dk_prng_below(prng, 2) == 0;
    filter->steps = dk_prng_below(prng, 2) == 0;
}

static void compare(const struct site *site, struct dk_history_view *view,
                    const struct dk_job_filter *filter, struct shown_list lists[2], int question)
{
    lists[1].count = 0;
    model(site, filter, &lists[0]);
    assert_good(dk_history_query(view, filter, site->active, site->active_count, show, &lists[1],
                                 &good_err));
    for (uint32_t i = 0; i < lists[0].count && i < lists[1].count; i++)
        if (memcmp(&lists[0].rows[i], &lists[1].rows[i], sizeof(*lists[0].rows)) != 0)
            fail_msg("question %d, row %u: %lld.%s of seq %lld instead of %lld.%s of seq %lld",
                     question, i, (long long)lists[1].rows[i].id, lists[1].rows[i].step,
                     (long long)lists[1].rows[i].seq, (long long)lists[0].rows[i].id,
                     lists[0].rows[i].step, (long long)lists[0].rows[i].seq);
    if (lists[0].count != lists[1].count)
        fail_msg("question %d: %u rows instead of %u", question, lists[1].count, lists[0].count);
}

static void ask_much(const struct site *site, struct dk_history *history, uint64_t seed,
                     int questions)
{
    struct picks picks = { .site = site };
    struct shown_list lists[2];
    struct dk_history_view *view = dk_history_view_open(history);
    uint64_t rows = 0;

    dk_prng_init(&picks.prng, seed);
    dk_arena_init(&picks.arena, &dk_heap);
    for (int i = 0; i < 2; i++)
        lists[i].rows = calloc(SHOWN_MAX, sizeof(*lists[i].rows));
    for (int i = 0; i < questions; i++) {
        struct dk_job_filter filter;

        pick(&picks, &filter);
        compare(site, view, &filter, lists, i);
        rows += lists[0].count;
    }
    assert_true(rows > (uint64_t)questions); /* they were about something */
    for (int i = 0; i < 2; i++)
        free(lists[i].rows);
    dk_history_view_close(view);
    dk_arena_release(&picks.arena);
}

static void test_any_question_is_answered_as_by_a_list_of_all_runs(void **state)
{
    struct site site;

    (void)state;
    site_begin(&site, 9000); /* three buckets of ids */
    give_all(&site, site.history, 0, 1);
    ask_much(&site, site.history, 1, 400);
    assert_good(dk_history_compact(site.history, &good_err));
    ask_much(&site, site.history, 2, 200);
    dk_history_close(site.history);
    assert_good(dk_history_open(&site.history, site.folder, &good_err));
    assert_int_equal(dk_history_seq(site.history), site.seq);
    ask_much(&site, site.history, 3, 200);
    site_end(&site);
}

static void test_a_view_sees_one_commit_whatever_comes_later(void **state)
{
    struct dk_job_filter all = { 0 };
    struct dk_history_view *view;
    struct shown_list list = { calloc(SHOWN_MAX, sizeof(struct shown)), 0 };
    struct site site;

    (void)state;
    site_begin(&site, 300);
    for (uint32_t i = 0; i < 50; i++)
        give(site.history, &site.past[i]);
    assert_good(dk_history_commit(site.history, site.past[49].row->seq, &good_err));
    view = dk_history_view_open(site.history);
    for (uint32_t i = 50; i < 60; i++)
        give(site.history, &site.past[i]); /* not committed: nobody sees it */
    all.duplicates = true;
    assert_good(dk_history_query(view, &all, NULL, 0, show, &list, &good_err));
    assert_int_equal(list.count, 50);
    give_all(&site, site.history, 60, 1);
    list.count = 0;
    assert_good(dk_history_query(view, &all, NULL, 0, show, &list, &good_err));
    assert_int_equal(list.count, 50);
    assert_int_equal(dk_history_view_seq(view), site.past[49].row->seq);
    dk_history_view_close(view);
    free(list.rows);
    site_end(&site);
}

static bool count_row(void *context, const struct dk_job_row *row)
{
    uint32_t *count = context;

    (void)row;
    (*count)++;
    return true;
}

struct reader {
    struct dk_history *history;
    const struct site *site;
    atomic_bool *done;
    uint32_t asked, wrong;
};

static void *read_on(void *context)
{
    struct reader *reader = context;
    struct dk_job_filter all = { .duplicates = true };

    while (!atomic_load(reader->done)) {
        struct dk_history_view *view = dk_history_view_open(reader->history);
        int64_t seq = dk_history_view_seq(view);
        uint32_t count = 0, expected = 0;

        if (dk_history_query(view, &all, NULL, 0, count_row, &count, NULL) != DK_OK)
            reader->wrong++;
        dk_history_view_close(view);
        while (expected < reader->site->count && reader->site->past[expected].row->seq <= seq)
            expected++;
        reader->wrong += count != expected;
        reader->asked++;
    }
    return NULL;
}

static void test_readers_see_whole_commits_while_others_are_written(void **state)
{
    struct reader readers[3];
    pthread_t threads[3];
    atomic_bool done = false;
    struct site site;

    (void)state;
    site_begin(&site, 4000);
    for (int i = 0; i < 3; i++) {
        readers[i] = (struct reader){ site.history, &site, &done, 0, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    give_all(&site, site.history, 0, 1);
    atomic_store(&done, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(readers[i].wrong, 0);
        assert_true(readers[i].asked > 0);
    }
    site_end(&site);
}

/* --- exactly once --- */

static char *usage_total(struct dk_history *history)
{
    struct dk_usage_question question = { .by = 1u << DK_USAGE_USER | 1u << DK_USAGE_DAY,
                                          .tsv = true };
    struct dk_history_view *view = dk_history_view_open(history);
    struct dk_buf out;
    char *text;

    dk_buf_init(&out, &dk_heap, 1 << 24);
    assert_good(dk_usage_answer(view, &question, NULL, 0, 0, &out, &good_err));
    dk_history_view_close(view);
    assert_true(dk_buf_add(&out, "", 1));
    text = strdup((const char *)out.data);
    dk_buf_release(&out);
    return text;
}

static void expect_usage(const struct site *site)
{
    struct dk_history *whole = NULL;
    char other[SCRATCH_MAX], *kept, *expected;

    scratch_make(other);
    assert_good(dk_history_open(&whole, other, &good_err));
    give_all((struct site *)(uintptr_t)site, whole, 0, 9);
    kept = usage_total(site->history);
    expected = usage_total(whole);
    assert_string_equal(kept, expected);
    free(kept);
    free(expected);
    dk_history_close(whole);
    scratch_remove(other);
}

/* A projector's life: goes on from where history is. Returns its exit status. */
static int fold_child(const struct site *site, uint64_t seed)
{
    struct dk_history *history = NULL;
    struct dk_prng prng;
    int64_t seq;

    if (dk_history_open(&history, site->folder, NULL) != DK_OK)
        return 2;
    dk_prng_init(&prng, seed);
    seq = dk_history_seq(history);
    for (uint32_t i = 0; i < site->count; i++) {
        /* It folds some batches again, as after an older snapshot. */
        if (site->past[i].row->seq + 300 < seq)
            continue;
        give(history, &site->past[i]);
        if (i + 1 == site->count || dk_prng_below(&prng, 10) == 0)
            if (dk_history_commit(history, site->past[i].row->seq, NULL) != DK_OK)
                return 3;
    }
    if (dk_history_commit(history, site->seq, NULL) != DK_OK)
        return 3;
    dk_history_close(history);
    return 0;
}

static void test_killed_at_any_moment_each_run_is_kept_and_counted_once(void **state)
{
    struct site site;
    struct dk_history_stat stat_of;
    int killed = 0, status = -1;

    (void)state;
    site_begin(&site, 4000);
    dk_history_close(site.history); /* RocksDB does not survive a fork */
    site.history = NULL;
    for (uint64_t life = 0; status != 0; life++) {
        pid_t child = fork();

        if (child == 0)
            _exit(fold_child(&site, life));
        if (life < 25)
            (void)usleep((useconds_t)(5000 + life * 4000));
        if (life < 25)
            (void)kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        killed += WIFSIGNALED(status);
        assert_true(WIFSIGNALED(status) || status == 0);
    }
    assert_true(killed > 0);
    assert_good(dk_history_open(&site.history, site.folder, &good_err));
    assert_false(dk_history_was_damaged(site.history));
    ask_much(&site, site.history, 4, 100);
    expect_usage(&site);
    dk_history_stat(site.history, &stat_of);
    assert_int_equal(stat_of.rows, site.count);
    site_end(&site);
}

static void test_a_saved_seq_without_rows_survives_a_kill(void **state)
{
    struct site site;
    int status;
    pid_t child;

    (void)state;
    site_begin(&site, 100);
    dk_history_close(site.history);
    child = fork();
    if (child == 0) {
        struct dk_history *history = NULL;

        if (dk_history_open(&history, site.folder, NULL) != DK_OK ||
            dk_history_commit(history, 17, NULL) != DK_OK ||
            dk_history_save(history, NULL) != DK_OK)
            _exit(1);
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_good(dk_history_open(&site.history, site.folder, &good_err));
    assert_int_equal(dk_history_seq(site.history), 17);
    site_end(&site);
}

static void test_a_full_disk_loses_nothing_once_there_is_space(void **state)
{
    struct rlimit before, tight;
    struct dk_err err;
    struct site site;
    uint32_t failed = 0;

    (void)state;
    site_begin(&site, 2000);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    for (uint32_t i = 0; i < site.count; i++) {
        struct dk_history_view *view = i % 7 == 0 ? dk_history_view_open(site.history) : NULL;

        if (i % 100 == 0) { /* full, and not, and full again */
            tight.rlim_cur = i % 300 == 0 && i < 1500 ? 20000 + i * 10 : before.rlim_cur;
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        }
        give(site.history, &site.past[i]);
        dk_history_view_close(view);
        failed += dk_history_commit(site.history, site.past[i].row->seq, &err) != DK_OK;
    }
    assert_in_range(failed, 1, 1500);
    assert_good(dk_history_commit(site.history, site.seq, &good_err));
    ask_much(&site, site.history, 5, 100);
    expect_usage(&site);
    site_end(&site);
}

/* --- versions, damage, locks --- */

static bool exists(const struct site *site, const char *name)
{
    char path[2 * SCRATCH_MAX];
    struct stat stat_of;

    (void)snprintf(path, sizeof(path), "%s/%s", site->folder, name);
    return stat(path, &stat_of) == 0;
}

static void test_an_older_version_serves_until_the_newer_has_caught_up(void **state)
{
    struct dk_job_filter all = { 0 };
    struct shown_list list = { calloc(SHOWN_MAX, sizeof(struct shown)), 0 };
    struct dk_history *building = NULL;
    struct dk_history_view *view;
    struct site site;
    uint32_t half;

    (void)state;
    site_begin(&site, 2000);
    half = site.count / 2;
    for (uint32_t i = 0; i < half; i++)
        give(site.history, &site.past[i]);
    assert_good(dk_history_commit(site.history, site.past[half - 1].row->seq, &good_err));
    dk_history_close(site.history);

    /* A newer docket: it serves what is there, and goes on writing to it. */
    assert_good(dk_history_open_as(&site.history, site.folder, 7, &good_err));
    assert_false(dk_history_is_current(site.history));
    give_all(&site, site.history, half, 1);
    ask_much(&site, site.history, 6, 60);

    /* The new one is interrupted once, and goes on where it was. */
    assert_good(dk_history_open_building_as(&building, site.folder, 7, &good_err));
    for (uint32_t i = 0; i < half; i++)
        give(building, &site.past[i]);
    assert_good(dk_history_commit(building, site.past[half - 1].row->seq, &good_err));
    assert_int_equal(dk_history_promote(site.history, building, NULL), DK_INVALID);
    dk_history_close(building);
    assert_good(dk_history_open_building_as(&building, site.folder, 7, &good_err));
    assert_int_equal(dk_history_seq(building), site.past[half - 1].row->seq);
    give_all(&site, building, 0, 2);

    view = dk_history_view_open(site.history);
    assert_good(dk_history_promote(site.history, building, &good_err));
    assert_true(dk_history_is_current(site.history));
    assert_true(exists(&site, "history.v7"));
    assert_false(exists(&site, "history.v7.building"));
    all.duplicates = true;
    assert_good(dk_history_query(view, &all, NULL, 0, show, &list, &good_err));
    assert_int_equal(list.count, site.count);
    dk_history_view_close(view);
    assert_false(exists(&site, "history.v1"));
    ask_much(&site, site.history, 7, 100);
    dk_history_close(site.history);
    assert_good(dk_history_open_as(&site.history, site.folder, 7, &good_err));
    assert_int_equal(dk_history_seq(site.history), site.seq);
    ask_much(&site, site.history, 8, 60);
    free(list.rows);
    site_end(&site);
}

static void test_a_damaged_history_is_set_aside_and_begun_anew(void **state)
{
    char path[2 * SCRATCH_MAX];
    struct site site;
    FILE *file;

    (void)state;
    site_begin(&site, 500);
    give_all(&site, site.history, 0, 1);
    dk_history_close(site.history);
    (void)snprintf(path, sizeof(path), "%s/history.v1/CURRENT", site.folder);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("nothing good\n", file);
    (void)fclose(file);
    assert_good(dk_history_open(&site.history, site.folder, &good_err));
    assert_true(dk_history_was_damaged(site.history));
    assert_int_equal(dk_history_seq(site.history), 0);
    assert_true(exists(&site, "history.v1.damaged"));
    give_all(&site, site.history, 0, 1);
    ask_much(&site, site.history, 9, 50);
    site_end(&site);
}

static void test_two_projectors_cannot_have_the_same_history(void **state)
{
    struct dk_history *second = NULL;
    struct dk_err err;
    struct site site;

    (void)state;
    site_begin(&site, 100);
    assert_int_equal(dk_history_open(&second, site.folder, &err), DK_BUSY);
    assert_false(exists(&site, "history.v1.damaged"));
    assert_int_equal(dk_history_open(&second, "/nowhere/at/all", &err), DK_NOT_FOUND);
    assert_says(err.text, "'/nowhere/at/all'");
    site_end(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_question_is_answered_as_by_a_list_of_all_runs),
        cmocka_unit_test(test_a_view_sees_one_commit_whatever_comes_later),
        cmocka_unit_test(test_readers_see_whole_commits_while_others_are_written),
        cmocka_unit_test(test_killed_at_any_moment_each_run_is_kept_and_counted_once),
        cmocka_unit_test(test_a_saved_seq_without_rows_survives_a_kill),
        cmocka_unit_test(test_a_full_disk_loses_nothing_once_there_is_space),
        cmocka_unit_test(test_an_older_version_serves_until_the_newer_has_caught_up),
        cmocka_unit_test(test_a_damaged_history_is_set_aside_and_begun_anew),
        cmocka_unit_test(test_two_projectors_cannot_have_the_same_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
