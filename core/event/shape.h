/* shape.h - what a generated struct looks like, for code that treats all events alike
 *
 * The printer, and tests that build or compare any event, walk these tables. An event's
 * own shape has offsets into struct dk_event, its first field being `meta`; the shape
 * of a nested record has offsets into that record's struct.
 */
#ifndef DK_EVENT_SHAPE_H
#define DK_EVENT_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

enum dk_kind {
    DK_KIND_BOOL,
    DK_KIND_INT,
    DK_KIND_LONG,
    DK_KIND_TEXT,
    DK_KIND_BYTES,
    DK_KIND_FIXED,
    DK_KIND_ENUM,
    DK_KIND_RECORD,
    DK_KIND_COUNT
};

struct dk_shape {
    const char *name;
    uint32_t size; /* of the struct */
    uint32_t field_count;
    const struct dk_shape_field *fields;
};

struct dk_shape_field {
    const char *name;
    enum dk_kind kind; /* of the value, or of an array's items */
    bool is_array, is_optional;
    uint32_t offset;          /* of the value, or of the pointer to an array's items */
    uint32_t offset_extra;    /* of x_count of an array, of has_x of an optional */
    uint32_t item_size;       /* sizeof the value, or of one item */
    uint32_t size_max;        /* maxLength; size of a fixed; number of symbols of an enum */
    uint32_t count_max;       /* maxItems */
    const char *const *names; /* symbols of an enum */
    const struct dk_shape *record;
};

#endif
