"""Specifications of the matrices in the phantom of srpbs-fc, one per published file.

Names are those of the release where they are known.  Invented, because those of the release are not known:
three of the BAL-140 files (``ATR/HC-Verio`` and the two of ``CiNet``), the names of the 93-region and AAL
siblings, most names of tables, and the number of participants in a file whose name does not contain it.
These numbers were chosen so that the BAL-140 rows sum to the published 1625.
"""

from dataclasses import dataclass
from typing import Literal

from decnef_data.phantom.participants import Stratum

__all__ = ["MATRIX_SPECS", "MatrixSpec"]

FileFormat = Literal["v4", "v5", "v7", "v7.3", "text"]


@dataclass(frozen=True, slots=True)
class MatrixSpec:
    """One matrix with the table beside it.

    ``path`` and ``table_path`` are relative to ``SRPBS_FC/``; ``table_style`` names the table's style;
    ``cohort`` names the drawn participants, so that the atlases of one institute have the same ones.
    ``all_nan_rows`` are rows (from 0) that are NaN throughout, ``partial_nan_rows`` rows in which the edges
    of one region are NaN.
    """

    path: str
    table_path: str
    strata: tuple[Stratum, ...]
    table_style: str
    file_format: FileFormat = "v5"
    variable: str = "X"
    rois: int = 140
    single_precision: bool = False
    transposed: bool = False
    all_nan_rows: tuple[int, ...] = ()
    partial_nan_rows: tuple[int, ...] = ()
    cohort: str = ""

    @property
    def count(self) -> int:
        """Number of participants in the matrix."""
        return sum(stratum.count for stratum in self.strata)


_UTO_CODES = (
    ("00", "HC", 167),
    ("01", "ASD", 10),
    ("02", "MDD", 61),
    ("04", "SSD", 35),
    ("07", "BP", 40),
    ("08", "dysthymia", 4),
    ("99", "other", 27),
)


def _tokyo_files(atlas: str, rois: int) -> tuple[MatrixSpec, ...]:
    folder = f"UTO/UTO_GEMR750W_30_{atlas}"
    return tuple(
        MatrixSpec(
            path=f"{folder}/UTO_GEMR750W_30_{code}_{atlas}_COR.mat",
            table_path=f"{folder}/SUBINFO_UTO_GEMR750W_30_{code}.tsv",
            strata=(Stratum("UTO", "GE MR750w", diagnosis, count),),
            table_style="tokyo" if atlas == "BAL" else "tokyo siblings",
            file_format="v7",
            rois=rois,
            cohort=f"UTO {code}",
        )
        for code, diagnosis, count in _UTO_CODES
    )


