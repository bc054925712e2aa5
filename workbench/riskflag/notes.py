"""
What a reader must not overlook, in sentences made from the figures: one rule each, under the section it is about.

The numbers here decide what is said, never what is admitted.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from workbench.riskflag.dictionary import Dictionary

Data = Mapping[str, Any]
Note = dict[str, str]
Rule = Callable[[Data, Dictionary], tuple[str, str] | None]

# A single item this good usually is the outcome itself under another name.
TOO_GOOD = 0.95
# From here on a difference is worth a sentence; below it, samples of a city differ by chance.
TIMES, OFF, GAP, LEAN, HALF = 1.5, 0.2, 0.1, 0.5, 0.5


def of(data: Data, *, dictionary: Dictionary) -> list[dict[str, Any]]:
    """The notes of an evaluation, each with its section."""
    found = []
    for section, rule in RULES:
        if data["too_few"] and rule not in ALWAYS:
            continue
        said = rule(data, dictionary)
        if said is not None:
            found.append({"section": section, "ja": said[0], "en": said[1]})
    return found


def label(item: str, dictionary: Dictionary, language: str) -> str:
    return dictionary[item].label[language] if item in dictionary else item


def named(items: Iterable[str], dictionary: Dictionary) -> tuple[str, str]:
    listed = list(items)
    ja, en = ([label(item, dictionary, language) for item in listed] for language in ("ja", "en"))
    return "・".join(ja), ", ".join(en)


def another_rate(data: Data, _: Dictionary) -> tuple[str, str] | None:
    train, test = (data["base_rates"][part] for part in ("train", "test"))
    if test["low"] <= train["high"] * TIMES and train["low"] <= test["high"] * TIMES:
        return None
    return (
        f"該当率が学習用 {train['value']:.1%} と検証用 {test['value']:.1%} で大きく違います。記録の遅れか、記録のしかたの変化がないか確かめてください。",
        f"The target was recorded for {train['value']:.1%} in training and {test['value']:.1%} in the test part; look for late records or a change in recording.",
    )


def watched(data: Data, _: Dictionary) -> tuple[str, str] | None:
    found = data["surveillance"]
    if found is None or found["times_as_often"] < TIMES:
        return None
    times = found["times_as_often"]
    return (
        f"対象は、既に相談や支援につながっているこどもで {times} 倍多く記録されています。困難そのものではなく「見られている度合い」を予測しているおそれがあります。",
        f"The target is recorded {times} times as often among children whom offices see already; the flag may find who is watched rather than who is in need.",
    )


def in_vain(data: Data, _: Dictionary) -> tuple[str, str] | None:
    row = chosen(data)
    if row is None:
        return None
    wrong = 100 - row["of_100_visits"]
    return (
        f"候補100人のうち約{wrong}人には、対象期間に該当がありません。候補は支援の要否を決めるものではありません。",
        f"Of 100 candidates about {wrong} do not have the target in the period. A candidate is not a decision.",
    )


def chosen(data: Data) -> Mapping[str, Any] | None:
    return next((row for row in data["capacity"] if row["chosen"]), None)


def disorder(data: Data, _: Dictionary) -> tuple[str, str] | None:
    count = data["out_of_order"]
    if not count:
        return None
    return (
        f"点数が低いほうの該当率がはっきり高い区分の組が {count} 組あります。点数の順に確かめる根拠が崩れています。",
        f"In {count} pairs of cells a lower score goes with a clearly higher rate; visiting in the order of scores is not justified.",
    )


def ties(data: Data, _: Dictionary) -> tuple[str, str] | None:
    cut = data["threshold"]
    if cut["unused"] is None or abs(cut["unused"]) <= LEAN * 0.4 * cut["places"]:
        return None
    if cut["unused"] > 0:
        return (
            f"同点が多く、訪問できる {cut['places']:,} 人分のうち {cut['unused']:,} 人分が使われません（同点の組は分けません）。",
            f"Many scores are equal: {cut['unused']:,} of {cut['places']:,} places stay unused, for equal scores are never parted.",
        )
    return (
        f"同点が多く、訪問できる {cut['places']:,} 人分を {-cut['unused']:,} 人超えます（同点の組は分けません）。",
        f"Many scores are equal: there are {-cut['unused']:,} candidates more than the {cut['places']:,} places, for equal scores are never parted.",
    )


def nothing_new(data: Data, _: Dictionary) -> tuple[str, str] | None:
    found = data["not_already_known"]
    if found is None or not is_below(found["new_of_found"], HALF):
        return None
    share = found["new_of_found"]["share"]
    ja, en = ("ほとんどいません", "hardly any") if share is None else (f" {share:.0%} です", f"{share:.0%}")
    return (
        f"見つかった該当者のうち、まだどこにも把握されていないこどもは{ja}。新たな気づきは多くありません。",
        f"Of those found {en} were not known to any office; the flag adds little to what is known.",
    )


def leaking(data: Data, dictionary: Dictionary) -> tuple[str, str] | None:
    best = data["baselines"]["single_best_item"]
    if not best or best["auc"]["value"] < TOO_GOOD:
        return None
    ja, en = (label(best["item"], dictionary, language) for language in ("ja", "en"))
    return (
        f"「{ja}」だけでほぼ当たります。基準日より後の情報でないか確かめてください。",
        f"'{en}' alone is almost always right; check that it is not dated after the index date.",
    )


def no_better(data: Data, _: Dictionary) -> tuple[str, str] | None:
    poor = data["baselines"]["poverty_only"]
    if not poor or poor["gain"]["low"] > 0:
        return None
    return (
        "生活困窮を示す一項目だけの並びと差がはっきりしません。判定モデルを使う理由を説明できますか。",
        "A list by one sign of poverty does about as well; can the use of a model be justified?",
    )


def no_better_than_today(data: Data, _: Dictionary) -> tuple[str, str] | None:
    today = data["baselines"]["practice"]
    if not today or today["gain"]["low"] > 0:
        return None
    return (
        "いまの訪問の順番と差がはっきりしません。",
        "It is not clearly better than the order in which visits are made today.",
    )


def miscalibrated(data: Data, _: Dictionary) -> tuple[str, str] | None:
    found = data["calibration"]["observed_to_expected"]
    if found["low"] <= 1 + OFF and found["high"] >= 1 - OFF:
        return None
    return (
        f"実際の該当は予測の {found['value']:.2f} 倍でした。点数を確率に読み替えると間違います（順位は変わりません）。",
        f"{found['value']:.2f} outcomes were recorded for each one expected; read as a probability the score misleads (the ranking does not change).",
    )


def uneven(data: Data, dictionary: Dictionary) -> tuple[str, str] | None:
    wide = [
        (item, gap)
        for item, found in data["gaps"].items()
        for gap in [found["missed"]]
        if gap["gap"]["value"] > GAP and gap["gap"]["low"] > 0
    ]
    if not wide:
        return None
    ja, en = named(dict.fromkeys(item for item, _ in wide), dictionary)
    return (
        f"見逃しの割合が「{ja}」の区分の間で大きく違います。該当率の違いだけでは、この差は正当化されません。",
        f"The share missed differs widely between the groups of {en}; a difference in base rates does not justify it.",
    )


def uneven_calibration(data: Data, dictionary: Dictionary) -> tuple[str, str] | None:
    """Groups between whose intervals of observed to expected there is a gap."""
    items = [
        item
        for item, rows in data["groups"].items()
        if any(
            low["observed_to_expected"]["high"] < high["observed_to_expected"]["low"]
            for low in rows
            for high in rows
        )
    ]
    if not items:
        return None
    ja, en = named(items, dictionary)
    return (
        f"同じ点数でも、「{ja}」の区分によって実際の該当率が違います。",
        f"The same score stands for different rates in the groups of {en}.",
    )


def leaning(data: Data, _: Dictionary) -> tuple[str, str] | None:
    sets = data["proxies"]["sets"]
    heavy = [name for name, found in sets.items() if found and found["spread"] >= LEAN]
    if not heavy:
        return None
    ja, en = (mark.join(SETS[name][place] for name in heavy) for place, mark in enumerate(("・", ", ")))
    return (
        f"点数のちがいの半分以上が「{ja}」によります。困難ではなく、その代わりの何かを測っていないか確かめてください。",
        f"Half of the differences between scores or more come from {en}; check that they are not a stand-in for something else.",
    )


SETS = {
    "poverty": ("生活困窮や給付の項目", "signs of poverty and benefits"),
    "place": ("住む場所", "where a child lives"),
    "contacts": ("相談・支援の利用", "use of services"),
    "traits": ("性別・国籍・障害・世帯の型", "sex, nationality, disability, type of household"),
}


def unstable(data: Data, _: Dictionary) -> tuple[str, str] | None:
    found = data["stability"]
    if found is None or found["often"] is None:
        return None
    share = found["often"]["share"]
    if found["often"]["few"] == "outside" or (share is not None and share >= HALF):
        return None
    told = "のうちほとんどいません" if share is None else f"の {share:.0%} だけです"
    told_en = "hardly any" if share is None else f"only {share:.0%}"
    return (
        f"学び直しても 5 回に 4 回以上候補になるこどもは、候補{told}。誰が候補になるかは偶然に左右されます。",
        f"Of the candidates {told_en} are candidates in four refits of five; who is one is largely chance.",
    )


def fragile(data: Data, _: Dictionary) -> tuple[str, str] | None:
    names = [row["source"] for row in data["sources"] if breaks(row)]
    if not names:
        return None
    ja, en = "・".join(names), ", ".join(names)
    return (
        f"{ja} のデータが届かないと、候補の半分以上が入れ替わるか、ほとんど全員がしきい値を超えるか、誰も対象にならなくなります。届かない年は使わないでください。",
        f"Without the data of {en} half of the candidates or more change, most children pass the threshold, or nobody is considered; do not use it in a year when they are missing.",
    )


def breaks(row: Mapping[str, Any]) -> bool:
    """Nobody is considered, most candidates are others, or most children would be above the threshold."""
    if row["nobody_considered"]:
        return True
    staying, above = row["staying"], row["above_threshold"]
    return is_below(staying, HALF) or not is_below(above, HALF)


def is_below(told: Mapping[str, Any], share: float) -> bool:
    return told["few"] == "inside" or (told["share"] is not None and told["share"] < share)


def not_real(data: Data, _: Dictionary) -> tuple[str, str] | None:
    kind = data["stands_on"]["protection"]
    if kind == "synthetic":
        return (
            "合成データでの成績です。実際のこどもでの成績は、ここからは分かりません。",
            "These figures are on synthetic data and do not tell how it does on real children.",
        )
    return (
        "保護されたデータでの成績です。実際の記録での成績は、使い始めてから確かめ続ける必要があります。",
        "These figures are on protected data; how it does on real records has to be watched when it is in use.",
    )


def too_small(data: Data, _: Dictionary) -> tuple[str, str] | None:
    if data["disclosure"]["fewest_rows_behind_points"] is not None:
        return None
    least = data["min_cell"]
    return (
        f"{least} 行より少ないこどもだけから決まった点数があります。その数人を言い当てる手がかりになります。",
        f"Some points rest on fewer than {least} rows; they are a clue to those few children.",
    )


def undeclared(data: Data, _: Dictionary) -> tuple[str, str] | None:
    left_out = [name for name in DECLARED if not data["declared"][name]]
    if not left_out:
        return None
    ja, en = (
        "、".join(DECLARED[name][0] for name in left_out),
        ", ".join(DECLARED[name][1] for name in left_out),
    )
    return (
        f"定義に書かれていないこと：{ja}。",
        f"The definition does not say: {en}.",
    )


DECLARED = {
    "outcome": ("対象を誰がいつ記録するか", "who records the target, and when"),
    "decided": ("訪問できる人数を誰がなぜ決めたか", "who chose the capacity, and why"),
    "practice": ("いまの訪問の順番", "how visits are ordered today"),
    "contact": ("問い合わせ・異議の窓口", "who answers questions and objections"),
    "review_on": ("見直す日", "the day of the next review"),
}

RULES: tuple[tuple[int, Rule], ...] = (
    (1, another_rate),
    (1, watched),
    (2, disorder),
    (3, in_vain),
    (3, ties),
    (4, nothing_new),
    (5, leaking),
    (5, no_better),
    (5, no_better_than_today),
    (6, miscalibrated),
    (7, uneven),
    (7, uneven_calibration),
    (8, leaning),
    (9, unstable),
    (10, fragile),
    (11, not_real),
    (12, too_small),
    (13, undeclared),
)
ALWAYS = (not_real, undeclared)
