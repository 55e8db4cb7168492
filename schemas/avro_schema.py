"""Avro schemas as this project uses them: load, make self-contained, canonical form, fingerprint.

A schema file under events/, requests/ or orders/ refers to shared types of types/ by full name.
expand() inlines each at its first use, which makes the text self-contained; everything
below works on that text, for the current schemas and for those of history/ alike.
"""

import json
import pathlib

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")


class SchemaError(Exception):
    """A schema that is wrong, or that this generator has no C for."""


class Type:
    """One parsed type. `kind` is a primitive's name, or record, enum, fixed, array, union."""

    def __init__(self, kind, **attributes):
        self.kind = kind
        self.name = None  # full name of a named type
        self.doc = None
        self.max = None  # maxLength or maxItems
        self.default = None  # of an enum
        self.__dict__.update(attributes)

    @property
    def short(self):
        return self.name.rsplit(".", 1)[-1]


class Field:
    def __init__(self, name, kind, doc, has_default, default, aliases):
        self.name, self.type, self.doc = name, kind, doc
        self.has_default, self.default, self.aliases = has_default, default, aliases


def full_name(source, namespace):
    name = source["name"]
    if "." in name:
        return name
    namespace = source.get("namespace", namespace)
    return f"{namespace}.{name}" if namespace else name


def inner_namespace(name):
    return name.rsplit(".", 1)[0] if "." in name else ""


def expand(source, library, seen=None, namespace=""):
    """`source` with every named type of `library` put in the place of its first use."""
    seen = set() if seen is None else seen
    if isinstance(source, str):
        if source in PRIMITIVES:
            return source
        name = source if "." in source or not namespace else f"{namespace}.{source}"
        if name in seen:
            return name
        if name not in library:
            raise SchemaError(f"unknown type '{name}'")
        return expand(library[name], library, seen, namespace)
    if isinstance(source, list):
        return [expand(branch, library, seen, namespace) for branch in source]
    result = dict(source)
    if source["type"] in ("record", "enum", "fixed"):
        name = full_name(source, namespace)
        if name in seen:
            raise SchemaError(f"type '{name}' is defined twice")
        seen.add(name)
        if source["type"] == "record":
            result["fields"] = [
                {**field, "type": expand(field["type"], library, seen, inner_namespace(name))}
                for field in source["fields"]
            ]
    elif source["type"] == "array":
        result["items"] = expand(source["items"], library, seen, namespace)
    elif not isinstance(source["type"], str) or source["type"] not in PRIMITIVES:
        result["type"] = expand(source["type"], library, seen, namespace)
    return result


def canonical(source, namespace=""):
    """The Parsing Canonical Form of a self-contained schema, as the specification words it."""
    text = lambda value: json.dumps(value, ensure_ascii=False)
    if isinstance(source, str):
        if source in PRIMITIVES or "." in source or not namespace:
            return text(source)
        return text(f"{namespace}.{source}")
    if isinstance(source, list):
        return "[" + ",".join(canonical(branch, namespace) for branch in source) + "]"
    kind = source["type"]
    if not isinstance(kind, str):
        return canonical(kind, namespace)
    if kind == "array":
        return '{"type":"array","items":' + canonical(source["items"], namespace) + "}"
    if kind == "map":
        return '{"type":"map","values":' + canonical(source["values"], namespace) + "}"
    if kind not in ("record", "error", "enum", "fixed"):
        return canonical(kind, namespace)
    name = full_name(source, namespace)
    head = '{"name":' + text(name) + ',"type":' + text(kind)
    if kind == "enum":
        return head + ',"symbols":[' + ",".join(map(text, source["symbols"])) + "]}"
    if kind == "fixed":
        return head + ',"size":' + str(int(source["size"])) + "}"
    fields = (
        '{"name":' + text(field["name"]) + ',"type":'
        + canonical(field["type"], inner_namespace(name)) + "}"
        for field in source["fields"]
    )
    return head + ',"fields":[' + ",".join(fields) + "]}"


def _crc_table():
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (EMPTY & -(value & 1))
        table.append(value)
    return table


EMPTY = 0xC15D213AA4D7A795
_TABLE = _crc_table()


def fingerprint(source):
    """CRC-64-AVRO of the canonical form."""
    value = EMPTY
    for byte in canonical(source).encode():
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value


