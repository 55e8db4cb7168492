/* avro_c_value.h - between our structs and Avro C's generic values, by the shape tables */
#ifndef DK_TEST_AVRO_C_VALUE_H
#define DK_TEST_AVRO_C_VALUE_H

#include "random_event.h"

#include <avro.h>

/* Reads DIR/avsc/NAME.avsc; NULL and a line on stderr when Avro C refuses it. */
avro_schema_t avro_schema_load(const char *folder, const char *name);

/* NULL when the value holds what the struct holds, else the name of a field that differs. */
const char *avro_difference(const avro_value_t *value, const struct dk_shape *shape,
                            const void *base);

/* Sets every field of the value from the struct. False when Avro C refuses. */
bool avro_fill(avro_value_t *value, const struct dk_shape *shape, const void *base);

#endif
