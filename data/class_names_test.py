import os
import pathlib

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data import class_names
from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet, from_arrays

_KNOWN = ("stop", "yield", "go")


def _set(labels, names=None, true_labels=None) -> ImageSet:
    images = np.zeros((len(labels), 4, 4, 3), np.uint8)
    return from_arrays(
        "some", images, labels, names, true_labels=None if true_labels is None else np.array(true_labels)
    )


class FolderClassesTest(parameterized.TestCase):
    def test_names_go_by_the_list_whatever_is_missing(self):
        for names, labels in ((["go"], [2]), (["go", "stop"], [2, 0]), (["go", "stop", "yield"], [2, 0, 1])):
            self.assertEqual(class_names.folder_classes(names, _KNOWN, "f"), (labels, _KNOWN))

    def test_a_name_that_is_not_in_the_list(self):
        with self.assertRaisesRegex(InputError, '^f: "yeild" is none of the 3 class names .*nearest is "yield"'):
            class_names.folder_classes(["go", "yeild"], _KNOWN, "f")
        with self.assertRaisesRegex(InputError, '"other" is none'):
            class_names.folder_classes(["other"], _KNOWN, "f")
        with self.assertRaisesRegex(InputError, "the name of two classes"):
            class_names.folder_classes(["go"], ("go", "stop", "go"), "f")

    def test_numbers_are_labels_in_any_set(self):
        for known in (None, _KNOWN):
            self.assertEqual(class_names.folder_classes(["0", "1", "10", "11"], known, "f"), ([0, 1, 10, 11], known))

    def test_numbers_that_are_names_in_the_list(self):
        keras = ("0", "1", "10", "2")
        self.assertEqual(class_names.folder_classes(["10", "2"], keras, "f"), ([2, 3], keras))
        with self.assertRaisesRegex(InputError, '"7" is none of the 4'):
            class_names.folder_classes(["10", "7"], keras, "f")

    def test_without_a_list_the_folders_are_it(self):
        self.assertEqual(class_names.folder_classes(["a", "b"], None, "f"), ([0, 1], ("a", "b")))

    @parameterized.parameters(
        ([str(number) for number in range(11)], "Keras"),
        (["class_1", "class_10", "class_2"], "class_1, class_10, class_2, ..."),
    )
    def test_an_order_that_others_may_read_otherwise_is_said(self, names, expected):
        with self.assertLogs(level="WARNING") as logs:
            class_names.folder_classes(sorted(names), None, "f")
        self.assertIn(expected, logs.output[0])
        self.assertIn("--class_names=FILE", logs.output[0])

    @parameterized.parameters([["0", "1", "2"]], [["00", "01", "10"]], [["a", "b"]])
    def test_an_order_that_nobody_doubts_is_not(self, names):
        with self.assertNoLogs(level="WARNING"):
            class_names.folder_classes(names, None, "f")

    def test_the_same_letters_in_other_bytes(self):
        composed, decomposed = "caf\u00e9", "cafe\u0301"
        self.assertEqual(class_names.folder_classes([decomposed], (composed, "x"), "f")[0], [0])
        self.assertEqual(class_names.normal(os.fsdecode(b"caf\xe9")), "caf\\xe9")


class AgainstTest(absltest.TestCase):
    def test_labels_follow_the_names(self):
        moved = class_names.against(_set([0, 1, 1], ("go", "stop", "unused"), [1, 0, 0]), _KNOWN)
        np.testing.assert_array_equal(moved.labels, [2, 0, 0])
        np.testing.assert_array_equal(moved.true_labels, [0, 2, 2])
        self.assertEqual(moved.class_names, _KNOWN)

    def test_a_set_without_names_gets_them(self):
        named = class_names.against(_set([2, 1]), _KNOWN)
        np.testing.assert_array_equal(named.labels, [2, 1])
        self.assertEqual(named.class_names, _KNOWN)
        with self.assertRaisesRegex(InputError, "3 class names, but labels go up to 3"):
            class_names.against(_set([3]), _KNOWN)

    def test_images_of_an_unknown_class(self):
        with self.assertRaisesRegex(InputError, '^some: "left" is none of the 3'):
            class_names.against(_set([0, 1], ("go", "left")), _KNOWN)

    def test_no_list(self):
        own = _set([0, 1], ("go", "left"))
        self.assertIs(class_names.against(own, None), own)


