"""A short run of the fuzzer, and whether its watchers see what they are there for."""

import tempfile
from pathlib import Path

from absl.testing import absltest

from fuzz.corpus import DATA, PROGRAM, make_corpus
from fuzz.mutations import Input, make_input
from fuzz.opening import fuzz, summary
from fuzz.trials import bench

_INPUTS = 200
_START_ANEW = 40


class FuzzTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with tempfile.TemporaryDirectory() as folder:
            cls.corpus = make_corpus(folder)
        cls.bench = cls.enterClassContext(bench())

    def test_valid_inputs_are_opened(self):
        for seed in self.corpus:
            trial = self.bench.run(Input(seed.name, seed.kind, "none", seed.files), start_anew=False)
            self.assertEqual((trial.outcome, trial.violations), ("opened", ()), f"{seed.name}: {trial.line}")

    def test_damaged_and_hostile_inputs_get_a_line_at_most(self):
        results = [fuzz(self.corpus, self.bench, 1, number, _START_ANEW)[2] for number in range(_INPUTS)]
        print(summary(results))
        wrong = [f"{one['number']}: {one['violations']} {one['line'][-500:]}" for one in results if one["violations"]]
        self.assertEmpty(wrong)
        outcomes = {one["outcome"] for one in results}
        self.assertEqual(outcomes, {"opened", "refused"})
        self.assertEqual({one["seed"] for one in results}, {seed.name for seed in self.corpus})

    def test_a_number_stands_for_the_same_input(self):
        for number in range(20):
            self.assertEqual(make_input(self.corpus, 0, number), make_input(self.corpus, 0, number))
        self.assertNotEqual(make_input(self.corpus, 0, 1).files, make_input(self.corpus, 1, 1).files)


class WatcherTest(absltest.TestCase):
    """Each watcher is shown what it must see."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.case = Input("seed", DATA, "none", {"": b"no image set"})
        cls.bench = cls.enterClassContext(bench(most_seconds=-1.0, most_memory=2**20))

    def test_time_and_memory(self):
        self.assertContainsSubset({"time", "memory"}, self.bench.run(self.case, start_anew=False).violations)

    def test_files(self):
        self.bench.run(self.case, start_anew=False)
        for name in ("home", "canary", "tmp", "work"):
            (self.bench.folder / name / "left").write_text("")
            self.assertIn(f"written: {name}/left", self.bench.run(self.case, start_anew=False).violations)
        self.assertNotIn("written", " ".join(self.bench.run(self.case, start_anew=False).violations))

    def test_reads_outside(self):
        self.bench.run(self.case, start_anew=False)
        (self.bench.folder / "secret" / "secret.bin").read_bytes()
        self.assertIn("read outside: secret.bin", self.bench.run(self.case, start_anew=False).violations)

    def test_what_python_does(self):
        for program, seen in (
            ("import os; os.system('true')", "os.system"),
            ("import subprocess; subprocess.run(['true'])", "subprocess"),
            ("import marshal; marshal.loads(marshal.dumps(1))", "marshal.loads"),
            ("import pickle; pickle.loads(pickle.dumps(print))", "pickle.find_class"),
            ("open('../canary/ran', 'w').close()", "for writing"),
        ):
            trial = self.bench.run(Input("seed", PROGRAM, "none", {"": program.encode()}), start_anew=False)
            self.assertIn(seen, " ".join(trial.violations), trial.line)

    def test_what_the_process_dies_of(self):
        for program, outcome in ((b"1 / 0", "traceback"), (b"import os; os.kill(os.getpid(), 11)", "crash")):
            trial = self.bench.run(Input("seed", PROGRAM, "none", {"": program}), start_anew=False)
            self.assertEqual(trial.outcome, outcome)
            self.assertIn(outcome, trial.violations)


if __name__ == "__main__":
    absltest.main()
