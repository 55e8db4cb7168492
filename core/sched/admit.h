/* admit.h - what the files of admission share: admit.c (the table), admit_job.c, admit_end.c,
 * admit_site.c, admit_config.c */
#ifndef DK_SCHED_ADMIT_H
#define DK_SCHED_ADMIT_H

#include "sched/state.h"

#define DK_LIMIT_NONE_US ((int64_t)36525 * 86400 * DK_SECOND_US) /* "no limit": a hundred years */

#define DK_ARRAY_TASKS_MAX 4000000

struct dk_admission {
    const struct dk_core *core;
    const struct dk_stamp *stamp;
    const struct dk_request *request;
    struct dk_events *out;
    bool refused;
};

/* Adds the recorded rejection; the text is dk_fail's kind. */
void dk_refuse(struct dk_admission *admission, enum dk_reject_reason reason, const char *format,
               ...) __attribute__((format(printf, 3, 4)));
/* Adds a fact that the request led to, with time, cause and actor set. */
struct dk_event *dk_fact(struct dk_admission *admission, enum dk_event_type type);
/* The job that a request names, if it is active and the asker may act on it; else refused, NULL. */
const struct dk_job *dk_job_asked(struct dk_admission *admission, int64_t id);

/* May the asker act on everybody's jobs, on nodes and on the configuration? */
bool dk_asked_by_operator(const struct dk_admission *admission);

/* admit_config.c */
void dk_check_name(struct dk_admission *admission, const char *what, struct dk_text name);
void dk_check_between(struct dk_admission *admission, const char *what, int64_t value, int64_t min,
                      int64_t max);
void dk_check_partition(struct dk_admission *admission, const struct dk_partition_spec *spec);
void dk_check_policy(struct dk_admission *admission, const struct dk_policy_spec *spec);

void dk_admit_submit(struct dk_admission *admission);
void dk_admit_update(struct dk_admission *admission);
void dk_admit_hold(struct dk_admission *admission);
void dk_admit_release(struct dk_admission *admission);
void dk_admit_cancel(struct dk_admission *admission);
void dk_admit_requeue(struct dk_admission *admission);
void dk_admit_signal(struct dk_admission *admission);
void dk_admit_end(struct dk_admission *admission);
void dk_admit_step_start(struct dk_admission *admission);
void dk_admit_step_end(struct dk_admission *admission);
void dk_admit_erase(struct dk_admission *admission);
void dk_admit_register(struct dk_admission *admission);
void dk_admit_condition(struct dk_admission *admission);
void dk_admit_beat(struct dk_admission *admission);
void dk_admit_partition(struct dk_admission *admission);
void dk_admit_partition_remove(struct dk_admission *admission);
void dk_admit_policy(struct dk_admission *admission);
void dk_admit_configuration(struct dk_admission *admission);

#endif
