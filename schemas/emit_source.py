"""The generated sources: encoders, decoders for current and older schemas, shape tables."""

import json

from avro_schema import SchemaError, canonical
from emit_header import BANNER, META, c_name, c_type, enum_prefix, own_fields, snake
from resolve import inner, is_optional, problems, size_min, writer_field

BOUND = {"boolean": 1, "int": 5, "long": 10, "string": 5, "bytes": 5}


def bound(kind):
    """The most bytes a value takes, not counting what texts, bytes and items add at run time."""
    if kind.kind in BOUND:
        return BOUND[kind.kind]
    if kind.kind == "fixed":
        return kind.size
    if kind.kind == "enum":
        return 1 if len(kind.symbols) <= 64 else 5
    if kind.kind == "record":
        return sum(bound(field.type) for field in kind.fields)
    if kind.kind == "union":
        return 1 + bound(inner(kind))
    return 5 + 1  # array: one count and the closing 0


def varies(kind):
    """Does a value need dk_hold_*: a limit to hold, or bytes to add?"""
    if kind.kind == "record":
        return any(varies(field.type) for field in kind.fields)
    if kind.kind == "union":
        return varies(inner(kind))
    return kind.kind in ("string", "bytes", "enum", "array")


def c_string(text):
    return json.dumps(text, ensure_ascii=True)


