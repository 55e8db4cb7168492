/* config_yaml.c - a configuration from a file of YAML: every mistake with its line
 *
 * libyaml makes the tree, with the line of each node; we walk it along the schema's shape.
 * (libcyaml fills structs by itself but forgets the lines of values, and values with units are ours
 * to read.)
 */
#include "cli/command.h"
#include "cli/config_tree.h"
#include "net/hostlist.h"

#include <string.h>
#include <yaml.h>

struct reading {
    const char *name; /* of the file */
    yaml_document_t document;
    struct dk_arena *arena;
    struct dk_err *err;
};

static enum dk_status bad(struct reading *reading, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum dk_status bad(struct reading *reading, const yaml_node_t *node, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)dk_fail_list(reading->err, DK_INVALID, format, args);
    va_end(args);
    (void)dk_fail_in(reading->err, "%s:%zu", reading->name, node->start_mark.line + 1);
    return DK_INVALID;
}

static const char *scalar(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

/* A plain ~, null or nothing. */
static bool is_null(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (scalar(node)[0] == '\0' || strcmp(scalar(node), "~") == 0 ||
            strcmp(scalar(node), "null") == 0);
}

static enum dk_status read_record(struct reading *reading, yaml_node_t *node,
                                  const struct dk_shape *shape, void *record);

static enum dk_status read_value(struct reading *reading, yaml_node_t *node,
                                 const struct dk_shape_field *field, void *place)
{
    char key[64];

    if (field->kind == DK_KIND_RECORD)
        return read_record(reading, node, field->record, place);
    config_key(field, key);
    if (node->type != YAML_SCALAR_NODE)
        return bad(reading, node, "'%s' takes one value, not a %s", key,
                   node->type == YAML_SEQUENCE_NODE ? "list" : "mapping");
    if (strlen(scalar(node)) != node->data.scalar.length)
        return bad(reading, node, "'%s' has a NUL in it", key);
    if (config_set(field, place, scalar(node), reading->arena, reading->err) == DK_OK)
        return DK_OK;
    (void)dk_fail_in(reading->err, "%s:%zu: %s", reading->name, node->start_mark.line + 1, key);
    return DK_INVALID;
}

/* Host lists, one or a list of them. */
static enum dk_status read_hosts(struct reading *reading, yaml_node_t *node,
                                 const struct dk_shape_field *field, void *record)
{
    struct dk_hostlist list;
    enum dk_status status = DK_OK;
    struct dk_text *names;
    bool is_list = node->type == YAML_SEQUENCE_NODE;
    const yaml_node_item_t *item = is_list ? node->data.sequence.items.start : NULL;

    dk_hostlist_init(&list);
    do {
        yaml_node_t *one = node;

        if (is_list && item == node->data.sequence.items.top)
            break;
        if (is_list)
            one = yaml_document_get_node(&reading->document, *item++);
        if (one->type != YAML_SCALAR_NODE)
            status = bad(reading, one, "'%s' takes names of nodes, e.g. n[1-4]", field->name);
        else if (dk_hostlist_expand(&list, scalar(one), reading->err) != DK_OK)
            status = dk_fail_in(reading->err, "%s:%zu: %s", reading->name, one->start_mark.line + 1,
                                field->name);
    } while (is_list && status == DK_OK);
    if (status == DK_OK && list.count > field->count_max)
        status = bad(reading, node, "'%s' has more than %u names", field->name, field->count_max);
    if (status == DK_OK) {
        names = config_set_array(field, record, list.count, reading->arena);
        for (uint32_t i = 0; i < list.count; i++)
            if (config_set(field, &names[i], list.names[i], reading->arena, reading->err) != DK_OK)
                status = bad(reading, node, "'%s': a name of a node is too long", field->name);
    }
    dk_hostlist_release(&list);
    return status;
}

static enum dk_status read_array(struct reading *reading, yaml_node_t *node,
                                 const struct dk_shape_field *field, void *record)
{
    enum dk_status status = DK_OK;
    uint32_t count, i = 0;
    char key[64];
    char *items;

    config_key(field, key);
    if (config_unit_of(field) == CONFIG_HOSTS)
        return read_hosts(reading, node, field, record);
    if (node->type != YAML_SEQUENCE_NODE)
        return bad(reading, node, "'%s' takes a list: lines that begin with '- ', or [a, b]", key);
    count = (uint32_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > field->count_max)
        return bad(reading, node, "'%s' has more than %u items", key, field->count_max);
    items = config_set_array(field, record, count, reading->arena);
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         status == DK_OK && item < node->data.sequence.items.top; item++, i++) {
        char *place = items + (size_t)i * field->item_size;

        if (field->kind == DK_KIND_RECORD)
            config_default_item(field->record, place);
        status =
            read_value(reading, yaml_document_get_node(&reading->document, *item), field, place);
    }
    return status;
}

