"""Dates and times on lists: `2031年5月3日 14:00 UTC`; thousands are marked as in English."""

DATE_FORMAT = "Y年n月j日"
DATETIME_FORMAT = "Y年n月j日 H:i e"
SHORT_DATE_FORMAT = "Y年n月j日"
SHORT_DATETIME_FORMAT = "Y年n月j日 H:i e"
# The pages' amounts of money are written so, in every language.
THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
