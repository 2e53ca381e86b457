import os
import subprocess
import sys

from absl.testing import absltest

from bench.grid import all_cells, chosen_cells
from bench.recipes import attack_arguments
from goodnet.data.errors import InputError
from goodnet.data.triggers.catalogue import parse_attack
from goodnet.pipeline.methods.names import NAMES


class GridTest(absltest.TestCase):
    def test_no_cell_is_there_twice_and_the_large_one_once(self):
        names = [cell.name for cell in all_cells(3)]
        self.assertLen(set(names), len(names))
        for method in NAMES:
            self.assertIn(f"gtsrb/vgg/all-to-all/seed3/{method}", names)
        self.assertEqual([name for name in names if "1283" in name], ["faces-1283/deepid/sunglasses/seed3/full"])

    def test_cells_are_chosen_by_their_names(self):
        self.assertEqual([cell.method for cell in chosen_cells(all_cells(0), "/multi/.*/full$")], ["full"])
        for wanted, message in (("mnist", "no such cell"), ("(", "expected a regular expression")):
            with self.assertRaisesRegex(InputError, message):
                chosen_cells(all_cells(0), wanted)

    def test_every_badnet_has_a_recipe_that_differs_and_whose_triggers_exist(self):
        badnets = {cell.badnet for cell in all_cells(0)}
        recipes = {(badnet.dataset, attack_arguments(badnet)) for badnet in badnets}
        self.assertLen(recipes, len(badnets))
        for _, arguments in recipes:
            for argument in arguments:
                if argument.startswith("--trigger="):
                    parse_attack(argument.partition("=")[2])

    def test_the_attack_knows_the_flags_of_every_recipe(self):
        program = """
import sys
from absl import flags
from goodnet.flags import attacking, running
for line in sys.stdin:
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["attack", *line.split()])
"""
        lines = "\n".join(" ".join(attack_arguments(badnet)) for badnet in {cell.badnet for cell in all_cells(0)})
        ended = subprocess.run(
            [sys.executable, "-c", program],
            input=lines,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(ended.returncode, 0, ended.stderr)


if __name__ == "__main__":
    absltest.main()
