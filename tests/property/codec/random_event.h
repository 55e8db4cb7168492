/* random_event.h - any event or request, at random and within its limits, over the shape tables
 *
 * `codec_families` lets one test treat events and requests alike; a "record" here is a
 * struct dk_event or a struct dk_request. What a random record points to lives in the arena.
 */
#ifndef DK_TEST_RANDOM_EVENT_H
#define DK_TEST_RANDOM_EVENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/prng.h"
#include "event/event.h"
#include "event/order.h"
#include "event/request.h"
#include "event/shape.h"

union codec_record {
    struct dk_event event;
    struct dk_request request;
    struct dk_order order; /* of a family that a test makes itself */
};

struct codec_family {
    const char *noun;
    int type_count; /* types are 1 .. type_count - 1 */
    const struct dk_shape *(*shape)(int type);
    uint64_t (*fingerprint)(int type);
    int (*type_of)(const union codec_record *record);
    void (*set_type)(union codec_record *record, int type);
    enum dk_status (*encode)(const union codec_record *record, struct dk_buf *out,
                             struct dk_err *err);
    enum dk_status (*decode)(const uint8_t *data, size_t size, struct dk_arena *arena,
                             union codec_record *out, struct dk_err *err);
    bool (*print)(const union codec_record *record, struct dk_buf *out);
};

extern const struct codec_family codec_families[2];

/* Every field is set; sizes and numbers lean towards the small and towards their limits. */
void random_record(const struct codec_family *family, int type, struct dk_prng *prng,
                   struct dk_arena *arena, union codec_record *out);

/* NULL when a and b hold the same, else the name of a field that differs. */
const char *record_difference(const struct codec_family *family, const union codec_record *a,
                              const union codec_record *b);

#endif
