"""Which files the phantom of srpbs-fc holds: the published tree, file by file, as plain values.

The names are those that are known of the release.  Invented, because the release's own are not known: three
of the BAL-140 files (``ATR/HC-Verio`` and the two of ``CiNet``), the names of the 93-region and AAL siblings,
most names of tables, and how many people a file holds where its name does not say it.  The numbers of people
were chosen so that the BAL-140 rows sum to the published 1625.
"""

from dataclasses import dataclass
from typing import Literal

from decnef_data.phantom.people import Stratum

__all__ = ["SOURCES", "Source"]

Form = Literal["v4", "v5", "v7", "v7.3", "text"]


@dataclass(frozen=True, slots=True)
class Source:
    """One matrix with the table beside it.

    ``path`` and ``table`` lie below ``SRPBS_FC/``; ``sheet`` names the table's style; ``people`` names the
    drawn people, so that the atlases of one institute show the same.  ``gone`` are rows (from 0) that are NaN
    throughout, ``holed`` those that miss one region's edges.
    """

    path: str
    table: str
    strata: tuple[Stratum, ...]
    sheet: str
    form: Form = "v5"
    variable: str = "X"
    rois: int = 140
    single: bool = False
    transposed: bool = False
    gone: tuple[int, ...] = ()
    holed: tuple[int, ...] = ()
    people: str = ""

    @property
    def count(self) -> int:
        """How many people it holds."""
        return sum(stratum.people for stratum in self.strata)


_UTO_CODES = (
    ("00", "HC", 167),
    ("01", "ASD", 10),
    ("02", "MDD", 61),
    ("04", "SSD", 35),
    ("07", "BP", 40),
    ("08", "dysthymia", 4),
    ("99", "other", 27),
)


def _tokyo(atlas: str, rois: int) -> tuple[Source, ...]:
    folder = f"UTO/UTO_GEMR750W_30_{atlas}"
    return tuple(
        Source(
            path=f"{folder}/UTO_GEMR750W_30_{code}_{atlas}_COR.mat",
            table=f"{folder}/SUBINFO_UTO_GEMR750W_30_{code}.tsv",
            strata=(Stratum("UTO", "GE MR750w", diagnosis, people),),
            sheet="tokyo" if atlas == "BAL" else "tokyo siblings",
            form="v7",
            rois=rois,
            people=f"UTO {code}",
        )
        for code, diagnosis, people in _UTO_CODES
    )


