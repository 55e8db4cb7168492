/* crc32c.h - CRC-32C (Castagnoli), as in iSCSI, RFC 3720 appendix B.4
 *
 * crc32c("123456789") is 0xe3069283. Pass 0 first, then the last result to go on.
 * Uses the processor's instruction where it has one, else a table; same result.
 */
#ifndef DK_BASE_CRC32C_H
#define DK_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t dk_crc32c(uint32_t crc, const void *bytes, size_t size);

/* The same by tables only, on any processor; for the test that compares the two. */
uint32_t dk_crc32c_portable(uint32_t crc, const void *bytes, size_t size);

#endif
