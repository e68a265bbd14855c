"""Numbers as a reader wants them."""

from __future__ import annotations

THIN = "\N{NARROW NO-BREAK SPACE}"
DASH = "\N{EN DASH}"


def share(value: float | int, digits: int = 1) -> str:
    """A share in per cent; a number that is no share as it is."""
    if not 0 <= value <= 1:
        return number(value)
    least = 0.5 * 10.0 ** -(digits + 2)
    if 0 < value < least:
        return f"<{THIN}{10.0**-digits:g}{THIN}%"
    if 1 - least < value < 1:
        return f">{THIN}{100 - 10.0**-digits:g}{THIN}%"
    return f"{100 * value:.{digits}f}{THIN}%"


def interval(low: float | int, high: float | int) -> str:
    """Two shares as one interval."""
    if not 0 <= low <= high <= 1:
        return f"{number(low)}{THIN}{DASH}{THIN}{number(high)}"
    return f"{100 * low:.1f}{THIN}{DASH}{THIN}{share(high)}"


def number(value: float | int) -> str:
    """A number with as many digits as matter."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return tick(value) if abs(value) < 0.001 else f"{value:.3g}"


def tick(value: float | int) -> str:
    """A number at an axis: 1,200 is 1.2k, 0.00005 is 5e-5."""
    if value <= 0:
        return f"\N{MINUS SIGN}{tick(-value)}" if value else "0"
    if abs(value) >= 1000:
        return f"{value / 1000:g}k"
    if abs(value) < 0.001:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.4g}"


def duration(seconds: float | int) -> str:
    """A time in its two largest units."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f}{THIN}s" if seconds < 10 else f"{whole}{THIN}s"
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    at = next(i for i, (size, _) in enumerate(units) if whole >= size)
    first, second = units[at], units[at + 1]
    rest = whole % first[0] // second[0]
    return f"{whole // first[0]}{THIN}{first[1]}" + (f"\N{NO-BREAK SPACE}{rest}{THIN}{second[1]}" if rest else "")


def millions(count: int) -> str:
    """How many parameters, in words."""
    return f"{count / 1e6:.3g} million" if count >= 1_000_000 else f"{count:,}"


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