class Source:
    """Collects functions; each is made once, when first asked for."""

    def __init__(self, noun):
        self.noun = noun
        self.made = {}  # key -> name of the function
        self.used = {}  # name -> number of functions that share it
        self.text = []

    def once(self, key, name, make):
        if key not in self.made:
            number = self.used.get(name, 0)
            self.used[name] = number + 1
            self.made[key] = name if number == 0 else f"{name}_{number + 1}"
            self.text.append(make(self.made[key]))
        return self.made[key]

    # ---- encoding -------------------------------------------------------------------------

    def hold(self, kind, value, name, tab):
        """Statements that refuse a broken limit and add to *bound."""
        quoted = c_string(name)
        if kind.kind == "string":
            return f"{tab}DK_HOLD({quoted}, dk_hold_text(codec, {value}, {kind.max}, bound));\n"
        if kind.kind == "bytes":
            return (f"{tab}DK_HOLD({quoted}, dk_hold_size(codec, {value}.size, {kind.max}, 1, "
                    f"bound));\n")
        if kind.kind == "enum":
            return (f"{tab}DK_HOLD({quoted}, dk_hold_index(codec, (uint32_t){value}, "
                    f"{enum_prefix(kind)}COUNT));\n")
        if kind.kind == "record":
            return f"{tab}DK_HOLD({quoted}, {self.hold_record(kind)}(&{value}, codec, bound));\n"
        if kind.kind == "union":
            has = "->has_".join(value.rsplit("->", 1))
            return f"{tab}if ({has}) {{\n{self.hold(inner(kind), value, name, tab + '    ')}{tab}}}\n"
        text = (f"{tab}DK_HOLD({quoted}, dk_hold_size(codec, {value}_count, {kind.max}, "
                f"{bound(kind.items)}, bound));\n")
        if varies(kind.items):
            text += (f"{tab}for (uint32_t i = 0; i < {value}_count; i++) {{\n"
                     + self.hold(kind.items, f"{value}[i]", name, tab + "    ") + f"{tab}}}\n")
        return text

    def hold_record(self, kind):
        def make(name):
            body = "".join(self.hold(field.type, f"v->{field.name}", field.name, "    ")
                           for field in kind.fields if varies(field.type))
            unused = "" if "bound)" in body else "    (void)bound;\n"
            return (f"static bool {name}(const {c_type(kind)} *v, struct dk_codec *codec,\n"
                    f"    size_t *bound)\n{{\n{unused}{body}    return true;\n}}\n\n")
        return self.once(("hold", kind.name), "hold_" + snake(kind.short), make)

    def put(self, kind, value, tab):
        """Statements that write a value whose limits were held."""
        if kind.kind in ("int", "long"):
            return f"{tab}at = dk_put_long(at, {value});\n"
        if kind.kind == "boolean":
            return f"{tab}*at++ = {value} ? 1 : 0;\n"
        if kind.kind in ("string", "bytes"):
            return f"{tab}at = dk_put_bytes(at, {value}.data, {value}.size);\n"
        if kind.kind == "fixed":
            return f"{tab}at = dk_put_fixed(at, {value}.bytes, {kind.size});\n"
        if kind.kind == "enum":
            return f"{tab}at = dk_put_long(at, (int64_t){value});\n"
        if kind.kind == "record":
            return f"{tab}at = {self.put_record(kind)}(at, &{value});\n"
        if kind.kind == "union":
            target, name = value.rsplit("->", 1)
            null = 0 if kind.branches[0].kind == "null" else 1
            return (f"{tab}if ({target}->has_{name}) {{\n{tab}    *at++ = {2 * (1 - null)};\n"
                    + self.put(inner(kind), value, tab + "    ")
                    + f"{tab}}} else {{\n{tab}    *at++ = {2 * null};\n{tab}}}\n")
        return (f"{tab}if ({value}_count > 0) {{\n"
                f"{tab}    at = dk_put_long(at, {value}_count);\n"
                f"{tab}    for (uint32_t i = 0; i < {value}_count; i++) {{\n"
                + self.put(kind.items, f"{value}[i]", tab + "        ")
                + f"{tab}    }}\n{tab}}}\n{tab}*at++ = 0;\n")

    def put_record(self, kind):
        def make(name):
            body = "".join(self.put(field.type, f"v->{field.name}", "    ")
                           for field in kind.fields)
            return (f"static inline uint8_t *{name}(uint8_t *at, const {c_type(kind)} *v)\n"
                    f"{{\n{body}    return at;\n}}\n\n")
        return self.once(("put", kind.name), "put_" + snake(kind.short), make)

    def encoder(self, schema):
        """static enum dk_status encode_x(const struct dk_event *in, ...)"""
        meta = schema.type.fields[0].type
        fields = own_fields(schema)
        noun, short = self.noun, snake(schema.name)
        member = f"const {c_type(schema.type)} *v = &in->{short};\n" if fields else ""
        size = 10 + bound(meta) + sum(bound(field.type) for field in fields)
        hold = self.hold(meta, f"in->{META}", META, "    ") if varies(meta) else ""
        hold += "".join(self.hold(field.type, f"v->{field.name}", field.name, "    ")
                        for field in fields if varies(field.type))
        put = self.put(meta, f"in->{META}", "    ")
        put += "".join(self.put(field.type, f"v->{field.name}", "    ") for field in fields)
        self.text.append(f"""\
static bool hold_{noun}_{short}(const struct dk_{noun} *in, struct dk_codec *codec, size_t *bound)
{{
{'    ' + member if 'v->' in hold else ''}
    (void)in;
    (void)codec;
    *bound = {size};
{hold}    return true;
}}

static uint8_t *put_{noun}_{short}(uint8_t *at, const struct dk_{noun} *in)
{{
{'    ' + member if fields else ''}
    at = dk_put_header(at, UINT64_C(0x{schema.fingerprint:016x}));
{put}    return at;
}}

""")

    # ---- decoding -------------------------------------------------------------------------

    def default(self, kind, value, target, tab):
        """Statements that give `target` the default `value` of the reader's schema."""
        if kind.kind == "union":
            has = target.replace("->", "->has_", 1) if "->" in target else target
            if value is None:
                return (f"{tab}{has} = false;\n"
                        f"{tab}memset(&{target}, 0, sizeof({target}));\n")
            return f"{tab}{has} = true;\n" + self.default(inner(kind), value, target, tab)
        if kind.kind in ("int", "long"):
            return f"{tab}{target} = {integer(value)};\n"
        if kind.kind == "boolean":
            return f"{tab}{target} = {'true' if value else 'false'};\n"
        if kind.kind in ("string", "bytes"):
            raw = value.encode("utf-8" if kind.kind == "string" else "latin-1")
            literal = c_literal(raw)
            cast = "" if kind.kind == "string" else "(const uint8_t *)"
            return f"{tab}{target} = ({c_type(kind)}){{ {cast}{literal}, {len(raw)} }};\n"
        if kind.kind == "fixed":
            return (f"{tab}memcpy({target}.bytes, {c_literal(value.encode('latin-1'))}, "
                    f"{kind.size});\n")
        if kind.kind == "enum":
            return f"{tab}{target} = {enum_prefix(kind)}{value};\n"
        if kind.kind == "array":
            if value:
                raise SchemaError(f"the default of '{target}' must be an empty array")
            return f"{tab}{target} = NULL;\n{tab}{target}_count = 0;\n"
        return self.default_record(kind, value, target, tab)

    def default_record(self, kind, value, target, tab):
        key = ("default", kind.name, json.dumps(value, sort_keys=True))

        def make(name):
            body = ""
            for field in kind.fields:
                given = value.get(field.name, field.default)
                body += self.default(field.type, given, f"v->{field.name}", "    ")
            return f"static void {name}({c_type(kind)} *v)\n{{\n{body}}}\n\n"
        return f"{tab}{self.once(key, 'default_' + snake(kind.short), make)}(&{target});\n"

    def skip(self, writer, name, tab):
        """Statements that pass over a value that the reader does not have."""
        quoted = c_string(name)
        if writer.kind in ("int", "long", "enum"):
            return (f"{tab}{{\n{tab}    int64_t unused;\n\n"
                    f"{tab}    DK_TAKE({quoted}, dk_get_long(at, end, codec, &unused));\n{tab}}}\n")
        if writer.kind == "null":
            return ""
        if writer.kind in ("string", "bytes"):
            return f"{tab}DK_TAKE({quoted}, dk_skip_bytes(at, end, codec));\n"
        if writer.kind in ("boolean", "fixed", "float", "double"):
            return f"{tab}DK_TAKE({quoted}, dk_skip_fixed(at, end, codec, {size_min(writer)}));\n"
        if writer.kind == "record":
            return "".join(self.skip(field.type, field.name, tab) for field in writer.fields)
        if writer.kind == "union":
            text = (f"{tab}{{\n{tab}    uint32_t branch = 0;\n\n"
                    f"{tab}    DK_TAKE({quoted}, dk_get_index(at, end, codec, "
                    f"{len(writer.branches)}, &branch));\n")
            for index, branch in enumerate(writer.branches):
                body = self.skip(branch, name, tab + "        ")
                if body:
                    text += f"{tab}    if (branch == {index}) {{\n{body}{tab}    }}\n"
            return text + f"{tab}}}\n"
        if size_min(writer.items) == 0:
            raise SchemaError(f"field '{name}': an array of items without bytes cannot be read")
        return (f"{tab}for (;;) {{\n{tab}    uint64_t more;\n\n"
                f"{tab}    DK_TAKE({quoted}, dk_skip_array_block(at, end, codec, "
                f"{size_min(writer.items)}, &more));\n"
                f"{tab}    if (more == 0)\n{tab}        break;\n"
                f"{tab}    for (; more > 0; more--) {{\n"
                + self.skip(writer.items, name, tab + "        ") + f"{tab}    }}\n{tab}}}\n")

    def get(self, writer, reader, target, name, tab):
        """Statements that read a value written as `writer` into `target`, a `reader`."""
        quoted = c_string(name)
        if reader.kind == "union":
            return self.get_optional(writer, reader, target, name, tab)
        if writer.kind == "union":
            return self.get_branches(writer, name, tab,
                                     lambda branch, deeper: self.get(branch, reader, target,
                                                                     name, deeper))
        if reader.kind in ("int", "long", "boolean"):
            call = {"int": "int", "long": "long", "boolean": "bool"}[reader.kind]
            if writer.kind != reader.kind:
                call = "int_as_long"
            return f"{tab}DK_TAKE({quoted}, dk_get_{call}(at, end, codec, &{target}));\n"
        if reader.kind in ("string", "bytes"):
            call = "text" if reader.kind == "string" else "bytes"
            return (f"{tab}DK_TAKE({quoted}, dk_get_{call}(at, end, codec, {reader.max}, "
                    f"&{target}));\n")
        if reader.kind == "fixed":
            return (f"{tab}DK_TAKE({quoted}, dk_get_fixed(at, end, codec, {target}.bytes, "
                    f"{reader.size}));\n")
        if reader.kind == "enum":
            return self.get_enum(writer, reader, target, name, tab)
        if reader.kind == "record":
            return (f"{tab}DK_TAKE({quoted}, {self.get_record(writer, reader)}(at, end, codec, "
                    f"&{target}));\n")
        return (f"{tab}DK_TAKE({quoted}, {self.get_array(writer, reader)}(at, end, codec, "
                f"&{target}, &{target}_count));\n")

    def get_branches(self, writer, name, tab, each):
        text = (f"{tab}{{\n{tab}    uint32_t branch = 0;\n\n"
                f"{tab}    DK_TAKE({c_string(name)}, dk_get_index(at, end, codec, "
                f"{len(writer.branches)}, &branch));\n")
        for index, branch in enumerate(writer.branches):
            head = f"if (branch == {index})" if index == 0 else f"else if (branch == {index})"
            if index == len(writer.branches) - 1:
                head = "else" if index > 0 else "if (branch == 0)"
            lead = f"{tab}    {head}" if index == 0 else f"{tab}    }} {head}"
            text += f"{lead} {{\n{each(branch, tab + '        ')}"
        return text + f"{tab}    }}\n{tab}}}\n"

    def get_optional(self, writer, reader, target, name, tab):
        owner, field = target.rsplit("->", 1)
        has = f"{owner}->has_{field}"

        def each(branch, deeper):
            if branch.kind == "null":
                return (f"{deeper}{has} = false;\n"
                        f"{deeper}memset(&{target}, 0, sizeof({target}));\n")
            return f"{deeper}{has} = true;\n" + self.get(branch, inner(reader), target, name, deeper)
        if writer.kind != "union":
            return each(writer, tab)
        return self.get_branches(writer, name, tab, each)

    def get_enum(self, writer, reader, target, name, tab):
        text = (f"{tab}{{\n{tab}    uint32_t symbol = 0;\n\n"
                f"{tab}    DK_TAKE({c_string(name)}, dk_get_index(at, end, codec, "
                f"{len(writer.symbols)}, &symbol));\n")
        if writer.symbols == reader.symbols[:len(writer.symbols)]:
            return text + f"{tab}    {target} = ({c_type(reader)})symbol;\n{tab}}}\n"
        known = [symbol if symbol in reader.symbols else reader.default
                 for symbol in writer.symbols]
        key = ("enum", reader.name, tuple(known))

        def make(table):
            rows = "".join(f"    {enum_prefix(reader)}{symbol},\n" for symbol in known)
            return f"static const {c_type(reader)} {table}[{len(known)}] = {{\n{rows}}};\n\n"
        table = self.once(key, snake(reader.short) + "_of", make)
        return text + f"{tab}    {target} = {table}[symbol];\n{tab}}}\n"

    def get_fields(self, writer, reader_fields, reader_of, targets):
        """The fields in the writer's order, then the defaults of those that it lacks."""
        text, filled = "", set()
        takers = {}
        for field in reader_fields:
            source = writer_field(field, writer)
            if source is not None:
                takers[source.name] = field
        for source in writer.fields:
            field = takers.get(source.name)
            if field is None:
                text += self.skip(source.type, source.name, "    ")
                continue
            filled.add(field.name)
            text += self.get(source.type, field.type, targets(field), field.name, "    ")
        for field in reader_fields:
            if field.name not in filled:
                text += self.default(field.type, field.default, targets(field), "    ")
        return text

    def get_record(self, writer, reader):
        def make(name):
            body = self.get_fields(writer, reader.fields, reader,
                                   lambda field: f"v->{field.name}")
            unused = "" if "codec" in body else "    (void)end;\n    (void)codec;\n"
            return (f"static const uint8_t *{name}(const uint8_t *at, const uint8_t *end,\n"
                    f"    struct dk_codec *codec, {c_type(reader)} *v)\n{{\n{unused}{body}"
                    f"    return at;\n}}\n\n")
        key = ("get", reader.name, structure(writer))
        return self.once(key, "get_" + snake(reader.short), make)

    def get_array(self, writer, reader):
        item = reader.items
        short = {"string": "text", "boolean": "bool"}.get(item.kind, item.kind)
        short = snake(item.short) if item.name else short
        if size_min(writer.items) == 0:
            raise SchemaError(f"an array of '{short}' has items without bytes")

        def make(name):
            read = self.get(writer.items, item, "items[count]", "[]", " " * 12)
            return f"""\
static const uint8_t *{name}(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
    const {c_type(item)} **items_out, uint32_t *count_out)
{{
    {c_type(item)} *items = NULL;
    uint32_t count = 0, capacity = 0;

    for (;;) {{
        uint32_t more;

        at = dk_get_block(at, end, codec, count, {reader.max}, {size_min(writer.items)}, &more);
        if (DK_UNLIKELY(at == NULL))
            return NULL;
        if (more == 0)
            break;
        if (more > capacity - count) {{
            {c_type(item)} *grown;

            capacity = dk_codec_capacity(capacity, count + more);
            grown = dk_arena_take(codec->arena, (size_t)capacity * sizeof(*items));
            if (count > 0)
                memcpy(grown, items, (size_t)count * sizeof(*items));
            items = grown;
        }}
        for (; more > 0; more--, count++) {{
{read}        }}
    }}
    *items_out = items;
    *count_out = count;
    return at;
}}

"""
        key = ("array", c_type(item), item.max, reader.max, structure(writer.items))
        return self.once(key, f"get_array_of_{short}", make)

    def decoder(self, schema, current):
        """The function that reads `schema`, maybe an old one, into a struct dk_event."""
        short = snake(current.name)
        own = own_fields(current)

        def targets(field):
            return f"out->{META}" if field.name == META else f"v->{field.name}"
        body = self.get_fields(schema.type, current.type.fields, current.type, targets)
        suffix = "" if schema is current else f"_{schema.fingerprint:016x}"
        name = f"decode_{short}{suffix}"
        member = (f"    {c_type(current.type)} *v = &out->{short};\n" if own else "")
        self.text.append(f"""\
static const uint8_t *{name}(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
    struct dk_{self.noun} *out)
{{
{member}
    out->type = DK_{self.noun.upper()}_{short.upper()};
{body}    return at;
}}

""")
        return name


