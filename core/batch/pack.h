/* pack.h - the codecs of Avro's blocks: null, deflate (without zlib's header), zstandard */
#ifndef DK_BATCH_PACK_H
#define DK_BATCH_PACK_H

#include "batch/container.h"

#include <stdbool.h>

const char *dk_pack_name(enum dk_container_codec codec); /* as Avro calls it */
bool dk_pack_find(const char *name, size_t size, enum dk_container_codec *codec);

struct dk_packer; /* both directions; the null codec has one, too */

struct dk_packer *dk_packer_create(enum dk_container_codec codec);
void dk_packer_destroy(struct dk_packer *packer); /* NULL is fine */

/* Both fill *out anew. Packing fails with DK_TOO_LARGE only. */
enum dk_status dk_pack(struct dk_packer *packer, const uint8_t *bytes, size_t size,
                       struct dk_buf *out, struct dk_err *err);

/* DK_CORRUPT: not what the codec makes, or there is more behind it. DK_TOO_LARGE: more than *out
 * may hold; nothing beyond is unpacked. */
enum dk_status dk_unpack(struct dk_packer *packer, const uint8_t *bytes, size_t size,
                         struct dk_buf *out, struct dk_err *err);

#endif
