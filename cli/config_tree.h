/* config_tree.h - a configuration as people write it: the schema's fields, with human units
 *
 * Everything here walks the generated shape of ClusterConfig (schemas/types), so that a new field
 * of the schema is read, shown and compared without a line of code. What a key is called and how
 * its value is written follow from the field's name:
 *
 *     limit_us_max              limit_max: 1-00:00:00     a span of time (human.h)
 *     memory_mib_running_max    memory_running_max: 4G    a size
 *     is_default                default: true
 *     nodes, nodes_expected     n[1-4,7]                  a host list, or a list of them
 */
#ifndef DK_CLI_CONFIG_TREE_H
#define DK_CLI_CONFIG_TREE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/shape.h"
#include "event/types.h"

#include <stdio.h>

enum config_unit { CONFIG_PLAIN, CONFIG_SPAN, CONFIG_SIZE, CONFIG_HOSTS };

const struct dk_shape *config_shape(void);
enum config_unit config_unit_of(const struct dk_shape_field *field);
void config_key(const struct dk_shape_field *field, char key[64]);

/* What a file that says nothing means: that of a new cluster, without its partition. */
void config_default(struct dk_cluster_config *config);

/* A zeroed or default record of this shape: an item of a list before it is read. */
void config_default_item(const struct dk_shape *shape, void *item);

/* Sets a field that is not a record from its text. Texts live in the arena. */
enum dk_status config_set(const struct dk_shape_field *field, void *place, const char *text,
                          struct dk_arena *arena, struct dk_err *err);

/* Room for `count` items of an array field, zeroed; the pointer and the count are set. */
void *config_set_array(const struct dk_shape_field *field, void *record, uint32_t count,
                       struct dk_arena *arena);

/* The items of an array field. */
const void *config_array(const struct dk_shape_field *field, const void *record, uint32_t *count);

bool config_has_word(const char *name, const char *word); /* "limit_us_max" has "us" */

/* From the query interface's JSON: {"config":{...}} or the object itself. Texts live in the arena.
 */
enum dk_status config_from_json(const struct dk_buf *json, struct dk_cluster_config *config,
                                struct dk_arena *arena, struct dk_err *err);

/* YAML that reads back as the same configuration. */
void config_print(const struct dk_cluster_config *config, FILE *file);

/* One line for each difference, "partitions.main.limit_max: none -> 1-00:00:00"; how many. */
uint32_t config_compare(const struct dk_cluster_config *before,
                        const struct dk_cluster_config *after, FILE *file);

/* Reads a file of YAML. DK_INVALID: "FILE:LINE: what is wrong; what would be right". Keys that are
 * missing have their default; `origin` is the one of `present`. */
enum dk_status config_from_yaml(const char *name, FILE *file,
                                const struct dk_cluster_config *present,
                                struct dk_cluster_config *config, struct dk_arena *arena,
                                struct dk_err *err);

#endif
