/* audit_log.c - the independent auditor over a log that a replay wrote
 *
 *     audit_log URI [fcfs|sjf none|easy]
 *
 * With a policy and a backfill the order of the queue and EASY's promise are watched too (single
 * cores, fcfs and sjf only). Prints the first fault, or what was read. */
#include "auditor.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "log/log.h"

#include <stdio.h>
#include <string.h>

static enum dk_status audit(struct dk_log_reader *reader, struct auditor *auditor, uint64_t *events,
                            struct dk_err *err)
{
    struct dk_arena arena;
    struct dk_log_batch batch;
    struct dk_event event;
    enum dk_status status;

    dk_arena_init(&arena, &dk_heap);
    while ((status = dk_log_reader_next(reader, &batch, err)) == DK_OK) {
        for (uint32_t i = 0; status == DK_OK && i < batch.count; i++) {
            status =
                dk_event_decode(batch.records[i].data, batch.records[i].size, &arena, &event, err);
            if (status == DK_OK)
                auditor_event(auditor, &event);
        }
        *events += batch.count;
        dk_arena_reset(&arena);
        if (status != DK_OK || auditor_fault(auditor) != NULL)
            break;
    }
    dk_arena_release(&arena);
    return status == DK_AGAIN ? DK_OK : status;
}

int main(int argc, char **argv)
{
    struct dk_log_reader *reader;
    struct auditor *auditor;
    struct dk_err err;
    uint64_t events = 0;
    int failed = 1;

    if (argc != 2 && argc != 4) {
        (void)fprintf(stderr, "usage: audit_log URI [fcfs|sjf none|easy]\n");
        return 2;
    }
    if (dk_log_reader_open(&reader, argv[1], 1, &err) != DK_OK) {
        (void)printf("%s\n", err.text);
        return 1;
    }
    auditor = auditor_create();
    if (argc == 4)
        auditor_watch_order(auditor, strcmp(argv[2], "sjf") == 0 ? DK_POLICY_SJF : DK_POLICY_FCFS,
                            strcmp(argv[3], "none") == 0 ? DK_BACKFILL_NONE : DK_BACKFILL_EASY);
    if (audit(reader, auditor, &events, &err) != DK_OK)
        (void)printf("%s\n", err.text);
    else if (auditor_fault(auditor) != NULL)
        (void)printf("%s\n", auditor_fault(auditor));
    else if (auditor_jobs_active(auditor) > 0)
        (void)printf("%u jobs never ended\n", auditor_jobs_active(auditor));
    else
        failed = 0;
    if (!failed)
        (void)printf("%llu events, %lld jobs: nothing to object to\n", (unsigned long long)events,
                     (long long)auditor_job_last(auditor));
    auditor_destroy(auditor);
    dk_log_reader_close(reader);
    return failed;
}
