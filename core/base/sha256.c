/* sha256.c - see sha256.h */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/sha256.h"

#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct dk_sha256), "libcrypto's state fits");

static SHA256_CTX *context(struct dk_sha256 *hash)
{
    return (SHA256_CTX *)(void *)hash->state;
}

void dk_sha256_init(struct dk_sha256 *hash)
{
    (void)SHA256_Init(context(hash));
}

void dk_sha256_add(struct dk_sha256 *hash, const void *bytes, size_t size)
{
    if (size > 0)
        (void)SHA256_Update(context(hash), bytes, size);
}

void dk_sha256_done(struct dk_sha256 *hash, uint8_t digest[32])
{
    (void)SHA256_Final(digest, context(hash));
}
