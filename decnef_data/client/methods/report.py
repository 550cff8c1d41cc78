"""Pages to look at: who is in a dataset, and how its sites differ."""

from pathlib import Path
from typing import TYPE_CHECKING

from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.options import FetchOptions, StrPath, expand_path
from decnef_data.client.request import DataRequest
from decnef_data.client.resolve import is_phantom
from decnef_data.client.selection import build_selection
from decnef_data.progress import create_progress

if TYPE_CHECKING:
    import xarray as xr


class ReportMethods(ClientBase):
    """Pages to look at: who is in a dataset, and how its sites differ."""

    @checked
    def report(
        self,
        what: "str | xr.Dataset | xr.DataTree",
        path: StrPath,
        *,
        group: str | None = None,
        individuals: bool = False,
        harmonized: "xr.Dataset | StrPath | None" = None,
        mirror: str = "auto",
        i_may_share: bool = False,
        progress: str = "auto",
    ) -> Path:
        """Write a page about the people, sites, motion, scanners and connectivity of a dataset.

        The page is one HTML file without scripts, and needs no other file.  It shows numbers of groups, not
        of single people, and no id.

        Parameters
        ----------
        what
            A dataset, by name, alias or title; or a Dataset or DataTree, such as a selection of what
            :func:`decnef_data.fetch_dataset` returns.
        path
            The HTML file, created with mode 0600; a report that has this name is replaced.
        group
            The group of a dataset given by name; ``None`` means the first atlas of connectivity, which is
            ``bal140``, and all people of other datasets.
        individuals
            Whether a dot for each person is added.  Such a page is not to be passed on, and says so at its
            top.
        harmonized
            The connectivity of the same people after :func:`decnef_data.harmonize`, as a Dataset or as the
            path of its Zarr store; the page then compares the effects of sites before and after.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        i_may_share
            Whether you confirm that you may share the page, so that it may be written into the checkout of a
            repository.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        SelectionError
            There is no such dataset, group or mirror; the data have no people, or no connectivity to compare
            with `harmonized`; `harmonized` is not harmonized, or of other people or edges; the path is a
            folder, on another machine, or a file that is not a report; or an argument has the wrong type.
        AccessError
            The path is inside the checkout of a repository; or accepted terms, a login, an approval or a
            personal link is missing.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        OSError
            The disk is full or not writable, or the store of `harmonized` does not exist.

        Warns
        -----
        DecnefDataWarning
            The copy has something that a user has to know, such as participants that no table lists.

        Notes
        -----
        Connectivity is downloaded if it is not here; of images, a local copy is described.

        A person counts once at each site, so that travelers count at several.  Quantiles are shown of five
        people and more, 5 % and 95 % of twenty and more, and never a minimum or maximum.  Of a selection of
        your own, numbers from 1 to 4 are not shown either, because they are not published; synthetic data
        are shown in full.  The effect of sites is eta squared, the between-site sum of squares over the
        total, for each edge on Fisher's z.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client()
        >>> cube = client.fetch_dataset("srpbs-fc", group="bal140", sites="SWA", mirror="phantom",
        ...                             progress="none")
        >>> page = client.report(cube, tempfile.mkdtemp() + "/page.html", progress="none")
        >>> page.read_text().splitlines()[1]
        '<!-- decnef-data report: SYNTHETIC data (a digital phantom): no participant, and no finding -->'
        """
        import xarray as xr

        from decnef_data.client.report import Reporter

        opened = None
        if harmonized is not None:
            opened = (
                harmonized
                if isinstance(harmonized, xr.Dataset)
                else xr.open_zarr(expand_path(harmonized), chunks=None)
            )
        reporter = Reporter(self.records, self.config_dir, individuals, opened, i_may_share)
        create_progress(progress)  # an unknown kind is an error here
        if not isinstance(what, str):
            return reporter.report_data(what, str(path))
        dataset = self.records.dataset(what.partition("/")[0])
        # Groups have the same people by different atlases: a page counts each of them once.
        if group is None and "/" not in what and dataset.atlases:
            group = dataset.atlases[0].group
        selection = build_selection(self.records, what, group)
        # A page is no reason to download an archive of images.
        download = is_phantom(mirror) or not dataset.has_unhashed_files
        options = FetchOptions(mirror, download, progress=progress)
        return reporter.report_dataset(DataRequest.create(self._resolver, selection, options), str(path))
