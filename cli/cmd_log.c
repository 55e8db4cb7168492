/* cmd_log.c - docket log cat and docket log stat: readers that need no core */
#include "base/buf.h"
#include "cli/log_place.h"
#include "cli/print.h"
#include "cli/replay_commands.h"
#include "event/event.h"
#include "log/log.h"

#include <stdio.h>
#include <string.h>

enum { LINE_SIZE_MAX = 1 << 28 };

/* The type of that name, 0 when there is none. */
static int find_type(const char *name, struct cli_guess *guess)
{
    for (int type = 1; type < DK_EVENT_TYPE_COUNT; type++) {
        const char *other = dk_event_name((enum dk_event_type)type);

        if (strcmp(other, name) == 0)
            return type;
        cli_guess_try(guess, other);
    }
    return 0;
}

/* The next batch. DK_END: that was all. */
static enum dk_status next_batch(struct dk_log_reader *reader, struct dk_log_batch *batch,
                                 bool skip_gaps, struct dk_err *err)
{
    for (;;) {
        enum dk_status status = dk_log_reader_next(reader, batch, err);
        uint64_t first, limit;

        if (status == DK_AGAIN)
            return DK_END;
        if (status != DK_CORRUPT || !skip_gaps ||
            dk_log_reader_skip_gap(reader, &first, &limit, NULL) != DK_OK)
            return status;
        (void)fprintf(stderr, "docket: gap: seqs %llu to %llu were lost in a repair\n",
                      (unsigned long long)first, (unsigned long long)limit - 1);
    }
}

static enum dk_status decode(const struct dk_log_batch *batch, uint32_t i, struct dk_arena *arena,
                             struct dk_event *event, struct dk_err *err)
{
    enum dk_status status =
        dk_event_decode(batch->records[i].data, batch->records[i].size, arena, event, err);

    if (status != DK_OK)
        (void)dk_fail_in(err, "event with seq %llu", (unsigned long long)batch->seq_first + i);
    return status;
}

/* --- cat --- */

struct cat {
    const struct cat_options *options;
    int type; /* 0: all */
    struct dk_arena arena;
    struct dk_buf line;
};

/* DK_END: past the last event that was asked for, or nobody reads any more. */
static enum dk_status cat_batch(struct cat *cat, const struct dk_log_batch *batch,
                                struct dk_err *err)
{
    uint64_t from = (uint64_t)cat->options->from;
    uint64_t to = cat->options->to > 0 ? (uint64_t)cat->options->to : UINT64_MAX;

    for (uint32_t i = 0; i < batch->count; i++) {
        uint64_t seq = batch->seq_first + i;
        struct dk_event event;
        enum dk_status status;

        if (seq < from)
            continue;
        if (seq > to)
            return DK_END;
        dk_arena_reset(&cat->arena);
        status = decode(batch, i, &cat->arena, &event, err);
        if (status != DK_OK)
            return status;
        if (cat->type != 0 && (int)event.type != cat->type)
            continue;
        dk_buf_clear(&cat->line);
        if (!dk_event_print(&event, &cat->line) || !dk_buf_add_text(&cat->line, "\n"))
            return dk_fail(err, DK_TOO_LARGE, "event with seq %llu is too large to print",
                           (unsigned long long)seq);
        if (fwrite(cat->line.data, 1, cat->line.size, stdout) != cat->line.size)
            return DK_END;
    }
    return DK_OK;
}

int cli_log_cat(const struct cli_command *command, int argc, char **argv)
{
    struct cat_options options;
    struct cat cat = { .options = &options };
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_place place;
    struct dk_err err;
    const char *uri = NULL, *operand;
    enum dk_status status;
    int operands, usage = cli_parse(command, argc, argv, &options, &operands);

    if (usage != CLI_GO_ON)
        return usage;
    if (options.type != NULL) {
        struct cli_guess guess = { .typed = options.type };

        cat.type = find_type(options.type, &guess);
        if (cat.type == 0 && guess.best != NULL)
            return cli_usage_error(command, "no event type '%s'; did you mean '%s'?", options.type,
                                   guess.best);
        if (cat.type == 0)
            return cli_usage_error(command, "no event type '%s'", options.type);
    }
    operand = operands > 0 ? argv[0] : NULL;
    if (cli_log_place(&place, operand, options.dir, &uri, &err) != DK_OK)
        return cli_fail(&err);
    if (dk_log_reader_open(&reader, uri, (uint64_t)options.from, &err) != DK_OK) {
        if (operand == NULL && err.status == DK_IO && strncmp(uri, "file:", 5) == 0)
            (void)fprintf(stderr, "docket: without the right to read the log itself: 'docket log "
                                  "follow --after 0'\n");
        return cli_fail(&err);
    }
    dk_arena_init(&cat.arena, &dk_heap);
    dk_buf_init(&cat.line, &dk_heap, LINE_SIZE_MAX);
    status = dk_log_reader_until_now(reader, &err);
    while (status == DK_OK) {
        status = next_batch(reader, &batch, options.skip_gaps, &err);
        if (status == DK_OK)
            status = cat_batch(&cat, &batch, &err);
    }
    dk_buf_release(&cat.line);
    dk_arena_release(&cat.arena);
    dk_log_reader_close(reader);
    return status == DK_END ? CLI_EXIT_OK : cli_fail(&err);
}

/* --- stat --- */

struct counts {
    uint64_t of_type[DK_EVENT_TYPE_COUNT];
    uint64_t bytes_of_type[DK_EVENT_TYPE_COUNT];
    int64_t time_first, time_last;
};

