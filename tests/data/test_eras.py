"""Dates as offices write them."""

from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.eras import ERAS, ImpossibleDate, NotADate, read_date

quick = settings(deadline=None, max_examples=60)
WRITTEN = {
    "令和5年4月1日": date(2023, 4, 1),
    "R5.4.1": date(2023, 4, 1),
    "R05.04.01": date(2023, 4, 1),
    "r5/4/1": date(2023, 4, 1),
    "Ｒ５．４．１": date(2023, 4, 1),
    "㋿5年4月1日": date(2023, 4, 1),
    "令5.4.1": date(2023, 4, 1),
    "5050401": date(2023, 4, 1),
    "R050401": date(2023, 4, 1),
    "H26/4/1": date(2014, 4, 1),
    "平成 26 年 4 月 1 日": date(2014, 4, 1),
    "令和元年5月1日": date(2019, 5, 1),
    "R元.5.1": date(2019, 5, 1),
    "S64.1.7": date(1989, 1, 7),
    "大正15年12月25日": date(1926, 12, 25),
    "昭和元年12月25日": date(1926, 12, 25),
    "2023年4月1日": date(2023, 4, 1),
    "2023/4/1": date(2023, 4, 1),
    "20230401": date(2023, 4, 1),
    "２０２３－０４－０１": date(2023, 4, 1),
    "2023-04-01 00:00:00": date(2023, 4, 1),
    "2023-04-01T00:00:00.000": date(2023, 4, 1),
}
IMPOSSIBLE = [
    "R5.2.29",
    "平成31年5月1日",
    "令和元年4月30日",
    "R0.5.1",
    "S64.1.8",
    "H1.1.7",
    "2023-02-29",
    "20231301",
    "昭和65年1月1日",
    "明治5年12月3日",
]
NOT_DATES = [
    "",
    "R5",
    "2023-04",
    "2023-04-01 09:30",
    "5.4.1",
    "X5.4.1",
    "令和五年",
    "1",
    "6050401",
    "20234-1-1",
]


@pytest.mark.parametrize(("written", "day"), WRITTEN.items())
def test_a_date_is_read_in_every_usual_form(written, day):
    assert read_date(written)[0] == day


@pytest.mark.parametrize("written", IMPOSSIBLE)
def test_a_day_that_never_was_is_impossible(written):
    with pytest.raises(ImpossibleDate):
        read_date(written)


@pytest.mark.parametrize("written", NOT_DATES)
def test_what_is_not_written_as_a_date_is_none(written):
    with pytest.raises(NotADate):
        read_date(written)


@quick
@given(
    day=st.dates(date(1873, 1, 1), date(2100, 12, 31)),
    form=st.sampled_from(["{name}{year}年{m}月{d}日", "{letter}{year}.{m}.{d}", "{short}{year}/{m}/{d}"]),
)
def test_a_day_written_in_its_era_comes_back(day, form):
    """Whatever the form, reading undoes writing."""
    for name, era in ERAS.items():
        if era.first <= day <= era.last:
            year = day.year - era.before
            written = form.format(
                name=name, letter=era.letter, short=era.short, year=year, m=day.month, d=day.day
            )
            assert read_date(written) == (day, True)


@quick
@given(st.sampled_from(list(ERAS.values())), st.integers(1, 400))
def test_no_era_reaches_beyond_its_days(era, distance):
    for outside in (era.first - timedelta(distance), *after(era.last, distance)):
        year = outside.year - era.before
        with pytest.raises((ImpossibleDate, NotADate)):
            read_date(f"{era.letter}{year}.{outside.month}.{outside.day}")


def after(last, distance):
    return [] if last == date.max else [last + timedelta(distance)]


@quick
@given(st.text(max_size=20))
def test_any_text_is_a_date_or_refused(text):
    with suppress(NotADate, ImpossibleDate):
        assert isinstance(read_date(text)[0], date)
