"""Calibrations as pages: for a risk committee, for a terminal, for a spreadsheet (CAL-13).

Each page is a pure function of a calibration's stored JSON, so it says the same whenever and
wherever it is asked for. `calibration` writes the report as a `document` (`answer`, `evidence` and
`record` are its chapters, `amounts` and `words` how they say a number and a thing); `markdown` and
`html` show any document, `distribution` draws, `losses` makes the table. Text is escaped where it
is shown, and nowhere else. There is no NumPy here.
"""
