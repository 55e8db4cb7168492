"""Avro schema resolution: can data of an older schema be read as the current one?

problems() is what `generate.py --check` prints, and the emitter relies on it: code is
generated only for pairs without problems. A limit (maxLength, maxItems) that shrinks is a
problem too: Avro does not see it, but our decoder would refuse what is in the log.
"""

WIDENS = {("int", "long"), ("string", "bytes"), ("bytes", "string")}


def writer_field(reader_field, writer):
    """The writer's field that fills `reader_field`: by name, then by alias."""
    for name in [reader_field.name] + reader_field.aliases:
        for field in writer.fields:
            if field.name == name:
                return field
    return None


def is_optional(kind):
    return (kind.kind == "union" and len(kind.branches) == 2
            and sum(branch.kind == "null" for branch in kind.branches) == 1)


def inner(kind):
    """T of a union of null and T, else the type itself."""
    if is_optional(kind):
        return next(branch for branch in kind.branches if branch.kind != "null")
    return kind


def problems(writer, reader, where):
    """Sentences that say what of the writer's data the reader could not read."""
    if writer.kind == "union":
        found = []
        for branch in writer.branches:
            found += problems(branch, reader, where)
        return found
    if reader.kind == "union":
        tried = [problems(writer, branch, where) for branch in reader.branches]
        if any(not found for found in tried):
            return []
        if writer.kind == "null":
            return [f"field '{where}': null is no longer allowed"]
        return problems(writer, inner(reader), where)
    if writer.kind == "null" != reader.kind:
        return [f"field '{where}': null is no longer allowed"]
    if (writer.kind in ("string", "bytes", "array") and reader.max is not None
            and (writer.max is None or writer.max > reader.max)):
        limit = "maxItems" if reader.kind == "array" else "maxLength"
        return [f"field '{where}': {limit} shrank from {writer.max} to {reader.max}"]
    if writer.kind != reader.kind:
        if (writer.kind, reader.kind) in WIDENS:
            return []
        return [f"field '{where}': {writer.kind} cannot be read as {reader.kind}"]
    if writer.name is not None and writer.short != reader.short:
        return [f"field '{where}': type '{writer.short}' cannot be read as '{reader.short}'"]
    if writer.kind == "fixed" and writer.size != reader.size:
        return [f"field '{where}': size {writer.size} became {reader.size}"]
    if writer.kind == "enum" and reader.default is None:
        return [f"field '{where}': symbol '{symbol}' is gone and the enum has no default"
                for symbol in writer.symbols if symbol not in reader.symbols]
    if writer.kind == "array":
        return problems(writer.items, reader.items, where + "[]")
    if writer.kind == "record":
        return record_problems(writer, reader, where)
    return []


def record_problems(writer, reader, where):
    found = []
    for field in reader.fields:
        name = f"{where}.{field.name}" if where else field.name
        source = writer_field(field, writer)
        if source is not None:
            found += problems(source.type, field.type, name)
        elif not field.has_default:
            found.append(f"field '{name}' was added without a default")
    return found


def size_min(kind):
    """The fewest bytes that a value of this type takes."""
    if kind.kind in ("null",):
        return 0
    if kind.kind == "fixed":
        return kind.size
    if kind.kind == "float":
        return 4
    if kind.kind == "double":
        return 8
    if kind.kind == "record":
        return sum(size_min(field.type) for field in kind.fields)
    if kind.kind == "union":
        return 1 + min(size_min(branch) for branch in kind.branches)
    return 1


def default_fault(kind, value):
    """None, or why `value` cannot be the default of a field of this type."""
    simple = {"null": value is None, "boolean": isinstance(value, bool),
              "string": isinstance(value, str), "bytes": isinstance(value, str)}
    if kind.kind == "union":
        faults = [default_fault(branch, value) for branch in kind.branches]
        return None if None in faults else faults[0]
    if kind.kind in simple:
        good = simple[kind.kind]
    elif kind.kind in ("int", "long"):
        bits = 31 if kind.kind == "int" else 63
        good = type(value) is int and -(1 << bits) <= value < 1 << bits
    elif kind.kind == "enum":
        good = value in kind.symbols
    elif kind.kind == "fixed":
        good = isinstance(value, str) and len(value) == kind.size
    elif kind.kind == "array":
        good = value == []
    else:
        if not isinstance(value, dict):
            return f"{value!r} is not a record"
        for field in kind.fields:
            if field.name in value:
                fault = default_fault(field.type, value[field.name])
                if fault is not None:
                    return f"{field.name}: {fault}"
            elif not field.has_default:
                return f"field '{field.name}' is missing"
        return None
    return None if good else f"{value!r} is not of type {kind.kind}"
