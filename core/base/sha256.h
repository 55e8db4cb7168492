/* sha256.h - SHA-256 (FIPS 180-4), by libcrypto
 *
 * Its low-level calls, not EVP: for the few hundred bytes of a batch EVP costs several times the
 * hash. They are deprecated in OpenSSL 3 and still there. A library of its own (dk_sha256): not
 * pure, an edge.
 */
#ifndef DK_BASE_SHA256_H
#define DK_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct dk_sha256 {
    uint64_t state[16]; /* libcrypto's */
};

void dk_sha256_init(struct dk_sha256 *hash);
void dk_sha256_add(struct dk_sha256 *hash, const void *bytes, size_t size);
void dk_sha256_done(struct dk_sha256 *hash, uint8_t digest[32]);

#endif