def structure(writer):
    """Equal for writers whose bytes are laid out alike."""
    if writer.name is not None:
        return canonical_of(writer)
    if writer.kind == "union":
        return "|".join(structure(branch) for branch in writer.branches)
    if writer.kind == "array":
        return "[" + structure(writer.items) + "]"
    return writer.kind


def canonical_of(kind):
    if kind.kind == "enum":
        return kind.name + "<" + ",".join(kind.symbols) + ">"
    if kind.kind == "fixed":
        return f"{kind.name}<{kind.size}>"
    return (kind.name + "{"
            + ",".join(f"{field.name}:{structure(field.type)}" for field in kind.fields) + "}")


def integer(value):
    if value == -(1 << 63):
        return "INT64_MIN"
    return str(value) if abs(value) < 1 << 31 else f"INT64_C({value})"


def c_literal(raw):
    return '"' + "".join(f"\\{byte:03o}" if byte < 32 or byte > 126 or byte in b'"\\?' else chr(byte)
                         for byte in raw) + '"'


def perfect_hash(fingerprints):
    """(multiplier, bits) so that (fingerprint * multiplier) >> (64 - bits) has no collision."""
    bits = max(1, (2 * len(fingerprints) - 1).bit_length())
    multiplier = 1
    for attempt in range(1, 1000000):
        multiplier = (multiplier * 6364136223846793005 + 1442695040888963407) % (1 << 64) | 1
        slots = {(value * multiplier % (1 << 64)) >> (64 - bits) for value in fingerprints}
        if len(slots) == len(fingerprints):
            return multiplier, bits
        if attempt % 20000 == 0:
            bits += 1
    raise SchemaError("no perfect hash found")


