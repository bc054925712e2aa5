"""`workbench registry`: admitted models."""

from workbench.cli.shelves import shelf_group

registry = shelf_group("model", text="登録済み判定モデル / Admitted models.")
