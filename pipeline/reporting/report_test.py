import dataclasses
import html.parser
import re

from absl.testing import absltest

from goodnet.pipeline.reporting.report import render_report
from goodnet.pipeline.reporting.run_record import RunRecord
from testing.example_record import full_record, unchanged_record

_HOSTILE = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=y>&amp;$\\frac{ \x1b[31m\u202e_"
_VOID = {"meta", "img", "br"}


class _Page(html.parser.HTMLParser):
    """Every element of a page, its text, and whether what is opened is closed."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        if self._open:
            raise AssertionError(f"left open: {self._open}")

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        opened = self._open.pop()
        if opened != tag:
            raise AssertionError(f"</{tag}> closes <{opened}>")

    def handle_data(self, data):
        self.text += data


class ReportTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.html = render_report(full_record())
        cls.page = _Page(cls.html)
        cls.hostile_html = render_report(full_record(_HOSTILE))
        cls.hostile = _Page(cls.hostile_html)

    def test_nothing_is_fetched(self):
        for page in (self.page, self.hostile):
            for tag, attributes in page.elements:
                self.assertNotIn(tag, {"script", "link", "iframe", "object", "embed", "base", "form"})
                for name, value in attributes.items():
                    self.assertFalse(name.startswith("on"), f"{tag} {name}")
                    if name in ("src", "href"):
                        self.assertRegex(value, r"^(data:image/png;base64,|#[a-z]+$)")
        style = re.search(r"<style>(.*?)</style>", self.html, re.DOTALL).group(1)
        self.assertNotIn("url(", style)
        self.assertNotIn("@import", style)
        self.assertIn("default-src 'none'", self.html)

    def test_names_from_files_add_no_element(self):
        tags = [tag for tag, _ in self.page.elements]
        self.assertEqual([tag for tag, _ in self.hostile.elements], tags)
        self.assertIn("<script>alert(1)</script>", self.hostile.text)
        self.assertNotIn("\x1b", self.hostile_html)
        self.assertNotIn("\u202e", self.hostile_html)

    def test_every_link_inside_has_its_section(self):
        anchors = {attributes["id"] for tag, attributes in self.page.elements if tag == "section"}
        links = {attributes["href"][1:] for tag, attributes in self.page.elements if tag == "a"}
        self.assertEqual(links, anchors)
        self.assertLen(anchors, 12)

    def test_every_picture_is_described(self):
        pictures = [attributes for tag, attributes in self.page.elements if tag == "img"]
        self.assertLen(pictures, 3 + 3 + 4 + 6)
        for attributes in pictures:
            self.assertTrue(attributes["alt"].strip())

    def test_figures_have_count_and_interval(self):
        self.assertRegex(self.page.text, r"Clean accuracy100\.0 %\[94\.0, 100\.0\] +60/60")
        self.assertIn("Attack success100.0 %", self.page.text)
        self.assertIn("59/60", self.page.text)
        self.assertIn("168 parameters before, 112 after", self.page.text)
        self.assertIn("Unlearned: 1 inverted triggers that led to label 0.", self.page.text)

    def test_the_evidence_has_verdict_reason_size_index_and_success(self):
        for words in ("backdoor: a reason.", "a sparse change of 1.4 pixels", "98 %, geometric mean"):
            self.assertIn(words, self.page.text)
        self.assertRegex(self.page.text, r"0 \(conv_3\)1\.40\.215\.538 of 40")
        self.assertRegex(self.page.text, r"3 \(three\)0\.4unknownnever0 of 40")

    def test_a_model_that_was_left_as_it_is(self):
        page = _Page(render_report(unchanged_record()))
        self.assertLess(page.text.index("was left as it is"), page.text.index("Accuracy and attack success"))
        self.assertIn("nothing but images whose local statistics", page.text)
        self.assertNotIn("Repaired by", page.text)

    def test_the_threshold_s_own_images_are_marked(self):
        self.assertIn("the threshold was set on these: no measurement", self.page.text)

    def test_sections_without_a_part_are_left_out(self):
        page = _Page(render_report(RunRecord("model.h5", "today", "fine-tuning")))
        self.assertNotIn("section", [tag for tag, _ in page.elements])
        self.assertIn("Without triggered images", page.text)

    def test_each_part_may_stand_alone(self):
        whole, bare = full_record(), RunRecord("model.h5", "today", "fine-tuning")
        for field in dataclasses.fields(RunRecord):
            with self.subTest(field.name):
                alone = dataclasses.replace(bare, **{field.name: getattr(whole, field.name)})
                _Page(render_report(alone))

    def test_the_model_is_called_by_its_file_and_settings_are_not_called_flags(self):
        page = render_report(dataclasses.replace(full_record(), model="/home/somebody/models/bad_net.h5"))
        self.assertIn("<title>Backdoor repair: bad_net.h5</title>", page)
        self.assertNotIn("/home/somebody", page)
        self.assertIn("input_scale would tell", page)
        for one in (page, render_report(unchanged_record())):
            self.assertNotRegex(one, "--[a-z]+_|--novelty")

    def test_nothing_could_be_pruned(self):
        whole = full_record()
        unpruned = dataclasses.replace(whole.outcome.pruning, closed={}, trace=())
        outcome = dataclasses.replace(whole.outcome, pruning=unpruned)
        page = _Page(render_report(dataclasses.replace(whole, outcome=outcome)))
        self.assertIn("No channel could be removed", page.text)

    def test_the_same_record_gives_the_same_file(self):
        self.assertEqual(render_report(full_record()), self.html)


if __name__ == "__main__":
    absltest.main()