def family_source(family):
    noun = family.noun
    upper = noun.upper()
    source = Source(noun)
    rows = []
    for schema in family.schemas:
        source.encoder(schema)
        rows.append((schema.fingerprint, source.decoder(schema, schema)))
        for old in family.history[schema.name]:
            found = problems(old.type, schema.type, "")
            if found:
                raise SchemaError(f"{schema.name}: cannot read {old.name}.{old.fingerprint:016x}: "
                                  + "; ".join(found))
            rows.append((old.fingerprint, source.decoder(old, schema)))
    if len({row[0] for row in rows}) != len(rows):
        raise SchemaError(f"two {noun}s have the same fingerprint")
    multiplier, bits = perfect_hash([row[0] for row in rows])
    table = {(value * multiplier % (1 << 64)) >> (64 - bits): (value, name)
             for value, name in rows}
    decoders = "".join(f"    [{slot}] = {{ UINT64_C(0x{value:016x}), {name} }},\n"
                       for slot, (value, name) in sorted(table.items()))
    shorts = [(schema, snake(schema.name)) for schema in family.schemas]

    def cases(form):
        return "".join(f"    case DK_{upper}_{short.upper()}:\n"
                       f"        {form(schema, short)}\n" for schema, short in shorts)
    nothing = f"    case DK_{upper}_TYPE_COUNT:\n    default:\n        break;\n"
    names = "".join(f"    [DK_{upper}_{short.upper()}] = \"{schema.name}\",\n"
                    for schema, short in shorts)
    prints = "".join(f"    [DK_{upper}_{short.upper()}] = UINT64_C(0x{schema.fingerprint:016x}),\n"
                     for schema, short in shorts)
    text = BANNER.format(f"schemas/{noun}s/") + f"""\
#include "event/{noun}.h"
#include "event/codec.h"
#include "event/shapes.h"

""" + "".join(source.text) + f"""\
static const char *const names[DK_{upper}_TYPE_COUNT] = {{
{names}}};

static const uint64_t fingerprints[DK_{upper}_TYPE_COUNT] = {{
{prints}}};

/* A perfect hash of the fingerprints of every schema that we can read. */
static const struct {{
    uint64_t fingerprint;
    const uint8_t *(*read)(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
                           struct dk_{noun} *out);
}} decoders[{1 << bits}] = {{
{decoders}}};

enum dk_status dk_{noun}_encode(const struct dk_{noun} *{noun}, struct dk_buf *out,
    struct dk_err *err)
{{
    struct dk_codec codec;
    size_t bound = 0;
    uint8_t *start, *at;
    bool held = false;

    codec.depth = 0;
    switch ({noun}->type) {{
{cases(lambda schema, short: f"held = hold_{noun}_{short}({noun}, &codec, &bound);" + chr(10) + "        break;")}\
    case DK_{upper}_TYPE_COUNT:
    default:
        return dk_fail(err, DK_INVALID, "no {noun} has the type %d", (int){noun}->type);
    }}
    if (DK_UNLIKELY(!held))
        return dk_codec_report(&codec, names[{noun}->type], err);
    start = dk_buf_room(out, bound);
    if (DK_UNLIKELY(start == NULL))
        return dk_fail(err, DK_TOO_LARGE, "%s: no room for up to %zu bytes", names[{noun}->type],
                       bound);
    at = start;
    switch ({noun}->type) {{
{cases(lambda schema, short: f"at = put_{noun}_{short}(at, {noun});" + chr(10) + "        break;")}\
{nothing}    }}
    out->size += (size_t)(at - start);
    return DK_OK;
}}

enum dk_status dk_{noun}_decode(const uint8_t *data, size_t size, struct dk_arena *arena,
    struct dk_{noun} *out, struct dk_err *err)
{{
    struct dk_codec codec;
    const uint8_t *at, *end;
    enum dk_status status;
    uint64_t fingerprint;
    size_t slot;

    status = dk_codec_header(data, size, &fingerprint, err);
    if (DK_UNLIKELY(status != DK_OK))
        return status;
    slot = (size_t)((fingerprint * UINT64_C(0x{multiplier:016x})) >> {64 - bits});
    if (DK_UNLIKELY(decoders[slot].fingerprint != fingerprint || decoders[slot].read == NULL))
        return dk_codec_unknown(fingerprint, err);
    codec.arena = arena;
    codec.depth = 0;
    end = data + size;
    at = decoders[slot].read(data + DK_CODEC_HEADER, end, &codec, out);
    if (DK_UNLIKELY(at == NULL))
        return dk_codec_report(&codec, names[out->type], err);
    if (DK_UNLIKELY(at != end))
        return dk_fail(err, DK_INVALID, "%s: %zu bytes too many", names[out->type],
                       (size_t)(end - at));
    return DK_OK;
}}

const char *dk_{noun}_name(enum dk_{noun}_type type)
{{
    return type > 0 && type < DK_{upper}_TYPE_COUNT ? names[type] : "?";
}}

uint64_t dk_{noun}_fingerprint(enum dk_{noun}_type type)
{{
    return type > 0 && type < DK_{upper}_TYPE_COUNT ? fingerprints[type] : 0;
}}

"""
    return text + family_shapes(family)


