import flatbuffers
import numpy as np
from absl.testing import absltest
from flatbuffers.number_types import UOffsetTFlags
from tensorflow.lite.tools import flatbuffer_utils

from goodnet.export.bundle import LABELS_NAME
from goodnet.export.conversion import SIGNATURE, convert_detector
from goodnet.export.device_process import device_answers
from goodnet.export.metadata import with_scores_alone
from goodnet.export.runtime import RUNTIMES
from testing.device_case import case_detector, case_images


def _table(data: bytes, place: int) -> flatbuffers.table.Table:
    return flatbuffers.table.Table(data, place)


def _child(table: flatbuffers.table.Table, number: int) -> flatbuffers.table.Table:
    return _table(table.Bytes, table.Indirect(table.Pos + table.Offset(4 + 2 * number)))


def _children(table: flatbuffers.table.Table, number: int) -> list[flatbuffers.table.Table]:
    offset = table.Offset(4 + 2 * number)
    start = table.Vector(offset)
    return [_table(table.Bytes, table.Indirect(start + 4 * place)) for place in range(table.VectorLen(offset))]


def _text(table: flatbuffers.table.Table, number: int) -> str:
    return table.String(table.Pos + table.Offset(4 + 2 * number)).decode()


def _described(tflite: bytes) -> tuple[list[str], list[str], list[str]]:
    """Names of a file's inputs, outputs, and of the files that name the values of an output."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(tflite))
    (entry,) = (one for one in model.metadata if one.name == b"TFLITE_METADATA")
    data = bytes(model.buffers[entry.buffer].data)
    assert data[4:8] == b"M001"
    (graph,) = _children(_table(data, flatbuffers.encode.Get(UOffsetTFlags.packer_type, data, 0)), 3)
    inputs, outputs = _children(graph, 2), _children(graph, 3)
    assert len(outputs) == len(model.subgraphs[0].outputs)
    files = [_text(file, 0) for output in outputs if output.Offset(4 + 2 * 6) for file in _children(output, 6)]
    return [_text(one, 0) for one in inputs], [_text(one, 0) for one in outputs], files


class MetadataTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tflite = convert_detector(case_detector())
        cls.images = np.stack([image for image, _ in case_images().values()])
        cls.labels = [label for _, label in case_images().values()]

    def test_says_what_goes_in_and_out(self):
        inputs, outputs, files = _described(self.tflite)
        self.assertEqual((inputs, files), (["image"], [LABELS_NAME]))
        self.assertCountEqual(outputs, ["label", "claimed", "suspicion", "scores"])

    def test_scores_alone_are_those_of_the_whole_file(self):
        alone = with_scores_alone(self.tflite, SIGNATURE)
        self.assertEqual(_described(alone), (["image"], ["scores"], [LABELS_NAME]))
        for runtime in RUNTIMES:
            expected, found = (
                device_answers(contents, self.images, self.images.shape[1:], runtime)
                for contents in (self.tflite, alone)
            )
            self.assertEqual(set(expected) - set(found), {"label", "claimed", "suspicion"})
            np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-6)
            self.assertEqual(found["scores"].argmax(axis=1).tolist(), self.labels)


if __name__ == "__main__":
    absltest.main()
