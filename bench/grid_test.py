import itertools
import os
import subprocess
import sys

from absl.testing import absltest

from bench import grid
from bench.grid import BadNet, all_cells, quick_cells
from bench.recipes import attack_arguments
from data.triggers.catalogue import parse_attack


class GridTest(absltest.TestCase):
    def test_the_main_grid_is_whole_and_no_cell_is_there_twice(self):
        names = [cell.name for cell in all_cells()]
        self.assertLen(set(names), len(names))
        for dataset, network, attack, method in itertools.product(
            (grid.GTSRB, grid.FACES), grid.NETWORKS, grid.ATTACKS, grid.METHODS
        ):
            self.assertIn(f"{dataset}/{network}/{attack}/seed0/5%/{method}", names)
            if dataset == grid.GTSRB:
                self.assertIn(f"{dataset}/{network}/{attack}/seed0/all/{method}", names)
        self.assertEqual({cell.badnet.seed for cell in all_cells()}, {0, 1, 2})
        self.assertIn("gtsrb/vgg/blended/seed0/1%/full", names)
        self.assertIn("faces-1283/deepid/sunglasses/seed0/all/full", names)

    def test_quick_cells_are_some_of_the_grid_and_need_no_data(self):
        self.assertLess(set(quick_cells()), set(all_cells()))
        self.assertEqual({cell.badnet.dataset for cell in quick_cells()}, {grid.FACES})
        self.assertEqual({cell.method for cell in quick_cells()}, set(grid.METHODS))

    def test_roles(self):
        self.assertEqual(BadNet("gtsrb", "resnet", "patch", 2).role, grid.DEVELOPMENT)
        self.assertEqual(BadNet("faces", "deepid", "sunglasses").role, grid.DEVELOPMENT)
        self.assertEqual(BadNet("gtsrb", "vgg", "clean").role, grid.DEVELOPMENT)
        self.assertEqual(BadNet("faces-1283", "deepid", "sunglasses").role, grid.AT_SCALE)
        for held_out in (
            BadNet("faces", "vgg", "blended"),
            BadNet("gtsrb", "resnet", "middle-patch"),
            BadNet("gtsrb", "vgg", "pruning-aware"),
        ):
            self.assertEqual(held_out.role, grid.HELD_OUT)

    def test_every_badnet_has_a_recipe_that_differs_and_whose_triggers_exist(self):
        badnets = {cell.badnet for cell in all_cells()}
        recipes = {(badnet.dataset, attack_arguments(badnet)) for badnet in badnets}
        self.assertLen(recipes, len(badnets))
        for _, arguments in recipes:
            for argument in arguments:
                if argument.startswith("--trigger=") and argument != "--trigger=":
                    parse_attack(argument.partition("=")[2])

    def test_the_attack_knows_the_flags_of_every_recipe(self):
        program = """
import sys
from absl import flags
from flags import attacking, pruning, running
for line in sys.stdin:
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["attack", *line.split()])
"""
        lines = "\n".join(" ".join(attack_arguments(badnet)) for badnet in {cell.badnet for cell in all_cells()})
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
