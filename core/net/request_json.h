/* request_json.h - requests written as JSON, for clients without our Avro codec
 *
 * An object {"type":"CancelJob","job":17}, or an array of them. Fields are the schema's, by name;
 * "key" and "time" of meta stand beside them. Bytes are in hex, enums by their symbol, a missing
 * field is zero, empty or null; bytes that may be longer than 64 (a script) are text. An unknown
 * field, a wrong type or a number out of range is refused by name. Read by jansson, which no header
 * of ours shows.
 */
#ifndef DK_NET_REQUEST_JSON_H
#define DK_NET_REQUEST_JSON_H

#include "event/request.h"

/* Everything that *requests points to lives in the arena. DK_INVALID with what and where. */
enum dk_status dk_requests_from_json(const uint8_t *json, size_t size, struct dk_arena *arena,
                                     struct dk_request **requests, uint32_t *count,
                                     struct dk_err *err);

#endif
