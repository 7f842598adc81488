"""Below each tab: how it works, whose idea it is, and how to pass it on."""

from dataclasses import dataclass

from demos.components import part, render


@dataclass(frozen=True)
class Paper:
    """What a tab is made after."""

    title: str
    authors: tuple[str, ...]  # family names
    venue: str
    year: int
    arxiv: str

    @property
    def url(self) -> str:
        """Where it can be read."""
        return f"https://arxiv.org/abs/{self.arxiv}"

    @property
    def short(self) -> str:
        """Who wrote it, as a sentence names them."""
        first, *others = self.authors
        return first if not others else f"{first} and {others[0]}" if len(others) == 1 else f"{first} et al."

    @property
    def bibtex(self) -> str:
        """An entry for a list of references."""
        key = f"{self.authors[0].lower().replace(' ', '')}{self.year}"
        return f"""@inproceedings{{{key},
  title     = {{{self.title}}},
  author    = {{{" and ".join(f"{{{name}}}" for name in self.authors)}}},
  booktitle = {{{self.venue}}},
  year      = {{{self.year}}},
  url       = {{{self.url}}}
}}"""


def about(tab: str, how: str, paper: Paper, result: str, before: str = "") -> None:
    """Lay it out.

    Args:
        tab: Its name in the address.
        how: Three sentences.
        paper: Whose idea it is.
        result: Where on the page the picture of a result is, as a CSS selector: it illustrates the sentences, and can
            be passed on.
        before: Where the picture is that it was made of, if both lie on each other.
    """
    html = render("about", tab=tab, how=how, paper=paper, result=result, before=before)
    part("about", html, elem_id=f"{tab}-about", elem_classes="about")
