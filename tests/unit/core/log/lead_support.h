/* lead_support.h - candidates for the lead, in this process and in others */
#ifndef TESTS_UNIT_CORE_LOG_LEAD_SUPPORT_H
#define TESTS_UNIT_CORE_LOG_LEAD_SUPPORT_H

#include "support.h"

#include "log/lead.h"

#include <sys/types.h>

struct dk_lead *must_join(const char *uri, const struct dk_lead_options *options);

/* The term once it is not `term` any more; `term` when that took too long. */
uint64_t term_after(struct dk_lead *lead, uint64_t term, int timeout_ms);

int64_t now_ms(void);

/* A candidate in a process of its own, which is this program again: its main calls
 * candidate_main first. It writes a line for each change of its term. */
struct candidate {
    pid_t pid;
    int out;
};

bool candidate_main(int argc, char **argv); /* true: this was a candidate */
struct candidate candidate_start(const char *uri);
/* The next term that it says; fails after timeout_ms. */
uint64_t candidate_term(const struct candidate *candidate, int timeout_ms);
void candidate_end(struct candidate *candidate, int signal);

#endif
