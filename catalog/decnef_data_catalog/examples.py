"""The names in examples of messages and help, and the label of controls: data, as the records are."""

from typing import Final

#: Datasets of matrices, of images, and of participants who traveled; and how two of them are named on disk.
CONNECTIVITY: Final = "srpbs-fc"
IMAGES: Final = "srpbs-open"
TRAVELING: Final = "srpbs-ts"
CONNECTIVITY_FOLDER: Final = "SRPBS_FC"
IMAGES_FOLDER: Final = "SRPBS_OPEN"
#: Sites.
FIRST_SITE: Final = "COI"
SECOND_SITE: Final = "KUT"
THIRD_SITE: Final = "SWA"
FOURTH_SITE: Final = "UTO"
#: Diagnoses, the first of which is that of controls.
CONTROLS: Final = "HC"
PATIENTS: Final = "MDD"
OTHER_PATIENTS: Final = "pain"
