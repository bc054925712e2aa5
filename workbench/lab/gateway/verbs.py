"""Every verb a kernel may use, and what answers it: one table, in sight."""

from collections.abc import Mapping

from workbench.lab.gateway import candidates, models, questions, wishes
from workbench.lab.gateway.moments import at_public_moments
from workbench.lab.gateway.server import Handler

VERBS: Mapping[str, Handler] = {
    "datasets": candidates.datasets,
    "requests": candidates.requests,
    "submit": candidates.submit,
    "want": wishes.want,
    "wanted": wishes.wanted,
    "unwant": wishes.unwant,
    "budget": questions.budget,
    "price": questions.price,
    "rehearse": questions.rehearse,
    "answer": at_public_moments(questions.answer),
    "price_model": models.price,
    "rehearse_model": models.rehearse,
    "train_model": at_public_moments(models.train),
}
