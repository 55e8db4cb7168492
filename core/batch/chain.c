/* chain.c - see chain.h */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "batch/chain.h"

#include <openssl/sha.h>

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

static void add(SHA256_CTX *hash, const uint8_t *bytes, uint32_t size)
{
    uint8_t prefix[4] = { (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
                          (uint8_t)(size >> 24) };

    SHA256_Update(hash, prefix, sizeof(prefix));
    if (size > 0)
        SHA256_Update(hash, bytes, size);
}

void dk_chain_link(const struct dk_chain *chain, const uint8_t *const *events,
                   const uint32_t *sizes, uint32_t count, uint8_t link[32])
{
    SHA256_CTX hash;

    SHA256_Init(&hash);
    add(&hash, chain->closed.data, (uint32_t)chain->closed.size);
    for (uint32_t i = 0; i < count; i++)
        add(&hash, events[i], sizes[i]);
    SHA256_Final(link, &hash);
}

void dk_chain_advance(struct dk_chain *chain, const uint8_t *closed, uint32_t closed_size)
{
    dk_buf_clear(&chain->closed);
    (void)dk_buf_add(&chain->closed, closed, closed_size);
}
