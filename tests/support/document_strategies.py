"""Any document, for Hypothesis."""

from dataclasses import replace

from hypothesis import strategies as st

from ocrfarm.document import Coverage, Document, Gap, Line, Page, PageSource, Word
from ocrfarm.geometry import Box, Quad, Size

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
tenths = st.integers(-10, 1_000_000).map(lambda number: number / 10)
quads = st.lists(st.tuples(tenths, tenths), min_size=4, max_size=4).map(Quad.from_points)
fractions = st.integers(0, 10_000).map(lambda number: number / 10_000)
words = st.builds(Word, texts, quads)
second_pass_outcomes = st.sampled_from(["", "confirmed", "corrected", "uncertain"])
lines = st.builds(Line, texts, quads, fractions, st.lists(words, max_size=3).map(tuple), texts, second_pass_outcomes)
boxes = st.builds(Box, *[st.integers(0, 10**6)] * 4)
gaps = st.builds(Gap, boxes, texts)
counts = st.integers(0, 10**6)
coverages = st.builds(
    Coverage,
    *(
        counts,
        counts,
        counts,
        fractions,
        fractions,
        counts,
        counts,
        st.lists(gaps, max_size=2).map(tuple),
        texts,
        counts,
    ),
    st.lists(st.tuples(fractions, fractions), max_size=2).map(tuple),
    counts,
    st.lists(boxes, max_size=2).map(tuple),
)
page_sources = st.just(PageSource()) | st.builds(PageSource, st.none(), st.integers(36, 2400).map(float), st.booleans())
sizes = st.builds(Size, st.integers(1, 10**6), st.integers(1, 10**6))
pages = st.builds(Page, sizes, st.lists(lines, max_size=3).map(tuple), coverages, page_sources)
timings = st.dictionaries(texts, st.integers(0, 1000).map(float), max_size=3)


@st.composite
def _documents(draw: st.DrawFn) -> Document:
    """Give pages in order, or some pages of a source with their numbers."""
    found = draw(st.lists(pages, max_size=3))
    numbers = sorted(draw(st.sets(counts, min_size=len(found), max_size=len(found))))
    if draw(st.booleans()):
        found = [replace(page, source=replace(page.source, number=n)) for page, n in zip(found, numbers, strict=True)]
    return Document(tuple(found), draw(timings))


documents = _documents()
