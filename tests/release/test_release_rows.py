"""Record-level releases: prepared, checked, reported."""


def verdicts(report):
    return {finding["check"]: finding["verdict"] for finding in report["findings"]}


def test_an_anonymised_release_passes_every_check(town, draft):
    report = town.report(draft)

    assert set(verdicts(report).values()) == {"pass"}, verdicts(report)
    assert report["verdict"] == "pass"
