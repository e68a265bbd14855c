import pytest

from iconotext.train.progress import Display, clock

LINE = {"losses": {"mlm": 2.5}, "rows_per_second": 812.4}


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(0, 100, quiet=False) as display:
        display.step(50)
        display.figures(50, LINE)
        display.figures(51, LINE)
        display.figures(100, LINE)
        display.say("[not markup]")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[:3] for line in lines[:-1]] == [
        ["step 50/100", "mlm 2.500", "812 rows/s"],
        ["step 100/100", "mlm 2.500", "812 rows/s"],
    ]
    assert lines[-1] == "[not markup]"


def test_helper_processes_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(0, 100, quiet=True) as display:
        display.figures(100, LINE)
        display.say("nothing")
    assert capsys.readouterr() == ("", "")


def test_clock() -> None:
    assert [clock(0.0), clock(59.6), clock(3725.0)] == ["0:00:00", "0:01:00", "1:02:05"]
