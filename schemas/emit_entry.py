"""The schema of an export of a log, docket.Entry: a union of every event, current and older.

Avro has one definition of a name in a schema, so older schemas, and all types inside them, move into
a namespace of their own: docket.v_FINGERPRINT. Names are not in Avro's bytes: a body stays as it is.
"""

import json

from avro_schema import PRIMITIVES, expand, read_json
from emit_header import BANNER

PIECE = 900  # of a string literal; C compilers need not take more than 4,095


def moved(source, namespace):
    """A self-contained schema with each name docket.X in it as NAMESPACE.X."""
    if isinstance(source, str):
        return source if source in PRIMITIVES else f"{namespace}.{source.rsplit('.', 1)[-1]}"
    if isinstance(source, list):
        return [moved(branch, namespace) for branch in source]
    result = dict(source)
    kind = source["type"]
    if kind in ("record", "enum", "fixed"):
        result["name"] = source["name"].rsplit(".", 1)[-1]
        result["namespace"] = namespace
        if kind == "record":
            result["fields"] = [{**field, "type": moved(field["type"], namespace)}
                                for field in source["fields"]]
    elif kind == "array":
        result["items"] = moved(source["items"], namespace)
    else:
        result["type"] = moved(kind, namespace)
    return result


def branches(collection):
    """[(fingerprint, schema)]: the events in the order of the catalogue, then those of history/."""
    events = next(family for family in collection.families if family.noun == "event")
    seen, result = set(), []
    for schema in events.schemas:
        source = read_json(collection.root / "events" / f"{schema.name}.avsc")
        result.append((schema.fingerprint, expand(source, collection.library, seen)))
    for schema in events.schemas:
        for old in sorted(events.history[schema.name], key=lambda old: old.fingerprint):
            namespace = f"docket.v_{old.fingerprint:016x}"
            result.append((old.fingerprint, moved(old.source, namespace)))
    return result


def entry(union):
    return {
        "type": "record",
        "name": "Entry",
        "namespace": "docket",
        "doc": "An event of a docket log, as exported; core/decisions/0016.",
        "fields": [
            {"name": "seq", "type": "long", "doc": "dense position in the log: 1, 2, 3..."},
            {"name": "batch", "type": "long", "doc": "seq of the first event of its batch"},
            {"name": "epoch", "type": "int", "doc": "of the controller that wrote the batch"},
            {"name": "size", "type": "int", "doc": "bytes of the event, without its branch"},
            {"name": "event", "type": union, "doc": "what happened"},
        ],
    }


def entry_source(collection):
    found = branches(collection)
    text = json.dumps(entry([schema for _, schema in found]), separators=(",", ":"))
    pieces = [text[at:at + PIECE] for at in range(0, len(text), PIECE)]
    prints = "".join(f"    UINT64_C(0x{value:016x}), /* {schema['name']} */\n"
                     for value, schema in found)
    literals = "".join(f"    {json.dumps(piece)},\n" for piece in pieces)
    return BANNER.format("schemas/events/, schemas/history/") + f"""\
#include "event/entry.h"

static const uint64_t fingerprints[] = {{
{prints}}};

static const char *const pieces[] = {{
{literals}}};

uint32_t dk_entry_branches(void)
{{
    return (uint32_t)(sizeof(fingerprints) / sizeof(fingerprints[0]));
}}

uint64_t dk_entry_fingerprint(uint32_t branch)
{{
    return fingerprints[branch];
}}

uint32_t dk_entry_branch(uint64_t fingerprint)
{{
    uint32_t branch = 0;

    while (branch < dk_entry_branches() && fingerprints[branch] != fingerprint)
        branch++;
    return branch;
}}

bool dk_entry_schema(struct dk_buf *out)
{{
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        if (!dk_buf_add_text(out, pieces[i]))
            return false;
    return true;
}}
"""
