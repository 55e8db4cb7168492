/* journal.h - what a daemon says to people: one line an occurrence, to the standard error
 *
 *     2026-11-23 14:02:11.123 controller: epoch 7, serving at seq 1,042
 *     {"time":"2026-11-23T14:02:11.123Z","level":"info","part":"controller","text":"..."}
 *
 * Not the log: nothing is decided by it. Lines are written whole, by any thread.
 */
#ifndef DK_NET_JOURNAL_H
#define DK_NET_JOURNAL_H

#include <stdbool.h>

enum dk_journal_level { DK_JOURNAL_INFO, DK_JOURNAL_WARNING, DK_JOURNAL_ERROR };

/* Before the first line; `part` is kept, not copied. */
void dk_journal_start(const char *part, bool json);

void dk_journal(enum dk_journal_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