def parse(source, names=None, namespace="", where=""):
    """A self-contained schema's text as a Type. Recursive types are refused."""
    names = {} if names is None else names
    if isinstance(source, str):
        if source in PRIMITIVES:
            return Type(source)
        name = source if "." in source or not namespace else f"{namespace}.{source}"
        if name not in names:
            raise SchemaError(f"{where}: type '{name}' is unknown here")
        if names[name] is None:
            raise SchemaError(f"{where}: type '{name}' contains itself")
        return names[name]
    if isinstance(source, list):
        return Type("union", branches=[parse(b, names, namespace, where) for b in source])
    kind = source["type"]
    if not isinstance(kind, str):
        return parse(kind, names, namespace, where)
    if kind in PRIMITIVES:
        return Type(kind, max=source.get("maxLength"))
    if kind == "array":
        items = parse(source["items"], names, namespace, where)
        return Type("array", items=items, max=source.get("maxItems"))
    if kind not in ("record", "enum", "fixed"):
        return parse(kind, names, namespace, where)
    name = full_name(source, namespace)
    names[name] = None
    if kind == "enum":
        result = Type(kind, symbols=source["symbols"], default=source.get("default"))
    elif kind == "fixed":
        result = Type(kind, size=source["size"])
    else:
        inner = inner_namespace(name)
        result = Type(kind, fields=[
            Field(field["name"], parse(field["type"], names, inner, f"{where}.{field['name']}"),
                  field.get("doc"), "default" in field, field.get("default"),
                  field.get("aliases", []))
            for field in source["fields"]
        ])
    result.name, result.doc = name, source.get("doc")
    result.source = source
    names[name] = result
    return result


class Schema:
    """One event or request, current or of history."""

    def __init__(self, source, where):
        self.source = source
        self.type = parse(source, where=where)
        self.name = self.type.short
        self.fingerprint = fingerprint(source)

    def label(self):
        return f"{self.name}.{self.fingerprint:016x}"

    def text(self):
        return json.dumps(self.source, indent=2, ensure_ascii=False) + "\n"


class Family:
    """The events, or the requests, or the orders: in the order of the catalogue, with their history."""

    def __init__(self, noun, schemas, history):
        self.noun, self.schemas = noun, schemas
        self.history = history  # name -> [Schema], those whose fingerprint is not the current one


def read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SchemaError(f"{path.name}: {error}") from None


class Collection:
    """A schema folder: types/, history/, catalogue.json, and a folder for each list in it (events/)."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.catalogue = read_json(self.root / "catalogue.json")
        self.library = {}
        for path in sorted((self.root / "types").glob("*.avsc")):
            source = read_json(path)
            if source["name"] != path.stem:
                raise SchemaError(f"types/{path.name}: defines '{source['name']}'")
            self.library[full_name(source, "")] = source
        self.types = {}
        for name, source in self.library.items():
            self.types[name] = parse(expand(source, self.library), where=name)
        frozen = []
        for path in sorted((self.root / "history").glob("*.avsc")):
            frozen.append(Schema(read_json(path), f"history/{path.name}"))
            if not path.name.startswith(frozen[-1].label() + "."):
                raise SchemaError(f"history/{path.name}: was edited, its schema is now "
                                  f"{frozen[-1].label()}")
        self.frozen = frozen
        self.families = [self._family(folder[:-1], folder, frozen)
                         for folder in self.catalogue if folder != "about"]

    def _family(self, noun, folder, frozen):
        listed = [row["name"] for row in self.catalogue[folder]]
        present = {path.stem for path in (self.root / folder).glob("*.avsc")}
        for name in sorted(present ^ set(listed)):
            place = f"{folder}/{name}.avsc" if name in present else "catalogue.json"
            raise SchemaError(f"{noun} '{name}' is only in {place}")
        schemas = []
        for name in listed:
            source = expand(read_json(self.root / folder / f"{name}.avsc"), self.library)
            if source["name"] != name:
                raise SchemaError(f"{folder}/{name}.avsc: defines '{source['name']}'")
            schemas.append(Schema(source, name))
        history = {}
        for schema in schemas:
            older = {old.fingerprint: old for old in frozen if old.name == schema.name}
            older.pop(schema.fingerprint, None)
            history[schema.name] = list(older.values())
        return Family(noun, schemas, history)
