"""`workbench catalogue`: admitted datasets."""

from workbench.cli.shelves import shelf_group

catalogue = shelf_group("dataset", text="受入済みデータセット / Admitted datasets.")
