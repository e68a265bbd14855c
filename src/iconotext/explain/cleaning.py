"""The page of a cleaning: how the pairs score, where it was cut, and the pairs to judge that by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iconotext.explain.figures import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from iconotext.explain.html import Html, el, words
from iconotext.explain.numbers import interval, plural, share, tick
from iconotext.explain.page import Section, document, wide
from iconotext.explain.pictures import Pictures

Pair = Mapping[str, Any]
PICTURE = 256


def page(figures: Mapping[str, Any], shown: Mapping[str, Sequence[Pair]], pictures: Pictures, licence: str) -> str:
    """The whole page from the figures of report.json and the pairs that it shows: ``worst``, ``gone`` and ``stay``."""
    header = el(
        "header",
        el("p", "Cleaning", class_="kicker"),
        el("h1", words(figures["data"])),
        el("p", story(figures), class_="story"),
    )
    return document("Cleaning", header, list(_sections(figures, shown, pictures)), licence)


def story(figures: Mapping[str, Any]) -> str:
    """What was done, in a few sentences."""
    pairs, gone = figures["scored"], plural(figures["removed"], "pair")
    text = (
        f"{plural(pairs, 'pair')} of {plural(figures['pictures'], 'picture')} were scored, each by a model that had not seen "
        f"its picture. About {share(figures['estimated_share'], 0)} score like texts with pictures put together at random. "
    )
    if figures["asked"]["weigh"]:
        text += (
            "Pre-training now sees a pair in as many of the epochs as it is likely to be right, "
            f"{share(figures['mean_weight'], 0)} on average; {gone} that it would never see are removed."
        )
    else:
        part = share(figures["removed"] / pairs, 0)
        text += f"{gone} ({part}) with a score below {figures['threshold']:.2f} are removed."
    if figures["not_scored"]:
        left = plural(figures["not_scored"], "text")
        text += f" {left} without regions of their picture, or in another language, could not be scored and stay."
    return text


def _sections(figures: Mapping[str, Any], shown: Mapping[str, Sequence[Pair]], pictures: Pictures) -> Iterator[Section]:
    counts, truth = figures["counts"], figures["truth"]
    drawn = [histogram("All pairs", figures, counts["pairs"], counts["mismatched"])]
    if truth:
        drawn += [histogram(f"Pairs that are {name}", figures, counts[name]) for name in ("right", "wrong")]
    lead = (
        "A score is the log odds that text and picture belong together. What lies below the threshold has the second colour. "
        "The line shows as many known mismatches: the same texts with other pictures."
    )
    yield Section("scores", "Scores", lead, (wide(drawn, class_="panels"),))
    if truth:
        yield Section("truth", "Against the truth", _told(truth), (wide(_truth(truth)),))
    lead = (
        "What other cuts would remove. Run the same command with another --remove or --threshold: the scores are kept."
    )
    yield Section("shares", "Where to cut", lead, (wide(_shares(figures["shares"])),))
    lead = "The pairs of the lowest scores, lowest first."
    yield Section("worst", "The worst pairs", lead, (_cards(shown["worst"], pictures),))
    lead = (
        "If most of the pairs that just went are right, remove less; if many that just stayed are wrong, remove more."
    )
    body = []
    for name, title in (("gone", "Just below"), ("stay", "Just above")):
        body += [el("h3", title), _cards(shown[name], pictures)]
    yield Section("border", "Either side of the threshold", lead, tuple(body))
    lead = (
        "Each has a model that learned from the other folds. A model that puts a text's own picture above another one no more "
        "often than a coin would has learned nothing; wrong pairs keep all of them from 100 %."
    )
    yield Section("folds", "Folds", lead, (wide(_folds(figures["folds"])),))


def histogram(title: str, figures: Mapping[str, Any], counts: Sequence[int], like: Sequence[int] = ()) -> Html:
    """Upright bars over the scores, those below the threshold in the second colour, and a line of counts to compare with."""
    edges, cut = figures["edges"], figures["threshold"]
    scale = figures["share"] * sum(counts) / max(sum(like), 1)
    most = max([*counts, *(scale * count for count in like), 1])
    across, down = (WIDTH - LEFT - RIGHT) / len(counts), (HEIGHT - TOP - BOTTOM) / most
    places = [LEFT + index * across for index in range(len(counts) + 1)]
    bars = [
        el(
            "rect",
            el("title", f"{low:.2f} to {high:.2f}: {plural(count, 'pair')}"),
            x=round(place + 0.5, 1),
            y=round(HEIGHT - BOTTOM - count * down, 1),
            width=round(across - 1, 1),
            height=round(count * down, 1),
            fill="var(--other)" if (low + high) / 2 < cut else "var(--accent)",
        )
        for place, count, low, high in zip(places, counts, edges, edges[1:])
    ]
    points = [f"{place + across / 2:.1f} {HEIGHT - BOTTOM - scale * n * down:.1f}" for place, n in zip(places, like)]
    line = el("path", d="M" + "L".join(points), class_="curve c3") if like else None
    base = el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM, class_="grid")
    marks = [
        el("text", f"{edges[at]:.1f}", x=round(places[at], 1), y=HEIGHT - 6, text_anchor=anchor)
        for at, anchor in ((0, "start"), (len(counts) // 2, "middle"), (len(counts), "end"))
    ]
    marks.append(el("text", tick(round(most)), x=LEFT - 6, y=TOP + 8, text_anchor="end"))
    about = plural(sum(counts), "pair")
    svg = el(
        "svg", base, bars, line, marks, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"{title}: {about}"
    )
    return el("figure", el("figcaption", el("b", title), " ", el("span", about, class_="soft")), svg, class_="panel")


def _told(truth: Mapping[str, Any]) -> str:
    weights = truth["weights"]
    return (
        f"The data set knows that {share(truth['wrong'])} of these pairs are wrong; no model has read that. A right pair now "
        f"weighs {weights['right']:.2f}, a wrong one {weights['wrong']:.2f} on average."
    )


def _truth(truth: Mapping[str, Any]) -> Html:
    rows = [
        (entry["name"], share(entry["value"]), interval(entry["low"], entry["high"]), f"{entry['n']:,}")
        for entry in truth["figures"]
    ]
    return _table(("Figure", "", "95 %", "pairs"), rows)


def _shares(shares: Sequence[Mapping[str, Any]]) -> Html:
    known = any("precision" in entry for entry in shares)
    heads = ("share", "threshold", "pairs removed", *(("of these wrong", "of all wrong ones") if known else ()))
    rows = []
    for entry in shares:
        cells = [share(entry["share"], 0), f"{entry['threshold']:.2f}", f"{entry['removed']:,}"]
        rows.append((*cells, *(share(entry[name]) for name in ("precision", "recall") if name in entry)))
    return _table(heads, rows)


def _folds(folds: Sequence[Mapping[str, Any]]) -> Html:
    known = any("auc" in entry for entry in folds)
    heads = ("fold", "pictures", "pairs", "own picture above another", *(("AUC",) if known else ()))
    rows = []
    for entry in folds:
        cells = [str(entry["fold"] + 1), f"{entry['pictures']:,}", f"{entry['pairs']:,}", share(entry["told_apart"])]
        rows.append((*cells, *((share(entry["auc"]),) if known else ())))
    return _table(heads, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    head = el("thead", el("tr", [el("th", text, scope="col") for text in heads]))
    body = [el("tr", el("th", first, scope="row"), [el("td", cell) for cell in rest]) for first, *rest in rows]
    return el("table", head, el("tbody", body))


def _cards(pairs: Sequence[Pair], pictures: Pictures) -> Html:
    return wide([_card(pair, pictures) for pair in pairs], class_="cards small") if pairs else el("p", "None.")


def _card(pair: Pair, pictures: Pictures) -> Html:
    truth = None
    if "right" in pair:
        truth = el("span", " right" if pair["right"] else " wrong", class_="yes" if pair["right"] else "no")
    weight = f", weight {pair['weight']:.2f}" if 0 < pair["weight"] < 1 else ""
    return el(
        "article",
        pictures.show(str(pair["image_id"]), PICTURE),
        el("p", words(str(pair["text"])), class_="question"),
        el("p", el("span", f"score {pair['score']:.2f}{weight}", class_="soft"), truth),
        class_="card",
    )
