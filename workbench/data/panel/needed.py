"""Which raw columns the panel reads. A table may be absent; a table that is there must have them."""

import pandas as pd

from workbench.errors import Unusable

NEEDED = {
    "resident": (
        *("person_no", "household_no", "relation", "sex", "foreign", "block_code"),
        *("birth_date", "spell_from", "spell_to"),
    ),
    "resident_addr_hist": ("person_no", "moved_on", "reason", "block_code"),
    "tax": (
        *("taxpayer_no", "fy", "revenue_total", "social_insurance", "taxes_total"),
        *("tax_class", "undeclared", "tax_arrears"),
    ),
    "child_allowance": ("allowance_no", "fy", "report_missing"),
    "sp_allowance": ("certificate_no", "status", "spell_from", "spell_to"),
    "welfare": ("case_no", "spell_from", "spell_to"),
    "infant_check": ("infant_no", "check", "due_date", "attended"),
    "vaccine": ("infant_no", "vaccine", "dose", "given_on"),
    "pupil": ("pupil_no", "fy"),
    "school_aid": ("pupil_no", "fy"),
    "attendance": ("pupil_no", "month", "absent_days", "absent_nonattend", "late"),
    "school_health": ("pupil_no", "fy", "untreated_teeth"),
    "nurse_visit": ("pupil_no", "visited_on"),
    "school_survey": ("pupil_no", "fy", "score_dev", "fitness", "breakfast"),
    "bullying": ("pupil_no", "found_on"),
    "consult": (
        *("case_id", "kind", "accepted_on", "yotai_class", "registered_on", "closed_on"),
        "yc_known_on",
    ),
    "consult_contact": ("case_id", "contact_on"),
    "disability": ("certificate_no", "spell_from", "spell_to"),
    "arrears": ("arrears_no", "fy"),
    "carer_survey": ("answer_no", "fy", "cares"),
}


def needed(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """The columns of the frame that the panel reads. Raises Unusable with the names of those it lacks."""
    if absent := [column for column in NEEDED[table] if column not in frame]:
        raise Unusable(
            ja=f"表 {table} に列 {', '.join(absent)} がありません。列を加えて取り込み直すか、この表を外してください。",
            en=f"Table '{table}' lacks {', '.join(absent)}; import it with them, or leave the table out.",
        )
    return frame[[*NEEDED[table]]]