# ---- shape tables ---------------------------------------------------------------------------

KINDS = {"boolean": "BOOL", "int": "INT", "long": "LONG", "string": "TEXT", "bytes": "BYTES",
         "fixed": "FIXED", "enum": "ENUM", "record": "RECORD"}


def shape_row(field, owner, prefix=""):
    """One row of a table of struct dk_shape_field; offsets are within struct `owner`."""
    kind = inner(field.type)
    value = kind.items if kind.kind == "array" else kind
    path = prefix + field.name
    parts = [f".name = {c_string(field.name)}", f".kind = DK_KIND_{KINDS[value.kind]}",
             f".offset = (uint32_t)offsetof({owner}, {path})",
             f".item_size = (uint32_t)sizeof({c_type(value)})"]
    if kind.kind == "array":
        parts += [".is_array = true", f".count_max = {kind.max}",
                  f".offset_extra = (uint32_t)offsetof({owner}, {path}_count)"]
    if is_optional(field.type):
        parts += [".is_optional = true",
                  f".offset_extra = (uint32_t)offsetof({owner}, {prefix}has_{field.name})"]
    if value.kind in ("string", "bytes"):
        parts.append(f".size_max = {value.max}")
    if value.kind == "fixed":
        parts.append(f".size_max = {value.size}")
    if value.kind == "enum":
        parts += [f".size_max = {enum_prefix(value)}COUNT", f".names = {c_name(value)}_symbols"]
    if value.kind == "record":
        parts.append(f".record = &{c_name(value)}_shape")
    return "    { " + ",\n      ".join(parts) + " },\n"


