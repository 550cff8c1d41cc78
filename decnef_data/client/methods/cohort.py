"""Cohorts: query participants across datasets."""

from typing import TYPE_CHECKING

from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.options import Codes, Names, Where
from decnef_data.client.query import search_datasets
from decnef_data.client.selection import build_selection
from decnef_data.model import Selection
from decnef_data.records.names import as_names

if TYPE_CHECKING:
    import pandas as pd


class CohortMethods(ClientBase):
    """Cohorts: query participants across datasets."""

    @checked
    def query(
        self,
        names: Names | None = None,
        *,
        group: str | None = None,
        subjects: Names | None = None,
        sites: Names | None = None,
        institutes: Names | None = None,
        diagnoses: Names | None = None,
        modalities: Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Where | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Codes | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
    ) -> "pd.DataFrame":
        """Find participants across the datasets on this machine; nothing is downloaded.

        ``catalog().query()`` counts participants from the catalog alone, before anything is downloaded.

        Parameters
        ----------
        names
            The datasets to count or search, by name, alias or title, one or several; ``None`` means all.
        group
            One group of the dataset: ``"bal140"``, ``"roi93"`` or ``"aal116"`` of connectivity, one such as
            ``"COI/bold"`` of images; a site alone, such as ``"COI"``, means all of its groups.  ``None``
            means all groups.
        subjects
            The ids of the subjects to select, one or several; ``None`` means all.
        sites
            The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
        institutes
            The institutes to select, such as ``"KyotoU"``, one or several; ``None`` means all.
        diagnoses
            The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or
            other, or a name such as ``"autism"``; ``None`` means all.
        modalities
            Select only participants with a scan of this kind, one or several: ``"bold"``, ``"t1w"`` or
            ``"fmap"`` (field maps); ``None`` means all, also those without images.  Connectivity datasets
            ignore it.
        sex
            ``"male"`` or ``"female"``; ``None`` means both, and unknown.
        min_age, max_age
            The limits of the age in years, inclusive; ``None`` means no limit.
        max_mean_fd
            The largest mean framewise displacement in mm; ``None`` means no limit.
        where
            Conditions on any coordinate, such as ``{"sup2_bdi_ii": (20, None)}``: a tuple is a range that
            includes both ends, with ``None`` for no limit; a list contains the accepted values; anything else
            is the one accepted value.  ``None`` means no conditions.
        n_subjects
            The number of subjects to sample from those that match; of connectivity, that many in each group.
            ``None`` means no sampling.
        stratify
            With `n_subjects`, the coordinate whose classes are equally frequent in the sample, such as
            ``"diagnosis"``; ``None`` means that classes are ignored.
        seed
            With `n_subjects`, determines the sample: the same seed gives the same subjects on every machine.
        codes
            What the codes in tables mean, by file or folder and column, such as
            ``{"OsakaU": {"condition": {"0": "HC", "5": "pain"}}}``; the path of a TOML file with the same
            content; or ``"mri"``, by which the codes of the image datasets hold where nothing is stated.
            ``None`` means those in the file ``codes.toml`` beside an adopted copy or in the configuration
            folder.
        repetition_time
            The repetition time in seconds of runs of which neither files nor tables state it; ``None`` means
            the one that the catalog has for their site, if any.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.

        Returns
        -------
        pandas.DataFrame
            One row per participant, dataset and group, with every column of :func:`participants`.
            ``attrs["searched"]`` lists the datasets whose tables were read, ``attrs["unavailable"]`` maps the
            others to the reason; ``attrs["synthetic"]`` is 1 if participants are synthetic, and
            ``attrs["sample"]`` names the sample of each dataset and group.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject, coordinate or mirror; a range cannot be
            applied, because no participant has a value; fewer participants match than the sample needs; or an
            argument has the wrong type. Datasets for which this is so are left out with a warning if others
            can be searched.
        FormatError, FetchError
            One file of a local copy, or several, cannot be read.

        Warns
        -----
        DecnefDataWarning
            Participants were left out because they have no value for a range or for `stratify`, or because
            their site is pooled with others; connectivity has values outside [-1, 1]; or a dataset cannot be
            searched with this selection.

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> _ = client.download("srpbs-fc", mirror="phantom", progress="none")
        >>> found = client.query("srpbs-fc", sites="SWA", diagnoses="ASD", mirror="phantom")
        >>> found.groupby(["dataset", "group"]).size().to_dict()
        {('srpbs-fc', 'bal140'): 115}
        """

        def build(dataset: str) -> Selection:
            return build_selection(
                self.records,
                dataset,
                group,
                subjects,
                sites,
                institutes,
                diagnoses,
                modalities,
                sex,
                min_age,
                max_age,
                max_mean_fd,
                where,
                n_subjects,
                stratify,
                seed,
                codes,
                repetition_time,
            )

        datasets = self.records.datasets if names is None else map(self.records.dataset, as_names(names))
        return search_datasets(self._resolver, [dataset.name for dataset in datasets], build, mirror)
