/* json.h - JSON written into a dk_buf: texts and integers, exactly
 *
 * Texts are UTF-8 already (decoders hold that); the quote, the backslash and control characters are
 * escaped, nothing else. All return false when the buffer would pass its maximum.
 */
#ifndef DK_BASE_JSON_H
#define DK_BASE_JSON_H

#include "base/buf.h"
#include "base/text.h"

bool dk_json_text(struct dk_buf *out, struct dk_text text); /* with its quotes */
bool dk_json_integer(struct dk_buf *out, int64_t value);
bool dk_json_hex(struct dk_buf *out, const uint8_t *bytes, size_t size); /* with quotes */

#endif
