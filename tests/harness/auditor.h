/* auditor.h - an independent look at what a core decided: simpler than the core, and sharing none
 * of its code
 *
 * It reads the events of batches in order and keeps books of its own: who owns which core and GPU,
 * how much memory is given away, where each job stands. Rules:
 *
 *   - no core, GPU or MiB is given twice, and nothing on a node that is not UP
 *   - what a job gets is what it asked for: nodes, tasks, cpus, memory, GPUs, features, partition,
 *     the nodes it must have and none it must not have
 *   - no job is lost or ends twice; array tasks start once each; attempts count up from 1
 *   - none starts before it is eligible: begin time, dependencies, holds, the array's limit
 *   - none starts, or is submitted, beyond a limit of the configuration
 *   - nodes are lost when they are silent and most others are not, and only then
 *   - seqs are dense, time does not run backwards, a batch counts its events
 *
 * and, on demand, for worlds of single cores (auditor_watch_order): the queue's order is kept by
 * backfill none, a head that fits is started, and EASY keeps the start that it promised to the
 * head.
 *
 * The first fault is kept, in words; nothing after it is looked at.
 */
#ifndef DK_TEST_AUDITOR_H
#define DK_TEST_AUDITOR_H

#include "event/event.h"

struct auditor;

struct auditor *auditor_create(void);
void auditor_destroy(struct auditor *auditor);

/* Only single cores, one partition, no holds, dependencies, begin times or overrun limits from here
 * on. */
void auditor_watch_order(struct auditor *auditor, enum dk_policy policy, enum dk_backfill backfill);

void auditor_event(struct auditor *auditor, const struct dk_event *event);

const char *auditor_fault(const struct auditor *auditor); /* NULL: none so far */

/* 0 unknown, 1 pending, 2 running, 3 ending, 4 ended: as enum dk_job_state numbers them. */
int auditor_job_state(const struct auditor *auditor, int64_t job);
int64_t auditor_job_last(const struct auditor *auditor); /* the highest id given out */
uint32_t
auditor_jobs_active(const struct auditor *auditor); /* pending or running, arrays counted too */
uint32_t auditor_jobs_running(const struct auditor *auditor);

#endif
