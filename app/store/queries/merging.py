"""Pages of a long list by any of its filters, each as much work as a page, not as the list.

An index leads from what some columns hold to the rows in the list's order. Of these columns a
request says some; what the others hold are few words, known or looked up. A page of each of these
is taken from the index, and the page that was asked for is the first of all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    Table,
    Text,
    cast,
    func,
    select,
    true,
    tuple_,
)

Words = str | Collection[str] | Select[tuple[str]]
"""What a column may hold: what the request says, all words that there are, or a query for them."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Which rows of a list, in its order: `place` are the columns it is sorted by.

    `past` is the place behind which it begins, `bounds` what else holds for places.
    """

    place: Sequence[Column[Any]]
    limit: int
    past: tuple[Any, ...] | None = None
    bounds: Sequence[ColumnElement[bool]] = ()
    oldest_first: bool = False

    def of(self, places: FromClause) -> list[ColumnElement[Any]]:
        """What rows with these columns are sorted by."""
        columns = [places.c[column.name] for column in self.place]
        return [column.asc() if self.oldest_first else column.desc() for column in columns]

    def query(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of the rows, of any words."""
        query = select(*columns).where(*self.bounds).limit(self.limit)
        if self.past is not None:
            key = tuple_(*self.place)
            query = query.where(key > self.past if self.oldest_first else key < self.past)
        return query.order_by(*self.of(self.place[0].table))


def page_of(
    table: Table,
    walk: Walk,
    words: Mapping[str, Words],
    columns: Sequence[ColumnElement[Any]],
) -> Select[Any]:
    """Columns of the rows in which each of the columns named holds one of its words, in order.

    There must be an index that leads with these columns, in whatever order, and goes on with those
    of the place that are none of them.
    """
    said = [table.c[name] == held for name, held in words.items() if isinstance(held, str)]
    sources = {
        name: _source(name, held) for name, held in words.items() if not isinstance(held, str)
    }
    if not sources:
        return walk.query(columns).where(*said)
    open_ones = [table.c[name] == source.c.word for name, source in sources.items()]
    places = walk.query(walk.place).where(*said, *open_ones)
    each = places.correlate(*sources.values()).lateral("each")
    first, *others = sources.values()
    joined = first
    for source in (*others, each):
        joined = joined.join(source, true())
    merging = select(*each.c).select_from(joined).order_by(*walk.of(each)).limit(walk.limit)
    return rows_at(merging.subquery("page"), walk, table, columns)


def _source(name: str, held: Collection[str] | Select[tuple[str]]) -> Any:
    if isinstance(held, Select):
        return held.subquery(f"{name}_words")
    given = cast(list(held), ARRAY(Text))
    return func.unnest(given).table_valued("word").render_derived(name=f"{name}_words")


def rows_at(
    page: Subquery, walk: Walk, table: Table, columns: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    """The rows at the places of a page, each looked up by its key, in the list's order."""
    key = [column == page.c[column.name] for column in table.primary_key]
    row = select(*columns).where(*key).limit(1).correlate(page).lateral("row")
    return select(*row.c).select_from(page.join(row, true())).order_by(*walk.of(page))


def occurring(table: Table, name: str, **leading: str) -> Select[tuple[str]]:
    """The words that a column holds where others hold what is given: a query with a look at an
    index for each, which must lead with these columns."""
    column = table.c[name]
    next_one = select(column).where(*(table.c[key] == word for key, word in leading.items()))
    next_one = next_one.order_by(column).limit(1)
    found = select(next_one.scalar_subquery().label("word")).cte("found", recursive=True)
    following = next_one.where(column > found.c.word).correlate(found).scalar_subquery()
    found = found.union_all(select(following).where(found.c.word.is_not(None)))
    return select(found.c.word).where(found.c.word.is_not(None))
