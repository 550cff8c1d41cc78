"""Folders of fMRIPrep: its preprocessed runs, masks and confounds under the labels of a dataset."""