_ATR = (
    MatrixSpec(
        path="ATR/HC/BAL-ATR_BP39_COR.mat",
        table_path="ATR/HC/SUBINFO_ATR_HC.tsv",
        strata=(Stratum("ATT", "Siemens TimTrio", "HC", 58),),
        table_style="atr",
    ),
    MatrixSpec(
        path="ATR/HC-Verio/BAL-ATR_Verio_BP39_COR.mat",
        table_path="ATR/HC-Verio/SUBINFO_ATR_HC-Verio.tsv",
        strata=(Stratum("ATV", "Siemens Verio", "HC", 48),),
        table_style="atr",
        file_format="v7",
    ),
    MatrixSpec(
        path="ATR/OCD/BAL-ATR_2OCDPatients.mat",
        table_path="ATR/OCD/SUBINFO_ATR_2OCDPatients.tsv",
        strata=(Stratum("ATT", "Siemens TimTrio", "OCD", 2),),
        table_style="atr",
        variable="mat_1D",
    ),
    MatrixSpec(
        path="ATR/OCD-oblique/BAL-ATR_2OCDPatients_oblique.mat",
        table_path="ATR/OCD-oblique/SUBINFO_ATR_2OCDPatients_oblique.tsv",
        strata=(Stratum("ATT", "Siemens TimTrio", "OCD", 2),),
        table_style="atr",
        file_format="text",
    ),
)
_KYOTO = (
    MatrixSpec(
        path="KyotoU/HC/BAL-KyotoU_UKY_HC_234_BAL_BP39_COR.mat",
        table_path="KyotoU/HC/SUBINFO_KyotoU_UKY_HC_234.csv",
        strata=(Stratum("KUT", "Siemens TimTrio", "HC", 159), Stratum("KTT", "Siemens Trio", "HC", 75)),
        table_style="kyoto",
    ),
    MatrixSpec(
        path="KyotoU/DEP/BAL-KyotoU_UKY_DEP_16_BAL_BP39_COR.mat",
        table_path="KyotoU/DEP/SUBINFO_KyotoU_UKY_DEP_16.csv",
        strata=(Stratum("KUT", "Siemens TimTrio", "MDD", 16),),
        table_style="kyoto",
    ),
    MatrixSpec(
        path="KyotoU/SSD/BAL-KyotoU_UKY_SSD_92_BAL_BP39_COR.mat",
        table_path="KyotoU/SSD/SUBINFO_KyotoU_UKY_SSD_92.csv",
        strata=(Stratum("KUT", "Siemens TimTrio", "SSD", 45), Stratum("KTT", "Siemens Trio", "SSD", 47)),
        table_style="kyoto",
        transposed=True,
    ),
)
_OTHERS = (
    MatrixSpec(
        path="KPUM/BAL-KPUM_9OCDPatients.mat",
        table_path="KPUM/SUBINFO_KPUM_9OCDPatients.csv",
        strata=(Stratum("KPM", "Philips Achieva", "OCD", 9),),
        table_style="prefectural",
        file_format="v4",
    ),
    MatrixSpec(
        path="ShowaU/SWA_FC_Matrices_N235.mat",
        table_path="ShowaU/SUBINFO_ShowaU_for_SWA_N235.tsv",
        strata=(
            Stratum("SWA", "Siemens Verio", "HC", 101),
            Stratum("SWA", "Siemens Verio", "SSD", 19),
            Stratum("SWA", "Siemens Verio", "ASD", 115),
        ),
        table_style="showa",
        file_format="v7",
        variable="FCMat",
        single_precision=True,
        partial_nan_rows=(6, 151),
    ),
    MatrixSpec(
        path="HiroshimaU/DEP_BAL-UHIBP39_COR.mat",
        table_path="HiroshimaU/SUBINFO_HiroshimaU.tsv",
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
        table_style="hiroshima",
        single_precision=True,
        all_nan_rows=(16,),
    ),
    MatrixSpec(
        path="OsakaU/BAL-Osaka_FC_NP_N82.mat",
        table_path="OsakaU/SUBINFO_OsakaU_N82.tsv",
        strata=(
            Stratum("OSU", "Siemens TimTrio", "HC", 29),
            Stratum("OSU", "Siemens TimTrio", "pain", 31),
            Stratum("NKN", "Siemens TimTrio", "pain", 12),
            Stratum("NKN", "Siemens TimTrio", "stroke", 10),
        ),
        table_style="osaka",
        file_format="v7",
        variable="FC",
    ),
    MatrixSpec(
        path="CiNet/HC/BAL-CiNet_HC_N39.mat",
        table_path="CiNet/HC/SUBINFO_CiNet_HC_N39.csv",
        strata=(Stratum("CIN", "Siemens TimTrio", "HC", 39),),
        table_style="cinet",
        file_format="v7.3",
    ),
    MatrixSpec(
        path="CiNet/NP/BAL-CiNet_NP_N24.mat",
        table_path="CiNet/NP/SUBINFO_CiNet_NP_N24.csv",
        strata=(Stratum("CIN", "Siemens TimTrio", "pain", 24),),
        table_style="cinet",
    ),
)

#: All matrices, in the order of their paths.
MATRIX_SPECS = tuple(
    sorted(
        (
            *_ATR,
            *_KYOTO,
            *_OTHERS,
            *_tokyo_files("BAL", 140),
            *_tokyo_files("93ROI", 93),
            *_tokyo_files("AAL", 116),
        ),
        key=lambda spec: spec.path,
    )
)