def family_shapes(family):
    noun, upper = family.noun, family.noun.upper()
    text, index = "", ""
    for schema in family.schemas:
        short = snake(schema.name)
        owner = f"struct dk_{noun}"
        rows = shape_row(schema.type.fields[0], owner)
        rows += "".join(shape_row(field, owner, f"{short}.") for field in own_fields(schema))
        text += f"static const struct dk_shape_field {short}_fields[] = {{\n{rows}}};\n\n"
        index += (f"    [DK_{upper}_{short.upper()}] = {{ \"{schema.name}\", sizeof({owner}), "
                  f"{len(schema.type.fields)}, {short}_fields }},\n")
    return text + f"""\
static const struct dk_shape shapes[DK_{upper}_TYPE_COUNT] = {{
{index}}};

const struct dk_shape *dk_{noun}_shape(enum dk_{noun}_type type)
{{
    return type > 0 && type < DK_{upper}_TYPE_COUNT ? &shapes[type] : NULL;
}}
"""


def shapes_header(types):
    text = BANNER.format("schemas/types/") + """\
/* shapes.h - the tables of the shared types, for the generated sources only */
#ifndef DK_EVENT_SHAPES_H
#define DK_EVENT_SHAPES_H

#include "event/shape.h"
#include "event/types.h"

#include <stddef.h>

"""
    for name in sorted(types):
        kind = types[name]
        if kind.kind == "enum":
            text += f"extern const char *const {c_name(kind)}_symbols[{enum_prefix(kind)}COUNT];\n"
        elif kind.kind == "record":
            text += f"extern const struct dk_shape {c_name(kind)}_shape;\n"
    return text + "\n#endif\n"


def types_source(types):
    text = BANNER.format("schemas/types/") + '#include "event/shapes.h"\n\n'
    for name in sorted(types):
        kind = types[name]
        if kind.kind == "enum":
            rows = "".join(f'    "{symbol}",\n' for symbol in kind.symbols)
            text += f"""\
const char *const {c_name(kind)}_symbols[{enum_prefix(kind)}COUNT] = {{
{rows}}};

const char *{c_name(kind)}_name({c_type(kind)} value)
{{
    return (uint32_t)value < {enum_prefix(kind)}COUNT ? {c_name(kind)}_symbols[value] : "?";
}}

"""
        elif kind.kind == "record":
            short = snake(kind.short)
            rows = "".join(shape_row(field, c_type(kind)) for field in kind.fields)
            text += f"""\
static const struct dk_shape_field {short}_fields[] = {{
{rows}}};

const struct dk_shape {c_name(kind)}_shape = {{ "{kind.short}", sizeof({c_type(kind)}),
    {len(kind.fields)}, {short}_fields }};

"""
    return text