static enum dk_status count_types(const char *uri, struct counts *counts, struct dk_err *err)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_arena arena;
    enum dk_status status = dk_log_reader_open(&reader, uri, 1, err);
    bool is_first = true;

    if (status != DK_OK)
        return status;
    dk_arena_init(&arena, &dk_heap);
    status = dk_log_reader_until_now(reader, err);
    while (status == DK_OK && (status = next_batch(reader, &batch, true, err)) == DK_OK) {
        for (uint32_t i = 0; i < batch.count && status == DK_OK; i++) {
            struct dk_event event;

            dk_arena_reset(&arena);
            status = decode(&batch, i, &arena, &event, err);
            if (status != DK_OK)
                break;
            counts->of_type[event.type]++;
            counts->bytes_of_type[event.type] += batch.records[i].size;
            if (is_first)
                counts->time_first = event.meta.time;
            counts->time_last = event.meta.time;
            is_first = false;
        }
    }
    dk_arena_release(&arena);
    dk_log_reader_close(reader);
    return status == DK_END ? DK_OK : status;
}

static void print_stat(const char *uri, const struct dk_log_stat *stat, const struct counts *counts)
{
    struct cli_table table;
    char span[32];
    bool people = cli_is_terminal();

    (void)printf("log          %s\n", uri);
    (void)printf("events       %llu, seq %llu to %llu\n", (unsigned long long)stat->records,
                 (unsigned long long)stat->seq_first, (unsigned long long)stat->seq_last);
    (void)printf("batches      %llu\n", (unsigned long long)stat->batches);
    (void)printf("epochs       %u to %u\n", stat->epoch_first, stat->epoch_last);
    (void)printf("time span    %s%s\n",
                 cli_duration(span, (counts->time_last - counts->time_first) / 1000000, people),
                 people ? "" : " s");
    if (stat->bytes_disk > 0) /* of a folder's log; what Kafka's disks have is for Kafka's tools */
        (void)printf("segments     %llu, %llu of them compressed\n",
                     (unsigned long long)stat->segments,
                     (unsigned long long)stat->segments_compressed);
    (void)printf("bytes        %llu of batches", (unsigned long long)stat->bytes_plain);
    if (stat->bytes_disk > 0)
        (void)printf(", %llu on disk", (unsigned long long)stat->bytes_disk);
    (void)putchar('\n');
    if (stat->restoring)
        (void)printf("import       interrupted: no controller opens it until it is done again\n");
    if (stat->gaps > 0)
        (void)printf("gaps         %llu\n", (unsigned long long)stat->gaps);
    if (stat->torn_bytes > 0)
        (void)printf("torn tail    %llu bytes, which the next writer will cut\n",
                     (unsigned long long)stat->torn_bytes);
    (void)putchar('\n');
    cli_table_init(&table, 3, 1);
    cli_table_cell(&table, "type");
    cli_table_cell(&table, "events");
    cli_table_cell(&table, "bytes each");
    for (int type = 1; type < DK_EVENT_TYPE_COUNT; type++) {
        if (counts->of_type[type] == 0)
            continue;
        cli_table_cell(&table, "%s", dk_event_name((enum dk_event_type)type));
        cli_table_cell(&table, "%llu", (unsigned long long)counts->of_type[type]);
        cli_table_cell(&table, "%.1f",
                       (double)counts->bytes_of_type[type] / (double)counts->of_type[type]);
    }
    cli_table_print(&table);
    cli_table_release(&table);
}

static void print_stat_json(const char *uri, const struct dk_log_stat *stat,
                            const struct counts *counts)
{
    const char *separator = "";

    (void)printf("{\"log\": ");
    cli_json_text(uri);
    (void)printf(
        ", \"events\": %llu, \"seq_first\": %llu, \"seq_last\": %llu, \"batches\": %llu, "
        "\"epoch_first\": %u, \"epoch_last\": %u, \"time_first\": %lld, \"time_last\": %lld, "
        "\"segments\": %llu, \"segments_compressed\": %llu, \"bytes_plain\": %llu, "
        "\"bytes_disk\": %llu, \"gaps\": %llu, \"torn_bytes\": %llu, "
        "\"importing\": %s, \"types\": {",
        (unsigned long long)stat->records, (unsigned long long)stat->seq_first,
        (unsigned long long)stat->seq_last, (unsigned long long)stat->batches, stat->epoch_first,
        stat->epoch_last, (long long)counts->time_first, (long long)counts->time_last,
        (unsigned long long)stat->segments, (unsigned long long)stat->segments_compressed,
        (unsigned long long)stat->bytes_plain, (unsigned long long)stat->bytes_disk,
        (unsigned long long)stat->gaps, (unsigned long long)stat->torn_bytes,
        stat->restoring ? "true" : "false");
    for (int type = 1; type < DK_EVENT_TYPE_COUNT; type++) {
        if (counts->of_type[type] == 0)
            continue;
        (void)printf("%s\"%s\": %llu", separator, dk_event_name((enum dk_event_type)type),
                     (unsigned long long)counts->of_type[type]);
        separator = ", ";
    }
    (void)printf("}}\n");
}

int cli_log_stat(const struct cli_command *command, int argc, char **argv)
{
    struct stat_options options;
    struct dk_log_stat stat;
    struct counts counts = { .time_first = 0 };
    struct dk_err err;
    int operands, usage = cli_parse(command, argc, argv, &options, &operands);

    if (usage != CLI_GO_ON)
        return usage;
    if (dk_log_stat(argv[0], &stat, &err) != DK_OK || count_types(argv[0], &counts, &err) != DK_OK)
        return cli_fail(&err);
    if (options.json)
        print_stat_json(argv[0], &stat, &counts);
    else
        print_stat(argv[0], &stat, &counts);
    return CLI_EXIT_OK;
}
