/* chain.h - the hash chain over batches, SHA-256 (decision 0004) */
#ifndef DK_BATCH_CHAIN_H
#define DK_BATCH_CHAIN_H

#include "base/buf.h"
#include "log/log.h"

#include <stdint.h>

struct dk_chain {
    struct dk_buf closed; /* bytes of the last BatchClosed */
};

void dk_chain_init(struct dk_chain *chain, const struct dk_alloc *alloc, const uint8_t *closed,
                   uint32_t closed_size);
void dk_chain_release(struct dk_chain *chain);

/* The link for a batch whose events (without BatchClosed) are sizes[i] bytes each, end to end. */
void dk_chain_link(const struct dk_chain *chain, const uint8_t *const *events,
                   const uint32_t *sizes, uint32_t count, uint8_t link[32]);
void dk_chain_link_records(const struct dk_chain *chain, const struct dk_log_record *events,
                           uint32_t count, uint8_t link[32]);
void dk_chain_advance(struct dk_chain *chain, const uint8_t *closed, uint32_t closed_size);

#endif
