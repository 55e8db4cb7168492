"""The generated headers: enums, structs and the faces of event.h and request.h."""

import re
import textwrap

from avro_schema import SchemaError
from resolve import default_fault, inner, is_optional

PLAIN = {"int": "int32_t", "long": "int64_t", "boolean": "bool",
         "string": "struct dk_text", "bytes": "struct dk_bytes"}
META = "meta"  # the first field of every event and request; it is lifted out of the record
BANNER = "/* Generated from {} by schemas/generate.py: do not edit. */\n"


def snake(name):
    """JobSubmitted -> job_submitted"""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def c_name(kind):
    return "dk_" + snake(kind.short)


def c_type(kind):
    if kind.kind in PLAIN:
        return PLAIN[kind.kind]
    if kind.kind == "enum":
        return "enum " + c_name(kind)
    if kind.kind in ("record", "fixed"):
        return "struct " + c_name(kind)
    raise SchemaError(f"no C type for {kind.kind} here")


def enum_prefix(kind):
    return c_name(kind).upper() + "_"


def comment(text, indent=""):
    if not text:
        return ""
    one = f"{indent}/* {text} */"
    if len(one) <= 100:
        return one + "\n"
    lines = textwrap.wrap(text, 100 - len(indent) - 3)
    return indent + "/* " + ("\n" + indent + " * ").join(lines) + " */\n"


def check_field(field, where):
    kind = field.type
    fault = default_fault(kind, field.default) if field.has_default else None
    if fault is not None:
        raise SchemaError(f"{where}.{field.name}: default: {fault}")
    if kind.kind == "union" and not is_optional(kind):
        raise SchemaError(f"{where}.{field.name}: only a union of null and one type has C")
    value = inner(kind)
    if kind.kind == "union" and value.kind == "array":
        raise SchemaError(f"{where}.{field.name}: an optional array has no C; use an empty one")
    if value.kind == "array":
        if value.max is None:
            raise SchemaError(f"{where}.{field.name}: an array needs maxItems")
        value = value.items
    if value.kind in ("array", "union", "map", "float", "double", "null"):
        raise SchemaError(f"{where}.{field.name}: {value.kind} has no C here")
    if value.kind in ("string", "bytes") and value.max is None:
        raise SchemaError(f"{where}.{field.name}: {value.kind} needs maxLength")


def members(fields, where):
    lines = []
    for field in fields:
        check_field(field, where)
        doc = f" /* {field.doc} */" if field.doc else ""
        if field.type.kind == "array":
            text = [f"const {c_type(field.type.items)} *{field.name};",
                    f"uint32_t {field.name}_count;"]
        elif field.type.kind == "union":
            text = [f"bool has_{field.name};", f"{c_type(inner(field.type))} {field.name};"]
        else:
            text = [f"{c_type(field.type)} {field.name};"]
        if len("    " + text[0] + doc) > 100:
            lines.append(comment(field.doc, "    ").rstrip("\n"))
            doc = ""
        lines += ["    " + text[0] + doc] + ["    " + line for line in text[1:]]
    return "\n".join(lines) + "\n"


def struct(kind, fields):
    return (comment(kind.doc) + f"struct {c_name(kind)} {{\n" + members(fields, kind.short)
            + "};\n\n")


def own_fields(schema):
    """The fields of an event without `meta`, which every event must have first."""
    fields = schema.type.fields
    if not fields or fields[0].name != META or fields[0].type.kind != "record":
        raise SchemaError(f"{schema.name}: the first field must be the record '{META}'")
    return fields[1:]


