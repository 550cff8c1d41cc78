"""A crawl of the emulated mirror."""

from pathlib import Path

from decnef_data.mirror_index import CrawlContext, Index, crawl_mirror
from decnef_data.mirrors import Credentials
from decnef_data.mirrors.rate_limiter import RateLimiter
from decnef_data.progress import NoProgress
from decnef_data.records import Records


def build_context(root: Path, rate_limiter: RateLimiter | None = None) -> CrawlContext:
    return CrawlContext(
        root,
        Credentials(root.parent / "config"),
        root / "clients",
        rate_limiter or RateLimiter(),
        NoProgress(),
    )


def crawl(root: Path, *, rate_limiter: RateLimiter | None = None, checksums: bool = True) -> Index:
    records = Records.load()
    return crawl_mirror(
        records.mirror("synapse"), records.datasets, build_context(root, rate_limiter), checksums=checksums
    )
