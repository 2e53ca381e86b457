import dataclasses
import hashlib
import io
import json
import os
import zipfile

from absl.testing import absltest, parameterized

from goodnet.export.bundle import CARD_NAME, LABELS_NAME, DetectorCard, add_bundle, read_card

_GRAPH = b"\x1c\0\0\0TFL3" + bytes(range(256)) * 20


def _card(**fields) -> DetectorCard:
    return DetectorCard(**{"classes": 3, "image_shape": (4, 5, 3), "precision": "int8", "threshold": 0.75, **fields})


def _read(path: str) -> DetectorCard:
    card = read_card(path)
    assert card is not None
    return card


class BundleTest(parameterized.TestCase):
    def _written(self, contents: bytes) -> str:
        path = os.path.join(self.create_tempdir().full_path, "detector.tflite")
        with open(path, "wb") as file:
            file.write(contents)
        return path

    def _with_text(self, text: str) -> str:
        """A file whose card is this text."""
        contents = io.BytesIO(_GRAPH)
        with zipfile.ZipFile(contents, mode="a") as archive:
            archive.writestr(CARD_NAME, text)
        return self._written(contents.getvalue())

    def test_card_comes_back(self):
        card = _card(
            class_names=("näme", "b\tc", "d"), max_false_positive_rate=0.05, calibration_images=20, keras_sha256="ab"
        )
        contents = add_bundle(_GRAPH, card)
        self.assertStartsWith(contents, _GRAPH)
        found = _read(self._written(contents))
        self.assertEqual(found.class_names, card.class_names)
        self.assertEqual(DetectorCard.from_json(found.to_json()), found)
        for field in ("threshold", "classes", "image_shape", "max_false_positive_rate", "calibration_images"):
            self.assertEqual(getattr(found, field), getattr(card, field))

    def test_same_bytes_every_time(self):
        self.assertEqual(add_bundle(_GRAPH, _card()), add_bundle(_GRAPH, _card()))

    def test_any_unzip_shows_it(self):
        with zipfile.ZipFile(io.BytesIO(add_bundle(_GRAPH, _card()))) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual(json.loads(archive.read(CARD_NAME))["threshold"], 0.75)

    def test_nothing_is_compressed_and_the_backdoor_is_named_last(self):
        names = ("a", "b\tc\nd", "e")
        for card, expected in (
            (_card(class_names=names), "a\nb c d\ne\nbackdoor\n"),
            (_card(), "0\n1\n2\nbackdoor\n"),
            (_card(class_names=names, threshold=None), "a\nb c d\ne\n"),
        ):
            with zipfile.ZipFile(io.BytesIO(add_bundle(_GRAPH, card))) as archive:
                self.assertEqual({entry.compress_type for entry in archive.infolist()}, {zipfile.ZIP_STORED})
                self.assertEqual(archive.read(LABELS_NAME).decode(), expected)

    def test_other_associated_files_stay(self):
        contents = io.BytesIO(_GRAPH)
        with zipfile.ZipFile(contents, mode="a") as archive:
            archive.writestr("labels.txt", "a\nb\n")
        bundled = add_bundle(contents.getvalue(), _card())
        self.assertEqual(_read(self._written(bundled)).threshold, 0.75)
        with zipfile.ZipFile(io.BytesIO(bundled)) as archive:
            self.assertEqual(archive.read("labels.txt"), b"a\nb\n")

    def test_a_second_card_is_refused(self):
        with self.assertRaisesRegex(ValueError, "already"):
            add_bundle(add_bundle(_GRAPH, _card()), _card())

    def test_no_card(self):
        self.assertIsNone(read_card(self._written(_GRAPH)))
        self.assertIsNone(read_card(self._written(b"")))
        contents = io.BytesIO(_GRAPH)
        with zipfile.ZipFile(contents, mode="a") as archive:
            archive.writestr("labels.txt", "a")
        self.assertIsNone(read_card(self._written(contents.getvalue())))

    def test_a_changed_graph_is_noticed(self):
        contents = bytearray(add_bundle(_GRAPH, _card()))
        contents[100] ^= 1
        with self.assertRaisesRegex(ValueError, "damaged, or replaced"):
            read_card(self._written(bytes(contents)))

    @parameterized.parameters(b'"precision"', b"backdoor")
    def test_a_changed_card_and_changed_labels_are_noticed(self, changed):
        contents = add_bundle(_GRAPH, _card()).replace(changed, changed.swapcase(), 1)
        path = self._written(contents)
        with self.assertRaises(ValueError) as caught:
            read_card(path)
        self.assertStartsWith(str(caught.exception), path)

    @parameterized.parameters(
        ("[]", "expected an object"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"classes": 3}', "lacks image_shape, precision"),
        ('{"classes": 1, "image_shape": [4, 5, 3], "precision": "int8"}', "classes is 1"),
        ('{"classes": 3, "image_shape": [4, 5], "precision": "int8"}', "image_shape"),
        ('{"classes": 3, "image_shape": [4, 5, 3], "precision": "int8", "threshold": NaN}', "threshold is nan"),
        ('{"classes": 3, "image_shape": [4, 5, 3], "precision": "int8", "threshold": 2}', "threshold is 2"),
        ('{"classes": 3, "image_shape": [4, 5, 3], "precision": "int8", "class_names": ["a"]}', "class_names"),
        ('{"classes": 3, "image_shape": [4, 5, 3], "precision": "int8", "schema_version": 99}', "schema_version is 99"),
        ('{"classes": true, "image_shape": [4, 5, 3], "precision": "int8"}', "classes is True"),
    )
    def test_hostile_cards_are_one_line(self, text, expected):
        path = self._with_text(text)
        with self.assertRaisesRegex(ValueError, expected) as caught:
            read_card(path)
        self.assertStartsWith(str(caught.exception), path)
        self.assertNotIn("\n", str(caught.exception))

    def test_a_card_that_swells_is_not_read(self):
        contents = io.BytesIO(_GRAPH)
        with zipfile.ZipFile(contents, mode="a", compression=zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(CARD_NAME, b" " * 2**26)
        with self.assertRaisesRegex(ValueError, "more than"):
            read_card(self._written(contents.getvalue()))

    def test_fields_of_the_future_are_left_aside(self):
        card = json.loads(dataclasses.replace(_card(), graph_sha256=hashlib.sha256(_GRAPH).hexdigest()).to_json())
        self.assertEqual(_read(self._with_text(json.dumps({**card, "wisdom": 1}))).classes, 3)

    def test_a_card_that_does_not_vouch_for_the_graph(self):
        for text in (_card().to_json(), dataclasses.replace(_card(), graph_sha256="0" * 64).to_json()):
            with self.assertRaisesRegex(ValueError, "lacks graph_sha256|its graph is not the one"):
                read_card(self._with_text(text))

    def test_a_file_that_is_cut_anywhere_has_no_card_or_is_refused(self):
        contents = add_bundle(_GRAPH, _card())
        for length in range(len(_GRAPH), len(contents)):
            try:
                self.assertIsNone(read_card(self._written(contents[:length])), length)
            except ValueError as error:
                self.assertIn("damaged", str(error))

    def test_damaged_lzma(self):
        contents = io.BytesIO(_GRAPH)
        with zipfile.ZipFile(contents, mode="a", compression=zipfile.ZIP_LZMA) as archive:
            archive.writestr(CARD_NAME, _card().to_json())
        damaged = bytearray(contents.getvalue())
        damaged[len(_GRAPH) + 30 + len(CARD_NAME) : len(_GRAPH) + 60 + len(CARD_NAME)] = b"\xff" * 30
        with self.assertRaisesRegex(ValueError, "its card is damaged"):
            read_card(self._written(bytes(damaged)))

    def test_what_is_no_file(self):
        path = os.path.join(self.create_tempdir().full_path, "pipe")
        os.mkfifo(path)
        with self.assertRaisesRegex(ValueError, f"^{path}: a pipe; expected a regular file"):
            read_card(path)

    def test_what_is_too_large_to_be_one_is_not_read(self):
        path = self._written(b"\x1c\0\0\0TFL3")
        os.truncate(path, 2**31 + 1)
        with self.assertRaisesRegex(ValueError, f"^{path}: 2147483649 bytes, more than 2147483648; expected"):
            read_card(path)


if __name__ == "__main__":
    absltest.main()