def types_header(types):
    """types.h: the shared types, each after those it is made of."""
    text = BANNER.format("schemas/types/") + """\
/* types.h - the types that events and requests have in common
 *
 * A text or array is borrowed: in a decoded event texts point into the bytes that were
 * decoded and arrays into the arena. An optional field x is absent when has_x is false,
 * and is then all zeroes after decoding.
 */
#ifndef DK_EVENT_TYPES_H
#define DK_EVENT_TYPES_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

"""
    done = set()

    def visit(kind):
        if kind.kind == "union":
            return "".join(visit(branch) for branch in kind.branches)
        if kind.kind == "array":
            return visit(kind.items)
        if kind.name is None or kind.name in done:
            return ""
        done.add(kind.name)
        before = ""
        if kind.kind == "record":
            before = "".join(visit(field.type) for field in kind.fields)
            return before + struct(kind, kind.fields)
        if kind.kind == "fixed":
            return comment(kind.doc) + f"struct {c_name(kind)} {{\n    uint8_t bytes[{kind.size}];\n}};\n\n"
        prefix = enum_prefix(kind)
        rows = "".join(f"    {prefix}{symbol}{' = 0' if i == 0 else ''},\n"
                       for i, symbol in enumerate(kind.symbols))
        return (comment(kind.doc) + f"enum {c_name(kind)} {{\n{rows}    {prefix}COUNT\n}};\n\n")

    for name in sorted(types):
        text += visit(types[name])
    for name in sorted(types):
        if types[name].kind == "enum":
            text += (f"const char *{c_name(types[name])}_name({c_type(types[name])} value);\n")
    return text + "\n#endif\n"


FACE = """\
/* Appends the {noun} as an Avro single object: c3 01, the schema's fingerprint, the body.
 * DK_TOO_LARGE or DK_INVALID, naming the field, when a limit of the schema is broken or the
 * buffer is full; then nothing is appended. */
enum dk_status dk_{noun}_encode(const struct dk_{noun} *{noun}, struct dk_buf *out,
                              struct dk_err *err);

/* Reads one {noun}, written by the current schema or by any of schemas/history/. Nothing of the
 * input is trusted. Texts borrow from `data`, arrays live in the arena; neither is freed by a
 * failure, after which *out holds nothing of use. DK_UNKNOWN_SCHEMA: the fingerprint is not ours. */
enum dk_status dk_{noun}_decode(const uint8_t *data, size_t size, struct dk_arena *arena,
                              struct dk_{noun} *out, struct dk_err *err);

/* Appends one line of JSON, without its newline: the type, the fields of `meta`, then its own.
 * False when the buffer is full; then nothing is appended. */
bool dk_{noun}_print(const struct dk_{noun} *{noun}, struct dk_buf *out);

const char *dk_{noun}_name(enum dk_{noun}_type type); /* "{first}"; "?" if it is none */
uint64_t dk_{noun}_fingerprint(enum dk_{noun}_type type);
const struct dk_shape *dk_{noun}_shape(enum dk_{noun}_type type); /* event/shape.h */
"""


def family_header(family):
    noun = family.noun
    guard = f"DK_EVENT_{noun.upper()}_H"
    what = {"event": "every fact, as one tagged union",
            "request": "every wish, as one tagged union",
            "order": "every order to a node, as one tagged union",
            "post": "what doors put into `requests`, as one tagged union"}[noun]
    text = BANNER.format(f"schemas/{noun}s/") + f"""\
/* {noun}.h - {what}
 *
 * The numbers of the types follow schemas/catalogue.json and only ever grow. They are not on
 * the wire: there a record is named by its schema's fingerprint. A type without fields of its
 * own has no member in the union.
 */
#ifndef {guard}
#define {guard}

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/types.h"

struct dk_shape;

"""
    prefix = f"DK_{noun.upper()}_"
    rows = "".join(f"    {prefix}{snake(schema.name).upper()}{' = 1' if i == 0 else ''},\n"
                   for i, schema in enumerate(family.schemas))
    text += f"enum dk_{noun}_type {{\n{rows}    {prefix}TYPE_COUNT\n}};\n\n"
    union, meta = "", None
    for schema in family.schemas:
        fields = own_fields(schema)
        kind = schema.type.fields[0].type
        if meta is not None and kind.name != meta.name:
            raise SchemaError(f"{schema.name}: '{META}' is {kind.name}, not {meta.name}")
        meta = kind
        clash = {field.name for field in fields} & ({f.name for f in kind.fields} | {"type"})
        if clash:
            raise SchemaError(f"{schema.name}: field '{clash.pop()}' is also one of '{META}'")
        if fields:
            text += struct(schema.type, fields)
            union += f"        struct {c_name(schema.type)} {snake(schema.name)};\n"
    text += (f"struct dk_{noun} {{\n    enum dk_{noun}_type type;\n    {c_type(meta)} meta;\n"
             f"    union {{\n{union}    }};\n}};\n\n")
    return text + FACE.format(noun=noun, first=family.schemas[0].name) + "\n#endif\n"
