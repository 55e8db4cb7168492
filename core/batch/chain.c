/* chain.c - see chain.h */
#include "batch/chain.h"

#include "base/sha256.h"

void dk_chain_init(struct dk_chain *chain, const struct dk_alloc *alloc, const uint8_t *closed,
                   uint32_t closed_size)
{
    dk_buf_init(&chain->closed, alloc, 1 << 20);
    dk_chain_advance(chain, closed, closed_size);
}

void dk_chain_release(struct dk_chain *chain)
{
    dk_buf_release(&chain->closed);
}

static void add(struct dk_sha256 *hash, const uint8_t *bytes, uint32_t size)
{
    uint8_t prefix[4] = { (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
                          (uint8_t)(size >> 24) };

    dk_sha256_add(hash, prefix, sizeof(prefix));
    dk_sha256_add(hash, bytes, size);
}

void dk_chain_link(const struct dk_chain *chain, const uint8_t *const *events,
                   const uint32_t *sizes, uint32_t count, uint8_t link[32])
{
    struct dk_sha256 hash;

    dk_sha256_init(&hash);
    add(&hash, chain->closed.data, (uint32_t)chain->closed.size);
    for (uint32_t i = 0; i < count; i++)
        add(&hash, events[i], sizes[i]);
    dk_sha256_done(&hash, link);
}

void dk_chain_link_records(const struct dk_chain *chain, const struct dk_log_record *events,
                           uint32_t count, uint8_t link[32])
{
    struct dk_sha256 hash;

    dk_sha256_init(&hash);
    add(&hash, chain->closed.data, (uint32_t)chain->closed.size);
    for (uint32_t i = 0; i < count; i++)
        add(&hash, events[i].data, events[i].size);
    dk_sha256_done(&hash, link);
}

void dk_chain_advance(struct dk_chain *chain, const uint8_t *closed, uint32_t closed_size)
{
    dk_buf_clear(&chain->closed);
    if (closed_size > 0)
        (void)dk_buf_add(&chain->closed, closed, closed_size);
}
