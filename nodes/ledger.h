/* ledger.h - what an agent must not forget, in one file of its folder
 *
 *     | size u32 | crc32c u32 | kind u32 | attempt i32 | job i64 | number i64 | bytes | to 8 |
 *       of all              '------------------ covered by the crc -----------'
 *
 * Entries are appended into space that was filled with zeros before, so that making one durable is
 * one fdatasync and a full disk is met when the file is made, not when a job ends. A job's life is:
 *
 *   RUN       its order, before anything of it is started; durable by dk_ledger_sync
 *   SIGNALLED number: seq of the last signal delivered to it
 *   END       its ReportEnd; made durable too when the controller does not answer for a second
 *   ANSWERED  the controller has the report
 *   GONE      the job is forgotten here
 *
 * against the agent's death an entry is safe once written (the page cache stays); against the
 * machine's once synced. EPOCH keeps the newest epoch seen, FLOOR the newest order to run, BOOT (in
 * bytes) the boot of the machine in which the file was made. When the file is full, what is still
 * alive is written to a new one, which takes its place by rename.
 */
#ifndef DK_NODES_LEDGER_H
#define DK_NODES_LEDGER_H

#include "base/err.h"
#include "base/text.h"

enum dk_ledger_kind {
    DK_LEDGER_RUN = 1,
    DK_LEDGER_SIGNALLED,
    DK_LEDGER_END,
    DK_LEDGER_ANSWERED,
    DK_LEDGER_GONE,
    DK_LEDGER_EPOCH,
    DK_LEDGER_FLOOR,
    DK_LEDGER_BOOT
};

struct dk_ledger_entry {
    enum dk_ledger_kind kind;
    int64_t job;
    int32_t attempt;
    int64_t number;
    struct dk_bytes bytes;
};

struct dk_ledger;

struct dk_ledger_owner {
    void *context;
    /* One entry of the file, in order, while it is opened; bytes are borrowed. */
    void (*take)(void *context, const struct dk_ledger_entry *entry);
    /* Adds (dk_ledger_add) all that is still alive to the new file. */
    void (*give)(void *context, struct dk_ledger *ledger);
};

/* In the folder `folder_fd`, which must stay open. Reading ends at the first entry that fails its
 * check. */
enum dk_status dk_ledger_open(struct dk_ledger **out, int folder_fd,
                              const struct dk_ledger_owner *owner, struct dk_err *err);
void dk_ledger_close(struct dk_ledger *ledger); /* NULL is fine */

/* DK_FULL: no space for a larger file; nothing was added. */
enum dk_status dk_ledger_add(struct dk_ledger *ledger, const struct dk_ledger_entry *entry,
                             struct dk_err *err);
enum dk_status dk_ledger_sync(struct dk_ledger *ledger, struct dk_err *err);

#endif
