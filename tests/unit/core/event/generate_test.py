#!/usr/bin/env python3
"""generate_test.py FOLDER - the generator of schemas/ in FOLDER: fingerprints, checks, refusals."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
SCHEMAS = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(SCHEMAS))

import avro_schema  # noqa: E402

SMALL = pathlib.Path(__file__).resolve().parent / "evolution"

# Schema, canonical form, fingerprint: from the specification's own table of test cases.
VECTORS = [
    ('"null"', '"null"', 7195948357588979594),
    ('{"type":"null"}', '"null"', 7195948357588979594),
    ('"boolean"', '"boolean"', -6970731678124411036),
    ('"int"', '"int"', 8247732601305521295),
    ('"long"', '"long"', -3434872931120570953),
    ('"float"', '"float"', 5583340709985441680),
    ('"double"', '"double"', -8181574048448539266),
    ('"bytes"', '"bytes"', 5746618253357095269),
    ('"string"', '"string"', -8142146995180207161),
    ('[  ]', '[]', -1241056759729112623),
    ('[ "int"  ]', '["int"]', -5232228896498058493),
    ('[ "int" , {"type":"boolean"} ]', '["int","boolean"]', 5392556393470105090),
    ('{"fields":[], "type":"record", "name":"foo"}',
     '{"name":"foo","type":"record","fields":[]}', -4824392279771201922),
    ('{"fields":[], "type":"record", "name":"foo", "namespace":"x.y"}',
     '{"name":"x.y.foo","type":"record","fields":[]}', 5916914534497305771),
    ('{"fields":[], "type":"record", "name":"a.b.foo", "namespace":"x.y"}',
     '{"name":"a.b.foo","type":"record","fields":[]}', -4616218487480524110),
    ('{"fields":[], "type":"record", "name":"foo", "doc":"Useful info"}',
     '{"name":"foo","type":"record","fields":[]}', -4824392279771201922),
    ('{"type":"fixed", "name":"foo", "size":15}',
     '{"name":"foo","type":"fixed","size":15}', 1756455273707447556),
    ('{"type":"enum", "name":"foo", "symbols":["A1"]}',
     '{"name":"foo","type":"enum","symbols":["A1"]}', -6342190197741309591),
]


def run(folder, *options):
    return subprocess.run([sys.executable, str(SCHEMAS / "generate.py"), "--schemas", str(folder),
                           *options], capture_output=True, text=True)


class Fingerprints(unittest.TestCase):
    def test_the_specifications_examples(self):
        for text, canonical, fingerprint in VECTORS:
            source = json.loads(text)
            self.assertEqual(avro_schema.canonical(source), canonical)
            self.assertEqual(avro_schema.fingerprint(source), fingerprint % (1 << 64), text)

    def test_a_named_type_is_written_out_once_and_then_named(self):
        library = {"n.T": {"type": "fixed", "name": "T", "namespace": "n", "size": 2}}
        source = {"type": "record", "name": "R", "namespace": "n", "fields": [
            {"name": "a", "type": "n.T"}, {"name": "b", "type": ["null", "n.T"], "default": None}]}
        whole = avro_schema.expand(source, library)
        self.assertEqual(whole["fields"][0]["type"], library["n.T"])
        self.assertEqual(whole["fields"][1], {"name": "b", "type": ["null", "n.T"],
                                              "default": None})


class OurSchemas(unittest.TestCase):
    def test_nothing_of_history_is_lost_and_the_catalogue_is_current(self):
        result = run(SCHEMAS, "--check")
        self.assertEqual(result.returncode, 0, result.stderr)


class Changes(unittest.TestCase):
    """Each starts from the small schemas, frozen, and makes one change."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name) / "schemas"
        shutil.copytree(SMALL, self.folder)
        self.assertEqual(run(self.folder, "--freeze").returncode, 0)

    def tearDown(self):
        self.temporary.cleanup()

    def edit(self, path, change):
        path = self.folder / path
        source = json.loads(path.read_text(encoding="utf-8"))
        change(source)
        path.write_text(json.dumps(source), encoding="utf-8")

    def refused(self, sentence):
        for option in ("--check", "--freeze"):
            result = run(self.folder, option)
            self.assertEqual(result.returncode, 1)
            self.assertIn(sentence, result.stderr)

    def field(self, path, name, **changes):
        def change(source):
            next(f for f in source["fields"] if f["name"] == name).update(changes)
        self.edit(path, change)

    def test_frozen_schemas_pass(self):
        self.assertEqual(run(self.folder, "--check").stderr, "")
        self.assertEqual(run(self.folder, "--check").returncode, 0)

    def test_freezing_twice_adds_nothing(self):
        before = sorted(self.folder.glob("history/*"))
        run(self.folder, "--freeze")
        self.assertEqual(sorted(self.folder.glob("history/*")), before)

    def test_an_added_field_without_default_is_refused(self):
        self.edit("types/Part.avsc",
                  lambda s: s["fields"].append({"name": "size", "type": "int"}))
        self.refused("ThingHappened: data of history/ThingHappened.603be52b038f563e cannot be "
                     "read: field 'parts[].size' was added without a default")

    def test_a_narrowed_number_is_refused(self):
        self.field("events/ThingHappened.avsc", "first", type="int")
        self.refused("field 'first': long cannot be read as int")

    def test_a_lost_symbol_without_default_is_refused(self):
        self.edit("types/Colour.avsc", lambda s: (s.pop("default"), s["symbols"].remove("RED")))
        self.refused("field 'colour': symbol 'RED' is gone and the enum has no default")

    def test_a_null_that_is_no_longer_allowed_is_refused(self):
        self.field("events/ThingHappened.avsc", "maybe", type="long", default=0)
        self.refused("field 'maybe': null is no longer allowed")

    def test_a_shrunken_limit_is_refused(self):
        self.field("types/Meta.avsc", "source", type={"type": "string", "maxLength": 19})
        self.refused("field 'meta.source': maxLength shrank from 20 to 19")

    def test_a_raised_limit_is_frozen_beside_the_old_one(self):
        self.field("requests/DoThing.avsc", "wish", doc="changed")
        self.field("types/Meta.avsc", "source", type={"type": "string", "maxLength": 21})
        self.assertIn("--freeze adds it", run(self.folder, "--check").stderr)
        self.assertEqual(run(self.folder, "--freeze").returncode, 0)
        self.assertEqual(len(list(self.folder.glob("history/DoThing.*.2.avsc"))), 1)
        self.assertEqual(run(self.folder, "--check").returncode, 0)
        self.field("types/Meta.avsc", "source", type={"type": "string", "maxLength": 20})
        self.refused("field 'meta.source': maxLength shrank from 21 to 20")

    def test_a_change_that_is_not_frozen_is_named(self):
        self.edit("events/ThingHappened.avsc", lambda s: s["fields"].append(
            {"name": "late", "type": "int", "default": 1}))
        result = run(self.folder, "--check")
        self.assertEqual(result.returncode, 1)
        self.assertIn("is not in history/", result.stderr)

    def test_an_edited_history_is_refused(self):
        name = "ThingHappened.603be52b038f563e.avsc"
        self.edit(f"history/{name}", lambda s: s["fields"].pop())
        self.refused(f"history/{name}: was edited")

    def test_a_removed_schema_is_refused(self):
        (self.folder / "requests/DoThing.avsc").rename(self.folder / "requests/Other.avsc")
        self.edit("requests/Other.avsc", lambda s: s.update(name="Other"))
        self.edit("catalogue.json", lambda s: s["requests"][0].update(name="Other"))
        self.refused("DoThing: is in history/ and no longer among the schemas")

    def test_a_default_of_the_wrong_type_is_refused(self):
        self.field("events/ThingHappened.avsc", "level", default="much")
        result = run(self.folder, "--out", str(self.folder / "out"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("ThingHappened.level: default: 'much' is not of type int", result.stderr)

    def test_a_text_without_a_limit_is_refused(self):
        self.field("types/Meta.avsc", "source", type="string")
        result = run(self.folder, "--out", str(self.folder / "out"))
        self.assertIn("Meta.source: string needs maxLength", result.stderr)

    def test_a_schema_that_the_catalogue_lacks_is_refused(self):
        shutil.copy(self.folder / "events/ThingHappened.avsc", self.folder / "events/More.avsc")
        self.refused("event 'More' is only in events/More.avsc")


if __name__ == "__main__":
    unittest.main()
