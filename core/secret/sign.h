/* sign.h - keys that sign checkpoints of the log: Ed25519 (decision 0016)
 *
 *     FILE        docket-audit-secret ed25519 HEX64    the seed; 0600
 *     FILE.pub    docket-audit-key ed25519 HEX64       for everybody
 *
 * The key of an auditor, and none of the cluster's: who can rewrite the log should not have it.
 */
#ifndef DK_SECRET_SIGN_H
#define DK_SECRET_SIGN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DK_SIGN_PUBLIC_SIZE 32
#define DK_SIGN_SIZE 64

struct dk_sign_key; /* in guarded memory */

/* Makes both files, durably. DK_INVALID: one of them is there already; nothing was changed. */
enum dk_status dk_sign_key_make(const char *path, struct dk_err *err);

/* DK_NOT_PERMITTED: others can read it, or it is somebody else's. DK_INVALID: it is no secret key;
 * a public one is told from it. */
enum dk_status dk_sign_key_open(struct dk_sign_key **out, const char *path, struct dk_err *err);
void dk_sign_key_close(struct dk_sign_key *key); /* NULL is fine; wiped */

void dk_sign_key_public(const struct dk_sign_key *key, uint8_t public_key[DK_SIGN_PUBLIC_SIZE]);
void dk_sign(const struct dk_sign_key *key, const void *bytes, size_t size,
             uint8_t signature[DK_SIGN_SIZE]);

/* From FILE.pub. DK_INVALID: it is no public key. */
enum dk_status dk_sign_public_read(const char *path, uint8_t public_key[DK_SIGN_PUBLIC_SIZE],
                                   struct dk_err *err);
bool dk_sign_fits(const uint8_t public_key[DK_SIGN_PUBLIC_SIZE], const void *bytes, size_t size,
                  const uint8_t signature[DK_SIGN_SIZE]);

#endif