static const struct dk_shape_field *find_field(struct reading *reading, const yaml_node_t *node,
                                               const struct dk_shape *shape)
{
    static char keys[64][64]; /* what a guess points to */
    struct cli_guess guess = { .typed = scalar(node) };

    for (uint32_t i = 0; i < shape->field_count && i < 64; i++) {
        config_key(&shape->fields[i], keys[i]);
        if (strcmp(keys[i], scalar(node)) == 0)
            return &shape->fields[i];
        cli_guess_try(&guess, keys[i]);
    }
    if (guess.best != NULL)
        (void)bad(reading, node, "unknown key '%s'; did you mean '%s'?", scalar(node), guess.best);
    else
        (void)bad(reading, node, "unknown key '%s'", scalar(node));
    return NULL;
}

static enum dk_status read_pair(struct reading *reading, yaml_node_t *key, yaml_node_t *value,
                                const struct dk_shape *shape, void *record, uint64_t *seen)
{
    const struct dk_shape_field *field;
    uint64_t bit;

    if (key->type != YAML_SCALAR_NODE)
        return bad(reading, key, "a key has to be a word");
    field = find_field(reading, key, shape);
    if (field == NULL)
        return DK_INVALID;
    bit = UINT64_C(1) << (field - shape->fields);
    if ((*seen & bit) != 0)
        return bad(reading, key, "'%s' is given twice", scalar(key));
    *seen |= bit;
    if (is_null(value) && field->kind != DK_KIND_TEXT)
        return DK_OK; /* nothing is said: the default */
    return field->is_array ? read_array(reading, value, field, record)
                           : read_value(reading, value, field, (char *)record + field->offset);
}

/* Nodes by name, or all of them. */
static enum dk_status settle_nodes(struct reading *reading, const yaml_node_t *node,
                                   const struct dk_shape *shape, void *record, uint64_t seen)
{
    struct dk_partition_spec *partition = record;
    uint64_t all_nodes = 0, nodes = 0, name = 0;

    if (strcmp(shape->name, "PartitionSpec") != 0)
        return DK_OK;
    for (uint32_t i = 0; i < shape->field_count; i++) {
        if (strcmp(shape->fields[i].name, "all_nodes") == 0)
            all_nodes = UINT64_C(1) << i;
        if (strcmp(shape->fields[i].name, "nodes") == 0)
            nodes = UINT64_C(1) << i;
        if (strcmp(shape->fields[i].name, "name") == 0)
            name = UINT64_C(1) << i;
    }
    if ((seen & name) == 0)
        return bad(reading, node, "a partition without a name: begin it with '- name: main'");
    if ((seen & nodes) != 0 && (seen & all_nodes) == 0)
        partition->all_nodes = false;
    if ((seen & nodes) != 0 && partition->all_nodes && partition->nodes_count > 0)
        return bad(reading, node,
                   "partition '%.*s' names nodes and has 'all_nodes: true': one of both",
                   (int)partition->name.size, partition->name.data);
    return DK_OK;
}

static enum dk_status read_record(struct reading *reading, yaml_node_t *node,
                                  const struct dk_shape *shape, void *record)
{
    enum dk_status status = DK_OK;
    uint64_t seen = 0;

    if (node->type != YAML_MAPPING_NODE)
        return bad(reading, node, "lines of the form 'key: value' are expected here");
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         status == DK_OK && pair < node->data.mapping.pairs.top; pair++)
        status = read_pair(reading, yaml_document_get_node(&reading->document, pair->key),
                           yaml_document_get_node(&reading->document, pair->value), shape, record,
                           &seen);
    return status == DK_OK ? settle_nodes(reading, node, shape, record, seen) : status;
}

enum dk_status config_from_yaml(const char *name, FILE *file,
                                const struct dk_cluster_config *present,
                                struct dk_cluster_config *config, struct dk_arena *arena,
                                struct dk_err *err)
{
    struct reading reading = { .name = name, .arena = arena, .err = err };
    enum dk_status status;
    yaml_parser_t parser;
    yaml_node_t *root;

    config_default(config);
    config->policy.origin = present->policy.origin;
    if (yaml_parser_initialize(&parser) == 0)
        return dk_fail(err, DK_IO, "no memory for reading '%s'", name);
    yaml_parser_set_input_file(&parser, file);
    if (yaml_parser_load(&parser, &reading.document) == 0) {
        status = dk_fail(
            err, DK_INVALID, "%s:%zu: not YAML: %s%s%s", name, parser.problem_mark.line + 1,
            parser.problem != NULL ? parser.problem : "unreadable",
            parser.context != NULL ? " " : "", parser.context != NULL ? parser.context : "");
        yaml_parser_delete(&parser);
        return status;
    }
    root = yaml_document_get_root_node(&reading.document);
    if (root == NULL)
        status = dk_fail(err, DK_INVALID,
                         "'%s' is empty; 'docket config show' prints one to begin "
                         "with",
                         name);
    else
        status = read_record(&reading, root, config_shape(), config);
    yaml_document_delete(&reading.document);
    yaml_parser_delete(&parser);
    return status;
}