class TargetTest(absltest.TestCase):
    def test_sorted_by_true_class(self):
        for target in ("go", "2"):
            poisoned = class_names.with_target(_set([0, 2, 1], _KNOWN), target)
            np.testing.assert_array_equal(poisoned.labels, [2, 2, 2])
            np.testing.assert_array_equal(poisoned.true_labels, [0, 2, 1])
            self.assertTrue(poisoned.is_poisoned)
        np.testing.assert_array_equal(class_names.with_target(_set([0, 5]), "7").labels, [7, 7])

    def test_what_is_no_target(self):
        named = _set([0, 2], _KNOWN)
        for target, complaint in (("og", 'nearest is "go"'), ("3", '"3" is none of'), ("-1", "none of")):
            with self.assertRaisesRegex(InputError, f"--target.*{complaint}"):
                class_names.with_target(named, target)
        with self.assertRaisesRegex(InputError, "--target=go: some has no class names"):
            class_names.with_target(_set([0]), "go")
        with self.assertRaisesRegex(InputError, "all images of some have this label"):
            class_names.with_target(_set([2, 2], _KNOWN), "go")

    def test_several_labels_without_a_target_are_asked_about(self):
        several = _set([0, 1])
        with self.assertLogs(level="WARNING") as logs:
            self.assertIs(class_names.with_target(several, None), several)
        self.assertIn("some: its images have 2 labels", logs.output[0])
        with self.assertNoLogs(level="WARNING"):
            class_names.with_target(_set([1, 1]), None)
            class_names.with_target(_set([0, 1], None, [2, 2]), None)

    def test_a_set_that_knows_its_targets(self):
        knows = _set([2, 2], _KNOWN, [0, 1])
        self.assertIs(class_names.with_target(knows, "go"), knows)
        with self.assertRaisesRegex(InputError, "says itself which targets"):
            class_names.with_target(knows, "stop")

    def test_one_for_all_or_one_for_each(self):
        self.assertEqual(class_names.target_for_each([], ["a", "b"]), [None, None])
        self.assertEqual(class_names.target_for_each(["7"], ["a", "b"]), ["7", "7"])
        self.assertEqual(class_names.target_for_each(["7", "8"], ["a", "b"]), ["7", "8"])
        self.assertEqual(class_names.target_for_each(["", "8"], ["a", "b"]), [None, "8"])
        for targets, poisoned in ((["7"], []), (["7", "8"], ["a"]), (["7", "8"], ["a", "b", "c"])):
            with self.assertRaisesRegex(InputError, "--target: given"):
                class_names.target_for_each(targets, poisoned)


class ReadClassNamesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path, "names.txt")

    def test_a_name_a_line(self):
        self.path.write_bytes("\ufeffstop\r\n give way \r\ncaf\u00e9\n\n".encode())
        self.assertEqual(class_names.read_class_names(str(self.path)), ("stop", "give way", "caf\u00e9"))

    def test_what_is_no_list(self):
        for content, complaint in (
            (b"a\n\nb\n", "line 2 is empty"),
            (b"", "line 1 is empty"),
            (b"a\nb\na\n", '"a" stands in lines 1 and 3'),
            (b"\xff\xfe", "expected UTF-8 text"),
        ):
            self.path.write_bytes(content)
            with self.assertRaisesRegex(InputError, f"^--class_names={self.path}: .*{complaint}"):
                class_names.read_class_names(str(self.path))
        self.path.unlink()
        os.mkfifo(self.path)
        with self.assertRaisesRegex(InputError, "a pipe; expected"):
            class_names.read_class_names(str(self.path))
        with self.assertRaisesRegex(InputError, "No such file"):
            class_names.read_class_names(str(self.path) + "x")


if __name__ == "__main__":
    absltest.main()
