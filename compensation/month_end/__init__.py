"""The month for accounting: one zip of sheets that tie to each other and to the journal.

docs/journal.md says every column; tests tie entries to the trial balance and invoices to what labs
were charged, to the unit.
"""

from compensation.month_end.files import MonthOpen, book_of, file_name, month_end

__all__ = ["MonthOpen", "book_of", "file_name", "month_end"]
