/* about.h - what an event is about, whatever its type */
#ifndef DK_EVENT_ABOUT_H
#define DK_EVENT_ABOUT_H

#include "event/event.h"

/* The job; 0: it is about none, or about several (JobsPlanned). */
int64_t dk_event_job(const struct dk_event *event);

#endif
