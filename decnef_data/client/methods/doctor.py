"""Comparison of a local copy with the catalog."""

from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.doctor import examine_copy
from decnef_data.client.environment import describe_environment
from decnef_data.client.options import StrPath, expand_path
from decnef_data.client.statement import require_new_file, write_statement
from decnef_data.model import DoctorReport, Environment


class DoctorMethods(ClientBase):
    """Comparison of a local copy with the catalog."""

    @checked
    def doctor(
        self,
        name: str,
        *,
        mirror: str = "auto",
        statement: StrPath | None = None,
    ) -> DoctorReport:
        """Check the local copy of a dataset against the catalog, and account for everything in it.

        A disagreement is not an error: the facts of the catalog are graded, and your copy is right.  Nothing
        is downloaded, and nothing is sent.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        statement
            A new file for a statement about the copy, which you may read, edit and send to the maintainers:
            names of files, shapes, and which facts the copy confirms, without participants and without counts
            below five.

        Returns
        -------
        DoctorReport
            Everything that was compared; ``disagreements`` are the differences, each with the grade of the
            catalog's record (A two sources or more, B one, C inferred, D unconfirmed).  ``account`` says what
            every file, row, column, cell and link of the copy was used for.

        Raises
        ------
        SelectionError
            There is no such dataset or mirror, or no local copy of the dataset; or the file of the statement
            exists.
        FormatError
            The table of participants cannot be read.

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> _ = client.participants("srpbs-open", mirror="phantom")
        >>> client.doctor("srpbs-open", mirror="phantom").findings[0]
        Finding(what='participants', expected='1410', found='1410', agrees=True, grade='A')
        """
        dataset = self.records.dataset(name)
        # Before the copy is read, which may take minutes.
        path = None if statement is None else require_new_file(expand_path(statement))
        report = examine_copy(self._resolver, dataset, mirror)
        if path is not None:
            write_statement(path, report, dataset.title)
        return report

    @checked
    def environment(self) -> Environment:
        """Describe versions, folders, mirrors and credentials, to be pasted into a report of a problem.

        No mirror is contacted.  The result has no secret; the home folder, whose name is often that of a
        person, is ``~``.

        Returns
        -------
        Environment
            The versions of Python, of this package and of the libraries, the folders with free space in
            bytes and permissions, and the mirrors with their addresses and the kinds of stored credentials.

        Examples
        --------
        >>> from decnef_data import Client
        >>> environment = Client().environment()
        >>> environment.libraries["numpy"] is not None
        True
        """
        return describe_environment(self._resolver)
