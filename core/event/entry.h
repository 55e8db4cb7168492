/* entry.h - the schema of an export of a log: docket.Entry, made from schemas/ (decision 0016)
 *
 * Its field `event` is a union of the current schema of every event and of each older one that was
 * ever shipped: branch i of it is the event whose single-object encoding has fingerprint i.
 */
#ifndef DK_EVENT_ENTRY_H
#define DK_EVENT_ENTRY_H

#include "base/buf.h"

uint32_t dk_entry_branches(void);
uint64_t dk_entry_fingerprint(uint32_t branch); /* branch < dk_entry_branches() */
uint32_t dk_entry_branch(uint64_t fingerprint); /* dk_entry_branches(): there is none */
bool dk_entry_schema(struct dk_buf *out);       /* its JSON; false: no room */

#endif
