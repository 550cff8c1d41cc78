"""HTML representations of terms of use, and of their acceptance."""

from html import escape

from decnef_data.display.elements import html_link, html_page, html_properties
from decnef_data.model.catalog import Terms
from decnef_data.model.values import Acceptance

__all__ = ["acceptance_html", "terms_html"]


def terms_html(terms: Terms) -> str:
    """Format the complete terms, with title, version and address."""
    link = f"<p>{html_link(terms.url, terms.url)}</p>" if terms.url else ""
    head = f"<h4>{escape(terms.title)} (version {escape(terms.version)})</h4>"
    # Line breaks of legal text stay: the style of `text` keeps them.
    return html_page((head, f"<div class='text'>{escape(terms.text.strip())}</div>", link))


def acceptance_html(acceptance: Acceptance) -> str:
    """Format what was accepted, and when."""
    rows = (
        ("dataset", f"<code>{escape(acceptance.dataset)}</code>"),
        ("terms", f"{escape(acceptance.terms)}, version {escape(acceptance.version)}"),
        ("accepted", f"{acceptance.date:%Y-%m-%d %H:%M} UTC"),
    )
    return html_page(("<h4>Terms accepted</h4>", html_properties(rows)))