_ATR = (
    Source(
        path="ATR/HC/BAL-ATR_BP39_COR.mat",
        table="ATR/HC/SUBINFO_ATR_HC.tsv",
        strata=(Stratum("ATT", "Siemens TimTrio", "HC", 58),),
        sheet="atr",
    ),
    Source(
        path="ATR/HC-Verio/BAL-ATR_Verio_BP39_COR.mat",
        table="ATR/HC-Verio/SUBINFO_ATR_HC-Verio.tsv",
        strata=(Stratum("ATV", "Siemens Verio", "HC", 48),),
        sheet="atr",
        form="v7",
    ),
    Source(
        path="ATR/OCD/BAL-ATR_2OCDPatients.mat",
        table="ATR/OCD/SUBINFO_ATR_2OCDPatients.tsv",
        strata=(Stratum("ATT", "Siemens TimTrio", "OCD", 2),),
        sheet="atr",
        variable="mat_1D",
    ),
    Source(
        path="ATR/OCD-oblique/BAL-ATR_2OCDPatients_oblique.mat",
        table="ATR/OCD-oblique/SUBINFO_ATR_2OCDPatients_oblique.tsv",
        strata=(Stratum("ATT", "Siemens TimTrio", "OCD", 2),),
        sheet="atr",
        form="text",
    ),
)
_KYOTO = (
    Source(
        path="KyotoU/HC/BAL-KyotoU_UKY_HC_234_BAL_BP39_COR.mat",
        table="KyotoU/HC/SUBINFO_KyotoU_UKY_HC_234.csv",
        strata=(Stratum("KUT", "Siemens TimTrio", "HC", 159), Stratum("KTT", "Siemens Trio", "HC", 75)),
        sheet="kyoto",
    ),
    Source(
        path="KyotoU/DEP/BAL-KyotoU_UKY_DEP_16_BAL_BP39_COR.mat",
        table="KyotoU/DEP/SUBINFO_KyotoU_UKY_DEP_16.csv",
        strata=(Stratum("KUT", "Siemens TimTrio", "MDD", 16),),
        sheet="kyoto",
    ),
    Source(
        path="KyotoU/SSD/BAL-KyotoU_UKY_SSD_92_BAL_BP39_COR.mat",
        table="KyotoU/SSD/SUBINFO_KyotoU_UKY_SSD_92.csv",
        strata=(Stratum("KUT", "Siemens TimTrio", "SSD", 45), Stratum("KTT", "Siemens Trio", "SSD", 47)),
        sheet="kyoto",
        transposed=True,
    ),
)
_OTHERS = (
    Source(
        path="KPUM/BAL-KPUM_9OCDPatients.mat",
        table="KPUM/SUBINFO_KPUM_9OCDPatients.csv",
        strata=(Stratum("KPM", "Philips Achieva", "OCD", 9),),
        sheet="prefectural",
        form="v4",
    ),
    Source(
        path="ShowaU/SWA_FC_Matrices_N235.mat",
        table="ShowaU/SUBINFO_ShowaU_for_SWA_N235.tsv",
        strata=(
            Stratum("SWA", "Siemens Verio", "HC", 101),
            Stratum("SWA", "Siemens Verio", "SSD", 19),
            Stratum("SWA", "Siemens Verio", "ASD", 115),
        ),
        sheet="showa",
        form="v7",
        variable="FCMat",
        single=True,
        holed=(6, 151),
    ),
    Source(
        path="HiroshimaU/DEP_BAL-UHIBP39_COR.mat",
        table="HiroshimaU/SUBINFO_HiroshimaU.tsv",
        strata=(
            Stratum("COI", "Siemens Verio.Dot", "HC", 123),
            Stratum("COI", "Siemens Verio.Dot", "MDD", 70),
            Stratum("HUH", "GE Signa HDxt", "HC", 66),
            Stratum("HUH", "GE Signa HDxt", "MDD", 56),
            Stratum("HRC", "GE Signa HDxt", "HC", 48),
            Stratum("HRC", "GE Signa HDxt", "MDD", 16),
            Stratum("HKH", "Siemens Spectra", "HC", 28),
            Stratum("HKH", "Siemens Spectra", "MDD", 33),
        ),
        sheet="hiroshima",
        single=True,
        gone=(16,),
    ),
    Source(
        path="OsakaU/BAL-Osaka_FC_NP_N82.mat",
        table="OsakaU/SUBINFO_OsakaU_N82.tsv",
        strata=(
            Stratum("OSU", "Siemens TimTrio", "HC", 29),
            Stratum("OSU", "Siemens TimTrio", "pain", 31),
            Stratum("NKN", "Siemens TimTrio", "pain", 12),
            Stratum("NKN", "Siemens TimTrio", "stroke", 10),
        ),
        sheet="osaka",
        form="v7",
        variable="FC",
    ),
    Source(
        path="CiNet/HC/BAL-CiNet_HC_N39.mat",
        table="CiNet/HC/SUBINFO_CiNet_HC_N39.csv",
        strata=(Stratum("CIN", "Siemens TimTrio", "HC", 39),),
        sheet="cinet",
        form="v7.3",
    ),
    Source(
        path="CiNet/NP/BAL-CiNet_NP_N24.mat",
        table="CiNet/NP/SUBINFO_CiNet_NP_N24.csv",
        strata=(Stratum("CIN", "Siemens TimTrio", "pain", 24),),
        sheet="cinet",
    ),
)

#: Every matrix, by its place in the archive.
SOURCES = tuple(
    sorted(
        (*_ATR, *_KYOTO, *_OTHERS, *_tokyo("BAL", 140), *_tokyo("93ROI", 93), *_tokyo("AAL", 116)),
        key=lambda source: source.path,
    )
)
